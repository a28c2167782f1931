"""How long a warm `make demo` takes, in all and by step, against its peer: the bare renders of the same four videos.

The peer runs the stand-in's renderer alone, two processes side by side, no store, no worker, no check.
"""

import concurrent.futures
import subprocess
import tempfile
import time
from pathlib import Path

from videogen import batch, project
from videogen.standin.render import Scene, render

ROOT = project.root()


def scenes() -> list[Scene]:
    """The demo's jobs as the renderer sees them."""
    found, _ = project.read_batch(ROOT / "batches" / "demo.yaml")
    values = batch.parameters_of(found, project.read_workflow(found.workflow), project.read_phase("a"))
    folder = ROOT / "batches"
    return [
        Scene(
            image=folder / str(v["character"]),
            motion=folder / str(v["motion"]),
            prompt=str(v["prompt"]),
            seed=int(v["seed"]),
            width=int(v["width"]),
            height=int(v["height"]),
            length=int(v["length"]),
            fps=float(v["fps"]),
            strength=float(v["uni3c_strength"]),
        )
        for v in values
    ]


def bare(folder: Path) -> float:
    """Seconds for the renders alone."""
    began = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        jobs = [pool.submit(render, scene, folder / f"{n}.mp4") for n, scene in enumerate(scenes())]
        for job in jobs:
            job.result()
    return time.monotonic() - began


def main() -> None:
    """Runs the demo twice; the second, warm run counts."""
    for _ in range(2):
        began = time.monotonic()
        subprocess.run(
            ["make", "--no-print-directory", "demo"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=600
        )
        seconds = time.monotonic() - began
    with tempfile.TemporaryDirectory() as folder:
        peer = bare(Path(folder))
    print((ROOT / ".videogen" / "demo-seconds.txt").read_text(), end="")
    print(f"{'make demo, warm, set-up checks included':<42} {seconds:6.1f} s")
    print(f"{'bare renders of the same four videos':<42} {peer:6.1f} s")
    print(f"ratio demo / bare renders: {seconds / peer:.1f}")


if __name__ == "__main__":
    main()
