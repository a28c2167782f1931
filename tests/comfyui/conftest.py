"""A worker with a real ComfyUI and tiny weights. `make test-comfyui` sets what is read of the environment here."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.doubles import studio
from tests.doubles.s3_server import S3Server
from tests.doubles.studio import Heard
from tests.doubles.worker_process import WorkerProcess, put_manifest, settings, worker
from tests.doubles.workshop import Film, watch
from videogen import prepare, project
from videogen.batch import MAY_LEAVE
from videogen.definition import Value
from videogen.graph import title
from videogen.runner import Waits
from videogen.store import model_key
from videogen.submission import Plan, Result

BOOT_SECONDS = 300
TOLD = pytest.StashKey[list[tuple[str, str, float]]]()


@dataclass(frozen=True)
class Core:
    """A real ComfyUI that a worker of ours runs; `told` becomes the table at the end."""

    worker: WorkerProcess
    s3: S3Server
    manifest: Path
    folder: Path
    told: list[tuple[str, str, float]] = field(default_factory=list)

    @cached_property
    def object_info(self) -> dict[str, Any]:
        """Its node classes."""
        found: dict[str, Any] = self.get("/object_info")
        return found

    @cached_property
    def recording(self) -> Path:
        """The same as a file."""
        path = self.folder / "object_info.json"
        path.write_text(json.dumps(self.object_info))
        return path

    @property
    def version(self) -> str:
        """What it calls itself."""
        return str(self.get("/system_stats")["system"]["comfyui_version"])

    def get(self, path: str) -> Any:
        """What it answers."""
        return httpx.get(self.worker.url + path, trust_env=False, timeout=60).raise_for_status().json()

    def lacks(self, name: str) -> list[tuple[str, str, str]]:
        """`(workflow, node's title, node class)` of all that the workflow uses and this ComfyUI has not."""
        nodes = [(flow.name, node) for flow in project.read_workflow(name).parts for node in flow.graph.prompt.values()]
        classes = [(flow, title(node), node["class_type"]) for flow, node in nodes]
        return [one for one in dict.fromkeys(classes) if one[2] not in self.object_info]

    def got(self) -> tuple[set[str], set[str]]:
        """The prompts that it was ever given, and its input files."""
        queue = self.get("/queue")
        waiting = {str(one[1]) for one in queue["queue_running"] + queue["queue_pending"]}
        return waiting | set(self.get("/history")), set(self.get("/internal/files/input"))

    def lint(self, *words: str) -> tuple[int, list[str]]:
        """`videogen lint` held against this ComfyUI: exit code and lines."""
        given = ("--manifest", str(self.manifest), "--object-info", str(self.recording))
        command = [sys.executable, "-m", "videogen.cli", "lint", *words, *given]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=project.root())
        return ended.returncode, ended.stderr.splitlines()

    def submit(self, batch: Path) -> tuple[Plan, Result]:
        """What `videogen submit` does with a batch; all its jobs must be done."""
        prepared = prepare.prepare(batch, "a", project.read_manifest(self.manifest))
        videos = batch.parent / "videos"
        limits = prepared.batch.limits
        plan = Plan(prepared.batch.name, prepared.workflow, prepared.jobs, limits, prepared.files, videos)
        heard = Heard()
        result = studio.run(plan, [self.worker.url], self.s3.store(), heard, waits=Waits(poll=1))
        assert [failure.message for failure, _ in heard.failures] == []
        assert result.done == len(plan.jobs)
        return plan, result

    def film(self, batch: Path) -> Film:
        """The video that the last job of a batch makes."""
        began = time.monotonic()
        plan, result = self.submit(batch)
        self.told.append((batch.stem, f"{result.done} jobs rendered", time.monotonic() - began))
        path = Path(result.videos[plan.jobs[-1].id])
        if keep := os.environ.get("VIDEOGEN_KEEP_VIDEOS"):
            Path(keep, f"{batch.stem}.mp4").write_bytes(path.read_bytes())
        return watch(path)


def written(folder: Path, name: str, values: Mapping[str, Value], files: Mapping[str, Path], title: str = "") -> Path:
    """A batch file with one video of a workflow; the policy of the phase is left."""
    parameters = project.read_workflow(name).parameter_names
    fixed = {"seed": 1, **values, **{parameter: os.path.relpath(path, folder) for parameter, path in files.items()}}
    fixed = {name: value for name, value in fixed.items() if name in parameters}
    batch = {"schema": 1, "name": title or name, "workflow": name, "fixed": fixed, "leave_policy": [*MAY_LEAVE]}
    path = folder / f"{title or name}.yaml"
    path.write_text(yaml.safe_dump(batch))
    return path


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Core]:
    """Boots as any worker does: models from a bucket, ComfyUI's paths from the manifest, both proven."""
    given = {name: os.environ.get(name) for name in ("COMFYUI_DIR", "COMFYUI_PYTHON", "COMFYUI_CUSTOM_NODES")}
    if missing := [name for name, value in given.items() if not value]:
        raise pytest.UsageError(f"{', '.join(missing)} not set: `make test-comfyui COMFYUI_DIR=…` runs these tests")
    manifest = Path(os.environ["VIDEOGEN_MANIFEST"])
    folder = tmp_path_factory.mktemp("real")
    (folder / "s3").mkdir()
    with S3Server(folder / "s3") as s3:
        store = s3.store()
        for model in project.read_manifest(manifest).models:
            assert model.sha256
            weights = yaml.safe_load(manifest.read_text())["models"]
            (local,) = [one["source"]["local"] for one in weights if one["name"] == model.name]
            store.put_file(store.models, model_key(model.sha256), manifest.parent / local)
        more = {name.lower(): value for name, value in given.items()}
        wanted = settings(
            s3,
            folder / "disk",
            put_manifest(s3, manifest.read_text()),
            comfyui_arguments=os.environ.get("COMFYUI_ARGUMENTS", ""),
            boot_minutes=BOOT_SECONDS / 60,
            lease_minutes=120.0,
            idle_minutes=120.0,
            **more,
        )
        began = time.monotonic()
        with worker(wanted, folder / "worker") as one:
            one.until(lambda status: status.state in ("ready", "failed"), BOOT_SECONDS)
            assert one.ready()
            found = Core(one, s3, manifest, folder)
            found.told.append((f"ComfyUI {found.version}", "booted", time.monotonic() - began))
            pytestconfig.stash[TOLD] = found.told
            yield found
            one.process.terminate()
            one.ends(60)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What rendered and what this ComfyUI could not, with seconds."""
    for name, what, seconds in config.stash.get(TOLD, []):
        terminalreporter.write_line(f"{name:24} {what}, {seconds:.1f} s")
