"""From `docker run` of the worker's image to its first accepted job, against ComfyUI alone in the same image.

The worker boots as a rented one does: gateway, sshd with a key, agent, its models (those of stack `dev`) from an S3
server in another container; with an empty disk, and with a volume that holds them. The first job goes through the
gateway, once the agent says that the worker is ready. The peer is a container of the same image that runs ComfyUI's
main.py and nothing else; it shares this machine's network, which the engine sets up faster than a network of its own.

`--image NAME` measures an image that is there already, such as one with a real ComfyUI; else it is the one of the
tests, with the stand-in. `--svg FILE` draws the boot with an empty disk.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.doubles.docker_engine import Container, Start, docker, networking, ssh_key
from tests.doubles.worker_container import S3Container, WorkerContainer, rent, wanted
from videogen import manifest, mirror, port, project
from videogen.boot_report import BootStep

ROOT = project.root()
ROUNDS = 5
AIM_SECONDS = 10.0
DEADLINE = 300.0
CONTAINER = "container starts"
TEST_IMAGE = "localhost/videogen-benchmark"
MANIFEST = ROOT / "models_manifest.dev.yaml"
JOB = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 1}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "first"}},
}


class Boot(NamedTuple):
    """One start: seconds from `docker run` to the program's start, to the accepted job, and the worker's own steps."""

    container: float
    job: float
    steps: Sequence[BootStep] = ()


def main() -> None:
    """Prints the table and the ratio; exit code 1 when the aim is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--image")
    options.add_argument("--svg", type=Path)
    given = options.parse_args()
    if "VIDEOGEN_TEST_BASE" not in os.environ:
        again = [str(ROOT / "tools/engine.sh"), sys.executable, *sys.argv]
        sys.exit(subprocess.run(again, check=False).returncode)
    with nullcontext(given.image) if given.image else built() as image:
        cold, warm, alone = measured(image)
    table(cold, warm)
    jobs = {"an empty disk": cold, "a filled volume": warm, "peer: ComfyUI alone": alone}
    for name, boots in jobs.items():
        least, *_, most = sorted(one.job for one in boots)
        middle = statistics.median(one.job for one in boots)
        print(f"first job accepted, {name:24}{middle:8.2f} s   ({least:.2f}–{most:.2f})")
    peer = statistics.median(one.job for one in alone)
    worst = statistics.median(one.job for one in cold)
    print(f"ratio empty disk / ComfyUI alone: {worst / peer:.2f}")
    print(f"ratio filled volume / ComfyUI alone: {statistics.median(one.job for one in warm) / peer:.2f}")
    print(f"over ComfyUI's own start: {worst - peer:.2f} s (aim: at most {AIM_SECONDS:g} s)")
    if given.svg:
        given.svg.write_text(picture(sorted(cold, key=lambda one: one.job)[len(cold) // 2], peer))
    sys.exit(0 if worst - peer <= AIM_SECONDS else 1)


@contextmanager
def built() -> Iterator[str]:
    """The name of the image of the tests, with the stand-in; the name goes afterwards, its layers stay to build on."""
    build = [sys.executable, ROOT / "tools/build_image.py", "--test", "--tag", TEST_IMAGE]
    subprocess.run(build, check=True, capture_output=True, timeout=600)
    try:
        yield TEST_IMAGE
    finally:
        docker("image", "rm", TEST_IMAGE)


def measured(image: str) -> tuple[list[Boot], list[Boot], list[Boot]]:
    """Boots with an empty disk, with a filled volume, and of ComfyUI alone; interleaved."""
    text = MANIFEST.read_text(encoding="utf-8")
    models = manifest.parse(text, MANIFEST.name)
    with tempfile.TemporaryDirectory() as folder, networking() as network:
        objects = Path(folder) / "s3"
        objects.mkdir()
        volume = docker("volume", "create")
        bucket = S3Container(objects, image, network)
        with bucket:
            store = bucket.store()
            mirror.mirror(text, models, store, ROOT)
            keys = ssh_key(Path(folder)).with_suffix(".pub").read_text()
            settings = wanted(bucket, manifest.digest(text), volume=True, ssh_public_keys=keys)
            mounts = [f"type=volume,source={volume},destination=/workspace/data"]

            def boot(mounts: Sequence[str]) -> Boot:
                with Start(image) as start:
                    return worker(lambda: rent(start, bucket, settings, mounts=mounts))

            boot(mounts)  # fills it
            rounds = [(boot(()), boot(mounts), comfyui(image)) for _ in range(ROUNDS)]
        docker("volume", "rm", volume)
    print(f"models: {models.select('a').size / 1e6:.0f} MB; medians of {ROUNDS}, seconds")
    cold, warm, alone = (list(boots) for boots in zip(*rounds, strict=True))
    return cold, warm, alone


def worker(start: Callable[[], WorkerContainer]) -> Boot:
    """A worker's boot."""
    began, wall = time.monotonic(), time.time()
    one = start()
    while (status := one.status()) is None or status.state != "ready":
        assert time.monotonic() - began < DEADLINE, one.container.logs()
        assert status is None or status.state == "booting", one.container.logs()
        time.sleep(0.01)
    one.ask("/prompt", "POST", json={"prompt": JOB}).raise_for_status()
    return Boot(started(one.container) - wall, time.monotonic() - began, status.steps)


def comfyui(image: str) -> Boot:
    """The boot of ComfyUI alone."""
    number = port.free(["comfyui"])["comfyui"]
    url = f"http://127.0.0.1:{number}"
    command = ["/opt/venv/bin/python", "/opt/comfyui/main.py", f"--port={number}", "--base-directory=/tmp"]
    gpu = [] if docker("info", "--format", "{{.Runtimes.nvidia}}") != "<no value>" else ["--cpu"]
    with Start(image) as start:
        began, wall = time.monotonic(), time.time()
        box = start(*command, "--disable-auto-launch", *gpu, options=["--network", "host"])
        while not accepts(url):
            assert time.monotonic() - began < DEADLINE, box.logs()
            time.sleep(0.01)
        return Boot(started(box) - wall, time.monotonic() - began)


def accepts(url: str) -> bool:
    """Whether it takes the job."""
    try:
        return httpx.post(f"{url}/prompt", json={"prompt": JOB}, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def started(box: Container) -> float:
    """When its first process started, as seconds since 1970."""
    return datetime.fromisoformat(f"{box.state()['StartedAt'][:26]}+00:00").timestamp()


def table(cold: Sequence[Boot], warm: Sequence[Boot]) -> None:
    """One line a step; some overlap, so they do not add up."""
    print(f"{'step':34}{'empty disk':>12}{'filled':>9}")
    print(f"{CONTAINER:34}", end="")
    print(f"{statistics.median(b.container for b in cold):12.2f}{statistics.median(b.container for b in warm):9.2f}")
    for step in cold[0].steps:
        found = [
            statistics.median(one.seconds or 0.0 for boot in boots for one in boot.steps if one.name == step.name)
            for boots in (cold, warm)
        ]
        print(f"{step.name:34}{found[0]:12.2f}{found[1]:9.2f}")


def picture(boot: Boot, peer: float) -> str:
    """The boot report as an SVG: a bar a step, from its beginning to its end."""
    bars = [(CONTAINER, 0.0, boot.container)]
    bars += [(step.name, boot.container + step.began, step.seconds or 0.0) for step in boot.steps]
    scale = 420 / max(boot.job, peer)
    parts = []
    for place, (name, began, seconds) in enumerate(bars):
        y, x, wide = 44 + 24 * place, 190 + scale * began, max(1.0, scale * seconds)
        parts.append(
            f'<text x="180" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{x:.0f}" y="{y}" width="{wide:.0f}" height="16" fill="#2f6feb"/>'
            f'<text x="{x + wide + 6:.0f}" y="{y + 13}" fill="#555">{seconds:.2f}</text>'
        )
    bottom = 44 + 24 * len(bars)
    for seconds, words, row in (
        (peer, "ComfyUI alone takes a job", 0),
        (boot.job, "the worker takes its first job", 1),
    ):
        x = 190 + scale * seconds
        parts.append(
            f'<path d="M{x:.0f} 36V{bottom + 18 * row + 4}" stroke="#111" stroke-dasharray="3 3"/>'
            f'<text x="{x:.0f}" y="{bottom + 18 * row + 18}" text-anchor="end">{words}: {seconds:.2f} s</text>'
        )
    height = bottom + 50
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="680" height="{height}" font-family="sans-serif" font-size="13"'
        ">"
        f'<rect width="680" height="{height}" fill="#fff"/>'
        f'<text x="16" y="26" font-weight="bold">A boot with an empty disk, seconds since `docker run`</text>'
        f"{''.join(parts)}</svg>\n"
    )


if __name__ == "__main__":
    main()
