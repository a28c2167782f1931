"""From a batch file to jobs ready to send: what can be wrong is found here, before money is spent."""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from videogen import batch, graph, media, project
from videogen.batch import Batch, Job
from videogen.character import Character
from videogen.definition import Definition, Parameter, Value
from videogen.document import Document, did_you_mean
from videogen.errors import Fault, InputError
from videogen.manifest import Manifest, PhaseName, require
from videogen.phase import Phase
from videogen.workflow import Workflow

_NO_FILE = "0" * 64
"""In place of the digest of a file that cannot be read; such a job is only looked at."""


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
    preset: "Preset | None" = None
    """What its character says."""

    @property
    def unasked_seeds(self) -> tuple[Value, ...]:
        """Several seeds of the character or the phase, for a batch that names none: each makes a video of its own."""
        if batch.SEED in {*self.batch.fixed, *self.batch.matrix}:
            return ()
        found = dict.fromkeys(job.parameters[batch.SEED] for job in self.jobs if batch.SEED in job.parameters)
        return tuple(found) if len(found) > 1 else ()

    def seeds_said(self, phase: PhaseName) -> str | None:
        """A sentence on `unasked_seeds`, which multiply time and cost; nothing where there are none."""
        seeds = self.unasked_seeds
        if not seeds:
            return None
        whose = f"phase {phase}"
        if self.preset is not None and self.preset.character.seeds:
            whose = f"character {self.preset.character.name}"
        listed = ", ".join(str(seed) for seed in seeds)
        return f"the batch names no seed: {len(seeds)} of {whose} ({listed}), each makes a video of its own"


@dataclass(frozen=True)
class Examined:
    """What is wrong with a batch, and as much of it as can be looked at nevertheless."""

    batch: Batch
    """As it is read; without what is none of its words."""
    document: Document
    faults: tuple[Fault, ...]
    prepared: PreparedBatch | None = None
    """Its jobs without the values that have a fault; nothing where no job can be made at all."""
    left_out: frozenset[str] = frozenset()
    """Parameters whose values are not the batch's own there."""
    lacks_models: bool = False
    """The jobs name models that the phase or the manifest lacks."""


@dataclass(frozen=True)
class Preset:
    """A batch's character, its paths as if the batch had written them."""

    character: Character
    document: Document

    def address(self, parameter: str) -> str:
        """Where in the character's file a parameter's value stands."""
        return self.document.address(self.character.place(parameter))


@dataclass
class _Read:
    """What a batch names, as far as it can be read, and every fault of it."""

    batch: Batch
    document: Document
    limits: Phase
    models: Manifest
    """Those of the phase."""
    everywhere: Manifest
    """Those of all phases."""
    workflow: Workflow | None = None
    preset: Preset | None = None
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each input file that is whole, by its path."""
    wrong_models: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)

    @property
    def character(self) -> Character | None:
        return self.preset.character if self.preset else None


def prepare(
    path: Path, phase: PhaseName, manifest: Manifest, cuts: Mapping[str, Mapping[str, Value]] | None = None
) -> PreparedBatch:
    """The jobs of the batch file at `path`, for a phase and its models; `cuts` as for `chain.pieces`.

    Raises `InputError` with every fault of the batch file, of its character and of the input files they name.
    """
    read = _read(path, phase, manifest)
    if read.faults or read.workflow is None:
        raise InputError(list(dict.fromkeys(read.faults)))
    return _expanded(read.batch, read.workflow, read, read.models, path.parent, cuts)


def examine(path: Path, phase: PhaseName, manifest: Manifest) -> Examined:
    """Every fault of the batch at `path`, and the jobs that would come of it without what has one.

    Raises `InputError` where nothing of the batch can be read.
    """
    read = _read(path, phase, manifest)
    workflow = read.workflow or _loose(read.batch.workflow)
    if workflow is None:
        return Examined(read.batch, read.document, tuple(dict.fromkeys(read.faults)))
    if read.workflow is None:
        _check(read, workflow, path.parent)
    wanted, left_out = _sound(read, workflow)
    many = math.prod(len(values) for values in batch.axes(wanted, workflow, read.limits, read.character).values())
    names = read.models.names
    more = tuple(model for model in manifest.models if model.name not in names and not model.is_empty)
    everywhere = read.models.model_copy(update={"models": (*read.models.models, *more)})
    prepared = None
    for models in (read.models, everywhere) if many <= batch.MOST_JOBS else ():
        try:
            prepared = _expanded(wanted, workflow, read, models, path.parent)
            break
        except InputError as error:
            read.faults += error.faults
        except (KeyError, ValueError):  # a title, or segments that do not advance: a fault was said of it
            break
    lacks = prepared is not None and models is everywhere
    faults = tuple(dict.fromkeys(read.faults))
    return Examined(read.batch, read.document, faults, prepared, frozenset(left_out), lacks)


def _read(path: Path, phase: PhaseName, manifest: Manifest) -> _Read:
    document = Document(project.read(path), project.shown(path))
    faults: list[Fault] = []
    try:
        found = document.load(Batch)
    except InputError as error:
        faults += error.faults
        sound = document.sound(Batch, {"schema": 1, "name": "unnamed"})
        if sound is None:
            raise
        found = sound
    read = _Read(found, document, project.read_phase(phase), manifest.select(phase), manifest, faults=faults)
    try:
        read.workflow = project.read_workflow(found.workflow, document.address(("workflow",)))
    except InputError as error:
        faults += error.faults
    try:
        read.preset = _preset(found, document, path.parent)
    except InputError as error:
        faults += error.faults
    for name, fault in _of_slots(read):
        read.wrong_models.add(name)
        faults.append(fault)
    if read.workflow is not None:
        _check(read, read.workflow, path.parent)
    return read


def _check(read: _Read, workflow: Workflow, folder: Path) -> None:
    """Holds what the batch and its character say against the workflow, and looks at the files that they name."""
    read.faults += _of_preset(read.preset, workflow)
    try:
        complete = read.batch.character is None or read.character is not None
        batch.check(read.batch, read.document, workflow, read.limits, read.character, complete=complete)
    except InputError as error:
        read.faults += error.faults
    kinds: dict[tuple[str, str], str | None] = {}
    for address, kind, written in _files(read, workflow):
        try:
            if written not in read.digests:
                read.digests |= project.input_digests([(address, written)], folder)
        except InputError as error:
            read.faults += error.faults
            continue
        if (written, kind) not in kinds:  # a matrix may name a file thousands of times
            kinds[written, kind] = _wrong(folder / written, kind)
        if wrong := kinds[written, kind]:
            read.faults.append(Fault(address, f"{written} is {wrong}"))
    for (written, _), wrong in kinds.items():
        if wrong:
            read.digests.pop(written, None)


def _sound(read: _Read, workflow: Workflow) -> tuple[Batch, set[str]]:
    """The batch with something else in place of what is wrong or missing, and the parameters of which that is so."""
    said, left_out = read.batch, set[str]()
    preset = read.character.values_for(workflow) if read.character else {}

    def right(name: str, value: Value) -> bool:
        fits = name in workflow.parameter_names and workflow.parameter(name).fault(value) is None
        left_out.update(() if fits else (name,))
        return fits

    fixed = {name: value for name, value in said.fixed.items() if right(name, value)}
    axes = {name: tuple(one for one in values if right(name, one)) for name, values in said.matrix.items()}
    matrix = {name: values for name, values in axes.items() if values}
    rule = workflow.definition.segments
    for one in workflow.definition.parameters:
        if one.name in fixed or one.name in matrix or (rule is not None and one.name == rule.previous):
            continue
        default = one.default_for(read.limits.phase)
        if one.name in preset and not right(one.name, preset[one.name]):
            fixed[one.name] = _anything(one) if default is None else default
        elif one.name not in preset and default is None:
            left_out.add(one.name)
            fixed[one.name] = _anything(one)
    left_out |= {
        one.name
        for one in workflow.definition.parameters
        if one.is_file
        and (value := fixed.get(one.name, preset.get(one.name))) is not None
        and value not in read.digests
    }
    seeds = (read.character.seeds if read.character else None) or ()
    if batch.SEED in workflow.parameter_names and not {*fixed, *matrix} & {batch.SEED}:
        fixed |= {batch.SEED: 1} if [seed for seed in seeds if not right(batch.SEED, seed)] else {}
    lora = read.character.lora if read.character else None
    wrong = [slot for slot, name in (lora.models if lora else {}).items() if name in read.wrong_models]
    models = {slot: slot for slot in wrong}
    own = workflow.slots
    models |= {slot: name for slot, name in said.models.items() if slot in own and name not in read.wrong_models}
    return said.model_copy(update={"fixed": fixed, "matrix": matrix, "models": models}), left_out


def _anything(parameter: Parameter) -> Value:
    """A value that the parameter takes."""
    if parameter.type in ("integer", "number"):
        return parameter.at_least(1)
    return parameter.choices[0] if parameter.choices else ""


def _expanded(
    found: Batch,
    workflow: Workflow,
    read: _Read,
    models: Manifest,
    folder: Path,
    cuts: Mapping[str, Mapping[str, Value]] | None = None,
) -> PreparedBatch:
    named = [written for _, _, written in _files(read, workflow)]
    digests = {written: read.digests.get(written, _NO_FILE) for written in ("", *named)}
    return PreparedBatch(
        found,
        workflow,
        tuple(batch.expand(found, workflow, read.limits, models, digests, read.character, cuts)),
        {sha: (folder / written).resolve() for written, sha in read.digests.items()},
        tuple(read.character.unused(workflow)) if read.character else (),
        read.preset,
    )


def _loose(name: str) -> Workflow | None:
    """A workflow whose two files do not fit together; nothing where one of them is wrong by itself."""
    folder = project.root() / "workflows" / name
    try:
        definition = Document(project.read(folder / "workflow.yaml"), "").load(Definition)
        return Workflow(definition, graph.parse(project.read(folder / "graph.json"), ""))
    except InputError:
        return None


def _preset(found: Batch, document: Document, folder: Path) -> Preset | None:
    if found.character is None:
        return None
    character, own, home = project.read_character(found.character, document.address(("character",)))
    images = {name: os.path.relpath(home / image, folder) for name, image in character.images.items()}
    return Preset(character.model_copy(update={"images": images}), own)


def _of_preset(preset: Preset | None, workflow: Workflow) -> Iterator[Fault]:
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


def _of_slots(read: _Read) -> Iterator[tuple[str, Fault]]:
    """Models that batch or character put into slots and that cannot run, with what is wrong."""
    wanted = [(read.document.address(("models", slot)), slot, name) for slot, name in read.batch.models.items()]
    if read.preset is not None and (lora := read.preset.character.lora):
        own = read.preset.document
        wanted += [(own.address(("lora", "models", slot)), slot, name) for slot, name in lora.models.items()]
    folders = {model.name: model.comfy_folder for model in read.everywhere.models}
    for address, slot, name in wanted:
        try:
            require(read.models, name, address)
        except InputError as error:
            yield from ((name, fault) for fault in error.faults)
        if slot in folders and name in folders and folders[name] != folders[slot]:
            message = f"`{name}` lies in {folders[name]}, the slot loads from {folders[slot]}"
            fitting = [one for one in read.models.names if folders[one] == folders[slot]]
            yield name, Fault(address, message, did_you_mean(name, fitting))


def _files(read: _Read, workflow: Workflow) -> Iterator[tuple[str, str, str]]:
    """`(address, type, path)` of every mention of an input file."""
    said = set()
    for place, kind, written in batch.file_parameters(read.batch, workflow):
        said.add(place[1])
        yield read.document.address(place), kind, written
    if read.preset is not None:
        for name, image in read.preset.character.images.items():
            if name in workflow.parameter_names and name not in said:
                yield read.preset.address(name), workflow.parameter(name).type, image


def _wrong(path: Path, kind: str) -> str | None:
    try:
        media.probe(path, "image" if kind == "image" else "video")
    except media.UnreadableMedia as error:
        return str(error)
    return None
