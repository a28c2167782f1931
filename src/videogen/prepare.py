"""From a batch file to jobs ready to send: what can be wrong is found here, before money is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from videogen import batch, media, project
from videogen.batch import Batch, Job
from videogen.document import Document
from videogen.errors import Fault, InputError
from videogen.manifest import Manifest, PhaseName
from videogen.workflow import Workflow


@dataclass(frozen=True)
class PreparedBatch:
    """A batch whose jobs may be sent."""

    batch: Batch
    workflow: Workflow
    jobs: tuple[Job, ...]
    files: dict[str, Path]
    """SHA-256 of each input file → where it lies."""


def prepare(path: Path, phase: PhaseName, manifest: Manifest) -> PreparedBatch:
    """The jobs of the batch file at `path`, for a phase and its models.

    Raises `InputError` with every fault of the batch file and of the input files it names.
    """
    found, document = project.read_batch(path)
    workflow = project.read_workflow(found.workflow, document.address(("workflow",)))
    limits = project.read_phase(phase)
    faults: list[Fault] = []
    digests: dict[str, tuple[str, Path]] = {}
    try:
        batch.check(found, document, workflow, limits)
    except InputError as error:
        faults += error.faults
    try:
        digests = project.input_digests(found, document, workflow, path.parent)
    except InputError as error:
        faults += error.faults
    else:
        faults += _undecodable(found, document, workflow, digests)
    if faults:
        raise InputError(faults)
    jobs = batch.expand(
        found, workflow, limits, manifest.select(phase), {name: sha for name, (sha, _) in digests.items()}
    )
    return PreparedBatch(found, workflow, tuple(jobs), dict(digests.values()))


def _undecodable(
    found: Batch, document: Document, workflow: Workflow, digests: dict[str, tuple[str, Path]]
) -> Sequence[Fault]:
    faults = []
    wrong: dict[tuple[str, str], str | None] = {}
    for path, kind, written in batch.file_parameters(found, workflow):
        if (written, kind) not in wrong:  # a matrix may name a file thousands of times
            wrong[written, kind] = _wrong(digests[written][1], kind)
        if error := wrong[written, kind]:
            what = "an image" if kind == "image" else "a video"
            faults.append(document.fault(path, f"{written} is not {what}: {error}"))
    return faults


def _wrong(path: Path, kind: str) -> str | None:
    try:
        media.probe(path, "image" if kind == "image" else "video")
    except media.UnreadableMedia as error:
        return str(error)
    return None
