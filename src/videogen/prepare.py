"""From a batch file to jobs ready to send: what can be wrong is found here, before money is spent."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from videogen import batch, media, project
from videogen.batch import Batch, Job
from videogen.character import Character
from videogen.document import Document
from videogen.errors import Fault, InputError
from videogen.manifest import Manifest, PhaseName, require
from videogen.workflow import Value, Workflow


@dataclass(frozen=True)
class PreparedBatch:
    """A batch whose jobs may be sent."""

    batch: Batch
    workflow: Workflow
    jobs: tuple[Job, ...]
    files: dict[str, Path]
    """SHA-256 of each input file → where it lies."""
    unused: tuple[str, ...] = ()
    """What the batch's character says and the workflow has no parameter for."""


@dataclass(frozen=True)
class _Preset:
    """A batch's character, its paths as if the batch had written them."""

    character: Character
    document: Document

    def address(self, parameter: str) -> str:
        return self.document.address(self.character.place(parameter))


def prepare(
    path: Path, phase: PhaseName, manifest: Manifest, cuts: Mapping[str, Mapping[str, Value]] | None = None
) -> PreparedBatch:
    """The jobs of the batch file at `path`, for a phase and its models; `cuts` as for `chain.pieces`.

    Raises `InputError` with every fault of the batch file, of its character and of the input files they name.
    """
    found, document = project.read_batch(path)
    workflow = project.read_workflow(found.workflow, document.address(("workflow",)))
    limits = project.read_phase(phase)
    preset = _preset(found, document, path.parent)
    character = preset.character if preset else None
    models = manifest.select(phase)
    faults = [*_of_preset(preset, workflow), *_of_slots(found, document, preset, models)]
    digests: dict[str, str] = {}
    try:
        batch.check(found, document, workflow, limits, character)
    except InputError as error:
        faults += error.faults
    files = [*_files(found, document, preset, workflow)]
    try:
        digests = project.input_digests([(address, written) for address, _, written in files], path.parent)
    except InputError as error:
        faults += error.faults
    else:
        faults += _undecodable(files, path.parent)
    if faults:
        raise InputError(faults)
    return PreparedBatch(
        found,
        workflow,
        tuple(batch.expand(found, workflow, limits, models, digests, character, cuts)),
        {sha: (path.parent / written).resolve() for written, sha in digests.items()},
        tuple(character.unused(workflow)) if character else (),
    )


def _preset(found: Batch, document: Document, folder: Path) -> _Preset | None:
    if found.character is None:
        return None
    character, own, home = project.read_character(found.character, document.address(("character",)))
    images = {name: os.path.relpath(home / image, folder) for name, image in character.images.items()}
    return _Preset(character.model_copy(update={"images": images}), own)


def _of_preset(preset: _Preset | None, workflow: Workflow) -> Iterator[Fault]:
    """Values of the character that the workflow does not take."""
    if preset is None:
        return
    for name, value in preset.character.values_for(workflow).items():
        if wrong := workflow.parameter(name).fault(value):
            yield Fault(preset.address(name), *wrong)
    if batch.SEED in workflow.parameter_names:
        for seed in preset.character.seeds or ():
            if wrong := workflow.parameter(batch.SEED).fault(seed):
                yield Fault(preset.document.address(("seeds",)), *wrong)


def _of_slots(found: Batch, document: Document, preset: _Preset | None, models: Manifest) -> Iterator[Fault]:
    """Models that batch or character put into slots and that cannot run."""
    wanted = [(document.address(("models", slot)), name) for slot, name in found.models.items()]
    if preset is not None and (lora := preset.character.lora):
        wanted += [(preset.document.address(("lora", "models", slot)), name) for slot, name in lora.models.items()]
    for address, name in wanted:
        try:
            require(models, name, address)
        except InputError as error:
            yield from error.faults


def _files(
    found: Batch, document: Document, preset: _Preset | None, workflow: Workflow
) -> Iterator[tuple[str, str, str]]:
    """`(address, type, path)` of every mention of an input file."""
    said = set()
    for place, kind, written in batch.file_parameters(found, workflow):
        said.add(place[1])
        yield document.address(place), kind, written
    if preset is not None:
        for name, image in preset.character.images.items():
            if name in workflow.parameter_names and name not in said:
                yield preset.address(name), workflow.parameter(name).type, image


def _undecodable(files: list[tuple[str, str, str]], folder: Path) -> Iterator[Fault]:
    wrong: dict[tuple[str, str], str | None] = {}
    for address, kind, written in files:
        if (written, kind) not in wrong:  # a matrix may name a file thousands of times
            wrong[written, kind] = _wrong(folder / written, kind)
        if error := wrong[written, kind]:
            what = "an image" if kind == "image" else "a video"
            yield Fault(address, f"{written} is not {what}: {error}")


def _wrong(path: Path, kind: str) -> str | None:
    try:
        media.probe(path, "image" if kind == "image" else "video")
    except media.UnreadableMedia as error:
        return str(error)
    return None
