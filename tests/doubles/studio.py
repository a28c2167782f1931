"""A small studio: stand-in ComfyUIs as workers, a real S3 server, and batches of the short workflow for them.

Also a program (`python -m tests.doubles.studio SPEC.json`) that submits and kills itself at a named moment.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.doubles.s3_server import S3Server
from tests.doubles.standin_process import StandinProcess, standin
from videogen import batch, graph, manifest, phase, stack_outputs, workflow
from videogen.batch import Job
from videogen.dispatch import Decision
from videogen.failure import Failure
from videogen.ledger import Ledger
from videogen.progress import Progress
from videogen.runner import Waits
from videogen.secret import Secret
from videogen.store import Store, StoredObject
from videogen.submission import Plan, Result
from videogen.submit import submit

REPOSITORY = Path(__file__).resolve().parents[2]
QUICK = Waits(lost=1.0, poll=0.2, first_word=0.5, interrupt=5.0, grace=0.2)
SIZE = {"width": 64, "height": 64, "length": 5, "steps": 2, "switch_step": 1, "prompt": "a walk"}


@contextlib.contextmanager
def workers(folder: Path, count: int, faults: Any = None) -> Iterator[list[StandinProcess]]:
    """That many stand-ins that have every model of the manifest (names only; the stand-in reads no weights)."""
    with contextlib.ExitStack() as stack:
        started = []
        for number in range(1, count + 1):
            base = folder / f"worker-{number}"
            for model in manifest_of_dev().models:
                path = base / "models" / model.comfy_folder / model.comfy_name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            started.append(stack.enter_context(standin(base, faults=faults)))
        yield started


@dataclass
class Lent(StandinProcess):
    """A stand-in that several tests use one after the other: without faults or memories, its counters at zero."""

    before: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, process: StandinProcess) -> "Lent":
        """The process, as new."""
        process.faults()
        process.http.post("/history", json={"clear": True}).raise_for_status()
        process.http.post("/free", json={"unload_models": True, "free_memory": True}).raise_for_status()
        return cls(process.url, process.base, process.process, process.http, process.stats())

    def stats(self) -> Any:
        """What was counted since it was lent."""
        return {name: value - self.before[name] for name, value in super().stats().items()}


@dataclass(frozen=True)
class Deaf:
    """A socket that takes connections and never answers."""

    url: str
    socket: socket.socket

    def called(self, seconds: float = 60) -> bool:
        """Waits until somebody calls; whether that was in time."""
        return bool(select.select([self.socket], [], [], seconds)[0])


@contextlib.contextmanager
def deaf() -> Iterator[Deaf]:
    """Somebody who listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Deaf(f"http://127.0.0.1:{listening.getsockname()[1]}", listening)


def rows(urls: Sequence[str], gpus: Sequence[str] = ()) -> list[stack_outputs.Worker]:
    """Workers `w1`, `w2`, … as a stack names them, all of GPU `stand-in` unless it is said."""
    return [
        stack_outputs.Worker(name=f"w{n}", cloud="local", gpu=gpu, url=url, agent=url, dollars_per_hour="0")
        for n, (url, gpu) in enumerate(zip(urls, gpus or ["stand-in"] * len(urls), strict=True), start=1)
    ]


def short(stall: float = 10, ladder: str = "") -> workflow.Workflow:
    """The short workflow; with `ladder` another one than its own, in YAML, and VAE tiles of a size that may be set."""
    place = REPOSITORY / "workflows" / "wan22-i2v"
    text, nodes = (place / "workflow.yaml").read_text(), json.loads((place / "graph.json").read_text())
    if ladder:
        said = yaml.safe_load(text)
        decode = next(node for node in nodes.values() if node["class_type"] == "VAEDecode")
        decode["class_type"] = "VAEDecodeTiled"
        decode["inputs"] |= {"tile_size": 1024, "overlap": 64, "temporal_size": 64, "temporal_overlap": 8}
        sets = [{"title": decode["_meta"]["title"], "input": "tile_size"}]
        said["parameters"].append(
            {"name": "tile", "about": "pixels", "type": "integer", "default": 1024, "minimum": 64, "sets": sets}
        )
        text = yaml.safe_dump({**said, "ladder": yaml.safe_load(ladder)})
    found = graph.parse(json.dumps(nodes), "graph.json")
    return workflow.parse(f"{text}\nstall_minutes: {stall}\n", "workflow.yaml", found)


def plan(
    folder: Path,
    seeds: Sequence[int],
    values: Mapping[str, Any] | None = None,
    stall: float = 10,
    ladder: str = "",
    **limits: Any,
) -> Plan:
    """A batch of the short workflow with one job a seed."""
    flow = short(stall, ladder)
    picture = REPOSITORY / "batches" / "inputs" / "character.png"
    digest = manifest.digest(picture.name)
    wanted = batch.Batch.model_validate(
        {
            "schema": 1,
            "name": "walk",
            "workflow": flow.name,
            "fixed": {**SIZE, "character": "character.png", **(values or {})},
            "matrix": {"seed": seeds},
            "limits": limits,
        }
    )
    jobs = batch.expand(wanted, flow, phase_without_limits(), manifest_of_dev(), {"character.png": digest})
    return Plan(wanted.name, flow, tuple(jobs), wanted.limits, {digest: picture}, folder / "videos")


def manifest_of_dev() -> manifest.Manifest:
    """The models of this machine's stack."""
    return manifest.parse((REPOSITORY / "models_manifest.dev.yaml").read_text(), "models_manifest.dev.yaml")


def phase_without_limits() -> phase.Phase:
    """A phase in which everything is allowed."""
    return phase.Phase.model_validate(
        {
            "phase": "a",
            "name": "explore",
            "policy": {
                "sizes": ["64x64"],
                "samplers": [],
                **{name: {"minimum": 0, "maximum": 1e9} for name in ("length", "steps", "cfg", "denoise")},
            },
        }
    )


@dataclass
class Heard:
    """A listener that writes down what it hears; `react` is called with each word."""

    lines: list[tuple[str, ...]] = field(default_factory=list)
    failures: list[tuple[Failure, Decision]] = field(default_factory=list)
    react: Callable[[str], object] = str

    def planned(self, jobs: int, done: int, workers: Sequence[str]) -> None:
        self._note("planned", str(jobs), str(done), *workers)

    def job_started(self, worker: str, job: Job, attempt: int, resumed: bool) -> None:
        self._note("resumed" if resumed else "started", worker, job.id, str(attempt))

    def job_cut(self, worker: str, job: Job, rung: str, why: str) -> None:
        self._note("cut", worker, job.id, rung, why)

    def job_progress(self, worker: str, job: Job, progress: Progress) -> None:
        self._note("progress", worker, job.id, f"{progress.fraction:.2f}")

    def job_rendered(self, worker: str, job: Job, seconds: float | None) -> None:
        self._note("rendered", worker, job.id, str(seconds))

    def job_finished(self, job: Job, path: Path | None) -> None:
        self._note("finished", job.id, str(path))

    def job_failed(self, worker: str, job: Job, failure: Failure, decision: Decision) -> None:
        self.failures.append((failure, decision))
        self._note("failed", worker, job.id, failure.kind, failure.message)

    def worker_lost(self, worker: str, reason: str) -> None:
        self._note("lost", worker, reason)

    def stopping(self, seconds: float) -> None:
        self._note("stopping", str(seconds))

    def words(self, word: str) -> list[tuple[str, ...]]:
        """The lines that begin so."""
        return [line for line in self.lines if line[0] == word]

    def _note(self, word: str, *rest: str) -> None:
        self.lines.append((word, *rest))
        self.react(word)


def run(
    what: Plan,
    urls: Sequence[str],
    store: Store,
    heard: Heard,
    ledger: Path | None = None,
    waits: Waits = QUICK,
    stop: asyncio.Event | None = None,
    tokens: Mapping[str, Secret] | None = None,
    gpus: Sequence[str] = (),
    workers_only: bool = False,
) -> Result:
    """One `submit`, from an opened ledger to its result."""

    async def whole() -> Result:
        path = ledger or what.folder.parent / "ledger.sqlite"
        with Ledger.open(path) as opened:
            lent, end = rows(urls, gpus), stop or asyncio.Event()
            return await submit(
                *(what, lent, tokens or {}, store, opened),
                listener=heard, stop=end, waits=waits, workers_only=workers_only,
            )  # fmt: skip

    return asyncio.run(whole())


class _DeadlyStore(Store):
    """Kills this process when it is asked to store an object whose key ends so."""

    deadly = ""

    def put_file(
        self,
        bucket: str,
        key: str,
        path: Path,
        content_type: str = "application/octet-stream",
        progress: Callable[[int], None] | None = None,
        known_parts: Sequence[str] | None = None,
    ) -> StoredObject:
        if self.deadly and key.endswith(self.deadly):
            _die()
        return super().put_file(bucket, key, path, content_type, progress, known_parts)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def spec(target: Path, folder: Path, seeds: Sequence[int], urls: Sequence[str], s3: S3Server, moment: str) -> Path:
    """Writes what the program below does."""
    document = {
        "folder": str(folder),
        "seeds": list(seeds),
        "urls": list(urls),
        "endpoint": s3.place.endpoint,
        "moment": moment,
    }
    target.write_text(json.dumps({**document, "key": s3.access.key.reveal(), "secret": s3.access.secret.reveal()}))
    return target


def main(argv: Sequence[str], wanted: Callable[[Path, Sequence[int]], Plan] = plan) -> None:
    """Submits what is `wanted`; dies by SIGKILL at the moment that the file names.

    A moment is a listener's word, `word@n` for its nth time, or `put:<end of a key>`.
    """
    given = json.loads(Path(argv[0]).read_text())
    access = stack_outputs.StoreAccess(key=Secret(given["key"]), secret=Secret(given["secret"]))
    place = stack_outputs.Store(endpoint=given["endpoint"], region="us-east-1", models="models", outputs="outputs")
    store = _DeadlyStore(place, access)
    moment, _, time = given["moment"].partition("@")
    store.deadly = moment.removeprefix("put:") if moment.startswith("put:") else ""
    left = int(time or 1)

    def react(word: str) -> None:
        nonlocal left
        left -= word == moment
        if not left:
            _die()
        sys.stdout.write(word + "\n")
        sys.stdout.flush()

    run(wanted(Path(given["folder"]), given["seeds"]), given["urls"], store, Heard(react=react))


if __name__ == "__main__":
    main(sys.argv[1:])
