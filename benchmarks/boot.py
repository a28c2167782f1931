"""A worker's boot, seconds a step, with an empty disk and with a warm one, against the stand-in started alone.

The worker is rented as `pulumi up` rents it (local cloud, `rclone` as the store, the models of stack `dev`) and waited
for until it is proven ready. The peer runs the same command line as the worker's ComfyUI, until it answers.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

from videogen import comfyui_command, local_store, manifest, mirror, port, project, readiness
from videogen.boot_report import BootStep
from videogen.clouds import WorkerSpec
from videogen.clouds.local import LocalCloud
from videogen.comfyui_source import ComfyuiSource
from videogen.lease import LeaseTerms
from videogen.local_comfyui import LocalComfyui
from videogen.local_store import LocalStore
from videogen.money import Cap
from videogen.readiness import Requirements
from videogen.secret import Secret
from videogen.stack_outputs import Store as Place
from videogen.store import Store
from videogen.worker_environment import WorkerEnvironment

WARM = 5
AIM_SECONDS = 3.0
MANIFEST = project.root() / "models_manifest.dev.yaml"
TOKEN = Secret("benchmark")


def main() -> None:
    """Prints the table and the ratio."""
    with tempfile.TemporaryDirectory(prefix="videogen-boot-") as folder:
        state = Path(folder)
        store = LocalStore(state)
        access = local_store.new_access()
        number = store.start(access)
        try:
            place = local_store.place(
                number, Place(endpoint="", region="us-east-1", models="models", outputs="outputs")
            )
            text = MANIFEST.read_text(encoding="utf-8")
            models = manifest.parse(text, MANIFEST.name)
            client = Store(place, access)
            client.ensure_buckets()
            mirror.mirror(text, models, client, MANIFEST.parent)
            workflows = [project.read_workflow(name) for name in project.workflow_names()]
            required = readiness.requirements(workflows, models, manifest.digest(text))
            spec = WorkerSpec(
                stack="benchmark",
                slot="1",
                phase="a",
                offers=(),
                places=(),
                image="comfyui",
                volume_gb=0,
                container_disk_gb=0,
                lease=LeaseTerms(total=30, idle=30, boot=5),
                cap=Cap(run=Decimal(1), month=Decimal(1)),
                manifest=required.manifest,
                store=place,
                access=access,
                worker_access=access,
                token=TOKEN,
                comfyui=ComfyuiSource(),
            )
            cloud = LocalCloud(project.root() / "images", state)
            cold = boot(cloud, spec, required, "cold")
            rounds = [(boot(cloud, spec, required, f"warm-{n}"), alone(state, n)) for n in range(WARM)]
        finally:
            store.end()
    warm = [seconds for (seconds, _), _ in rounds]
    peer = [seconds for _, seconds in rounds]
    print(f"models: {models.size / 1e6:.0f} MB in {len(models.models)} files; medians of {WARM} warm boots")
    table(cold[1], [steps for (_, steps), _ in rounds])
    print(f"{'proven ready, from the rent on':34}{cold[0]:8.2f}{statistics.median(warm):8.2f}")
    print(f"{'peer: the stand-in alone':34}{'':8}{statistics.median(peer):8.2f}")
    over = statistics.median(warm) - statistics.median(peer)
    print(f"ratio warm boot / stand-in alone: {statistics.median(warm) / statistics.median(peer):.2f}")
    print(f"overhead: {over:.2f} s (aim: at most {AIM_SECONDS:g} s)")
    sys.exit(0 if over <= AIM_SECONDS else 1)


def boot(cloud: LocalCloud, spec: WorkerSpec, required: Requirements, name: str) -> tuple[float, tuple[BootStep, ...]]:
    """Seconds from the rent to the proof, and the worker's own steps."""
    began = time.monotonic()
    machine = cloud.create(spec, cloud.candidates(spec)[0], name)
    try:
        report = readiness.wait_until_ready(
            machine.url,
            machine.agent,
            TOKEN,
            required,
            deadline=began + 120,
            alive=lambda: (found := cloud.get(name)) is not None and found.state == "running",
            progress=lambda _: None,
            cancelled=threading.Event(),
        )
        return time.monotonic() - began, report.steps
    finally:
        cloud.end(name, why="measured", by="benchmark")


def alone(state: Path, turn: int) -> float:
    """Seconds until the stand-in answers that nobody attends to, on the worker's warm disk."""
    disk = state / "disks" / "1"
    number = port.free(["comfyui"])["comfyui"]
    settings = WorkerEnvironment.model_construct(
        workspace=disk, volume=False, comfyui_port=number, comfyui_dir=None, comfyui_arguments=""
    )
    argv = comfyui_command.command(settings, disk / "extra_model_paths.yaml")
    began = time.monotonic()
    with (state / f"alone-{turn}.log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=disk, env=comfyui_command.environment(os.environ), stdout=log, stderr=log)
    try:
        answering = LocalComfyui(number)
        while not answering.answers():
            assert process.poll() is None, f"the stand-in ended, code {process.returncode}"
            time.sleep(0.01)
        return time.monotonic() - began
    finally:
        process.terminate()
        process.wait(20)


def table(cold: tuple[BootStep, ...], warm: list[tuple[BootStep, ...]]) -> None:
    """One line a step; steps overlap, so they do not add up."""
    print(f"{'step':34}{'cold s':>8}{'warm s':>8}")
    for step in cold:
        found = [one.seconds or 0.0 for steps in warm for one in steps if one.name == step.name]
        print(f"{step.name:34}{step.seconds or 0.0:8.2f}{statistics.median(found):8.2f}")


if __name__ == "__main__":
    main()
