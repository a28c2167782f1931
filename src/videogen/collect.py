"""The second half of a job: its files come down, are checked, go into the bucket, and only then it is done."""

import asyncio
import hashlib
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from videogen.batch import Job
from videogen.clips import VIDEO
from videogen.comfy import Comfy, HistoryEntry, RemoteFile
from videogen.definition import Value
from videogen.disk import explained, written
from videogen.errors import WorkerRefused
from videogen.failure import AttemptFailed, Failure, FailureClass
from videogen.flaw import Flaw
from videogen.graph import title
from videogen.ledger import Ledger
from videogen.ledger_rows import AttemptRow, AttemptState, OutputRow
from videogen.media import Expected, UnreadableMedia, look, probe
from videogen.post_steps import VR180
from videogen.stack_outputs import Worker
from videogen.store import Store
from videogen.workflow import Workflow

RECORD = "record.json"
"""Written last: where it lies in the bucket, the job's files do too."""

_Kind = Literal["video", "image", "file"]
_Seen = tuple[dict[str, object], tuple[Flaw, ...]]
"""What a file is, for its record, and what is wrong with it."""

_IMAGE = (".png", ".jpg", ".jpeg", ".webp", ".gif")


def job_prefix(batch: str, job: str) -> str:
    """Where a job's files lie in the outputs bucket."""
    return f"outputs/{batch}/{job}/"


@dataclass(frozen=True)
class Collector:
    """Puts the files of one batch's jobs away, below `folder` on this machine."""

    batch: str
    workflow: Workflow
    folder: Path
    store: Store
    ledger: Ledger
    steps: frozenset[str] = frozenset()
    """Jobs whose videos are only wanted by other jobs; on this machine they lie in `steps/`."""
    cuts: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    """The plan's, for the records."""

    async def collect(
        self,
        job: Job,
        attempt: AttemptRow,
        entry: HistoryEntry,
        comfy: Comfy,
        worker: Worker,
        versions: Mapping[str, Any],
    ) -> None:
        """Downloads and checks what was rendered; afterwards the attempt is `rendered` and needs its worker no more.

        Raises `AttemptFailed` for an output that is not worth keeping; the file stays in `rejected/` as evidence.
        """
        kept: list[OutputRow] = []
        looks: list[dict[str, object]] = []
        counts: dict[str, int] = {}
        for file in self._wanted(job, entry):
            kind = _kind(file)
            counts[kind] = counts.get(kind, 0) + 1
            name = _name(kind, counts[kind], file)
            target = self.local(job.id, name)
            part = target.with_name(f".{target.name}.part")
            with explained(target):
                try:
                    got = await comfy.download(file, part)
                except WorkerRefused as error:
                    raise _bad(f"{file.filename}: announced, but not there", [{"message": error.message}]) from error
                seen, flaws = await self._checked(job, attempt, file, part)
                looks.append({"name": name, "node": title(job.prompt[file.node]), **seen})
                part.replace(target)
            kept.append(OutputRow(name, target, job_prefix(self.batch, job.id) + name, got.size, got.sha256, flaws))
        for output in self.workflow.doing(job.step).definition.outputs:
            if not counts.get(output.kind):
                raise _bad(f"`{output.title}` gave no {output.kind}", [])
        about = {
            "name": worker.name,
            "cloud": worker.cloud,
            "gpu": worker.gpu,
            "dollars_per_hour": worker.dollars_per_hour,
        }
        record = self._record(job, attempt, entry.render_seconds, about, versions, kept, looks)
        await asyncio.to_thread(_write, self.local(job.id, RECORD), record)
        self.ledger.rendered(attempt.prompt_id, kept, entry.render_seconds)

    async def collect_post(self, job: Job, attempt: AttemptRow, made: Path, seconds: float) -> None:
        """Checks the video that a post step `made` and keeps it; the attempt is `rendered`.

        Raises `AttemptFailed` for one that is not worth keeping; it stays in `rejected/` as evidence.
        """
        name = f"video{made.suffix}"
        target = self.local(job.id, name)
        with explained(target):
            seen, flaws = await self._worth_keeping(job, attempt, made.name, made, "video", Expected.of(job.parameters))
            if (
                job.post == VR180
            ):  # its flat video was looked at; on a small screen in the dark all seems to stand still
                seen, flaws = {**seen, "flaws": []}, ()
            sha256 = await asyncio.to_thread(sha256_of, made)
            await asyncio.to_thread(_move, made, target)
        kept = [OutputRow(name, target, job_prefix(self.batch, job.id) + name, target.stat().st_size, sha256, flaws)]
        looks = [{"name": name, "node": job.post, **seen}]
        record = self._record(job, attempt, seconds, {"name": attempt.worker}, {}, kept, looks)
        await asyncio.to_thread(_write, self.local(job.id, RECORD), record)
        self.ledger.rendered(attempt.prompt_id, kept, seconds)

    async def put_away(self, attempt: AttemptRow) -> None:
        """Puts the files of a `rendered` or `stored` attempt into the bucket; its job is done. Raises `StoreError`."""
        if self.ledger.attempt(attempt.prompt_id).state is AttemptState.RENDERED:
            for output in self.ledger.outputs(attempt.prompt_id):
                await self._put(output.key, output.path)
            self.ledger.stored(attempt.prompt_id)
        await self._put(job_prefix(self.batch, attempt.job) + RECORD, self.local(attempt.job, RECORD))
        self.ledger.done(attempt.prompt_id)

    def intact(self, attempt: AttemptRow) -> bool:
        """Whether the attempt's checked files lie here, so that its worker is needed no more."""
        files = self.ledger.outputs(attempt.prompt_id)
        there = all(file.path.is_file() and sha256_of(file.path) == file.sha256 for file in files)
        return bool(files) and there and self.local(attempt.job, RECORD).is_file()

    async def adopt(self, job: Job) -> bool:
        """Takes over a job that the bucket has whole: its record is read, its files come down.

        False where a file is not the one of the record, as when somebody renders it anew just now. Raises `StoreError`.
        """
        prefix = job_prefix(self.batch, job.id)
        record = await asyncio.to_thread(self.store.get_bytes, self.store.outputs, prefix + RECORD)
        described = json.loads(record)
        kept = [
            OutputRow(
                *(file["name"], self.local(job.id, file["name"]), file["key"], file["size"], file["sha256"]),
                tuple(Flaw(**flaw) for flaw in file.get("flaws", [])),
            )
            for file in described["outputs"]
        ]
        if job.id not in self.steps:  # what only other jobs want comes down when one of them does
            for file in kept:
                await asyncio.to_thread(self.store.get_file, self.store.outputs, file.key, file.path)
                if await asyncio.to_thread(sha256_of, file.path) != file.sha256:
                    await asyncio.to_thread(file.path.unlink)
                    return False
        await asyncio.to_thread(_write, self.local(job.id, RECORD), described)
        worker, rung = described["worker"], described.get("rung", "")
        self.ledger.adopt(self.batch, job.id, worker["name"], described["prompt_id"], kept, worker.get("gpu", ""), rung)
        return True

    def local(self, job: str, name: str) -> Path:
        """Where a file of a job lies on this machine: `<batch>/<job id>.mp4`, others with their name behind the id.

        What only other jobs want lies in `<batch>/steps/`.
        """
        folder = self.folder / self.batch / ("steps" if job in self.steps else "")
        if PurePosixPath(name).stem == "video":
            return folder / f"{job}{PurePosixPath(name).suffix}"
        return folder / f"{job}.{name}"

    def _wanted(self, job: Job, entry: HistoryEntry) -> list[RemoteFile]:
        """The files of the output nodes first, then whatever else was saved; previews and inputs are left."""
        titles = self._titles(job)
        named = [file for file in entry.files if self._is_output(job, file, titles)]
        named.sort(key=lambda file: titles.index(title(job.prompt[file.node])))
        return named + [file for file in entry.files if file.type == "output" and file not in named]

    def _titles(self, job: Job) -> list[str]:
        return [output.title for output in self.workflow.doing(job.step).definition.outputs]

    def _is_output(self, job: Job, file: RemoteFile, titles: list[str]) -> bool:
        return file.node in job.prompt and title(job.prompt[file.node]) in titles

    async def _checked(self, job: Job, attempt: AttemptRow, file: RemoteFile, path: Path) -> _Seen:
        expected = Expected.of(job.parameters) if self._is_output(job, file, self._titles(job)) else None
        return await self._worth_keeping(job, attempt, file.filename, path, _kind(file), expected)

    async def _worth_keeping(
        self, job: Job, attempt: AttemptRow, name: str, path: Path, kind: _Kind, expected: Expected | None
    ) -> _Seen:
        """What the file is; one that is broken goes to `rejected/`."""
        seen, flaws = await asyncio.to_thread(_look, path, kind, expected)
        broken = [str(flaw) for flaw in flaws if flaw.severity == "broken"]
        if not broken:
            return seen, flaws
        rejected = self.folder / self.batch / "rejected" / f"{job.id}-{attempt.number}{PurePosixPath(name).suffix}"
        await asyncio.to_thread(_move, path, rejected)
        found = [{"kind": flaw.kind, "message": str(flaw)} for flaw in flaws]
        raise _bad(f"{name}: {'; '.join(broken)}", found, kept=str(rejected))

    def _record(
        self,
        job: Job,
        attempt: AttemptRow,
        seconds: float | None,
        worker: Mapping[str, object],
        versions: Mapping[str, Any],
        kept: list[OutputRow],
        looks: list[dict[str, object]],
    ) -> dict[str, object]:
        return {
            "schema": 1,
            "batch": self.batch,
            "job": job.id,
            "attempt": attempt.number,
            "prompt_id": attempt.prompt_id,
            "workflow": job.workflow,
            "parameters": job.parameters,
            "rung": attempt.rung,
            "asked": self._asked(job),
            "cuts": self.cuts,
            "rungs_before": self._rungs_before(job),
            "leave_policy": list(job.leaves_policy),
            "character": job.character,
            "step": job.step,
            "group": job.group,
            "post": job.post,
            "final": job.final,
            "needs": [asdict(need) for need in job.needs],
            "inputs": [asdict(file) for file in job.inputs],
            "models": job.models,
            "graph": job.prompt,
            "worker": dict(worker),
            "versions": dict(versions),
            "timings": {"leased": attempt.leased, "render_seconds": seconds},
            "outputs": [
                {**seen, "key": file.key, "size": file.size, "sha256": file.sha256}
                for file, seen in zip(kept, looks, strict=True)
            ],
        }

    def _asked(self, job: Job) -> dict[str, object]:
        """Parameters that were asked for with another value: a rung of the ladder or a new seed took its place."""
        asked = self.ledger.job(self.batch, job.id).parameters
        return {name: asked[name] for name, value in job.parameters.items() if asked.get(name, value) != value}

    def _rungs_before(self, job: Job) -> dict[str, str]:
        """Job → its rung, of those that this one is made of and that were not drawn as they were asked for."""
        found: dict[str, str] = {}
        waiting, seen = [need.job for need in job.needs], set[str]()
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += self.ledger.job(self.batch, one).needs
                done = [try_ for try_ in self.ledger.attempts(self.batch, one) if try_.state is AttemptState.DONE]
                found |= {one: done[-1].rung} if done and done[-1].rung else {}
        return found

    async def _put(self, key: str, path: Path) -> None:
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        await asyncio.to_thread(self.store.put_file, self.store.outputs, key, path, content_type)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _kind(file: RemoteFile) -> _Kind:
    suffix = PurePosixPath(file.filename).suffix.lower()
    return "video" if suffix in VIDEO else "image" if suffix in _IMAGE else "file"


def _look(path: Path, kind: _Kind, expected: Expected | None) -> _Seen:
    """What a file is, and what is wrong with it; only the workflow's own outputs are held against what is `expected`.

    A video that the workflow does not name may show anything, as long as it can be read.
    """
    if kind == "file":
        return {}, ()
    try:
        seen = probe(path, kind)
    except UnreadableMedia as error:
        return {}, (Flaw("unreadable", "broken", error.message),)
    facts: dict[str, object] = {"width": seen.width, "height": seen.height, "frames": seen.frames, "fps": seen.fps}
    if kind != "video" or expected is None:
        return facts, ()
    looked = look(path, expected)
    return {**facts, "flaws": [asdict(one) for one in looked.flaws], "measures": looked.measures}, looked.flaws


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)


def _name(kind: _Kind, number: int, file: RemoteFile) -> str:
    """`video.mp4`, `video-2.mp4`, `image.png`: the worker's own counters differ from render to render."""
    return f"{kind}{f'-{number}' if number > 1 else ''}{PurePosixPath(file.filename).suffix.lower()}"


def _bad(message: str, findings: list[dict[str, str]], kept: str | None = None) -> AttemptFailed:
    return AttemptFailed(Failure(FailureClass.BAD_OUTPUT, message, {"findings": findings, "kept": kept}))


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as file:
        file.write(json.dumps(document, indent=1, ensure_ascii=False).encode())
