"""A batch: which videos are wanted. Expands into jobs whose ids come from their content."""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from videogen import chain
from videogen.character import Character
from videogen.definition import Value
from videogen.document import NAME, Document, Schema, did_you_mean
from videogen.errors import Fault, InputError
from videogen.graph import Prompt
from videogen.manifest import Manifest
from videogen.phase import Phase
from videogen.workflow import Workflow

MOST_JOBS = 10_000
"""In one batch; more is a slip of the keyboard rather than a wish."""
SEED = "seed"
"""The parameter that every workflow calls so."""
MAY_LEAVE = ("steps", "cfg", "denoise", "length", "sampler", "size", "seed")
"""What a phase has a policy for."""
DRAWS = "steps"
"""A workflow without this parameter draws nothing: it works on a video that is there."""


class Limits(Schema):
    """What a batch may use up."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """Tries a job, the first included."""
    job_minutes: Annotated[float, Field(gt=0)] = 60
    """Longest time of one try."""
    new_seed_on_bad_output: bool = False
    """A video that fails its check is tried again with another seed."""


class Batch(Schema):
    """What a batch file says. Paths in it are relative to the file."""

    version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=NAME)]
    """Small letters, digits and hyphens: it is a folder's name, here and in the bucket."""
    workflow: str
    """A folder of workflows/."""
    character: str | None = None
    """A file of characters/ without `.yaml`; its values go below `fixed` and above the phase's defaults."""
    models: dict[str, str] = {}
    """Slot of the workflow → the manifest's entry to use in it."""
    fixed: dict[str, Value] = {}
    """Values of the workflow's parameters, the same for all jobs."""
    matrix: dict[str, Annotated[tuple[Value, ...], Field(min_length=1)]] = {}
    """Parameters with several values: each combination is a job."""
    limits: Limits = Limits()
    leave_policy: tuple[str, ...] = ()
    """What may be outside the phase's policy, on purpose: steps, cfg, denoise, length, sampler, size, seed."""


@dataclass(frozen=True)
class InputFile:
    """A file that a job reads: its path as the batch writes it, its digest, and its name on the worker."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        """Named by digest, so that equal files go up once."""
        suffix = "." + self.path.rsplit(".", 1)[-1].lower() if "." in self.path.rsplit("/", 1)[-1] else ""
        return f"{self.sha256[:32]}{suffix}"


@dataclass(frozen=True)
class Need:
    """An input of a job that another job makes."""

    parameter: str
    job: str
    """Its id."""
    output: Literal["video", "image"] = "video"
    """Which of its files: the first of that kind."""

    @property
    def placeholder(self) -> str:
        """What stands in the graph until the file is there."""
        return f"needs/{self.job}/{self.output}"


@dataclass(frozen=True)
class Job:
    """One render, complete: nothing else decides what comes out."""

    id: str
    """First 16 hex digits of the SHA-256 of graph, inputs and model hashes."""
    label: str
    """What tells it from the batch's other jobs, for people: the values of the matrix, or the batch's name."""
    batch: str
    workflow: str
    parameters: dict[str, Value]
    prompt: Prompt
    inputs: tuple[InputFile, ...]
    models: dict[str, str]
    """Manifest name → sha256."""
    leaves_policy: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    """Jobs that must be done first; their files are inputs of this one."""
    step: str = ""
    """The step of the chain that it does; empty for a job of its own."""
    group: str = ""
    """What all jobs of one finished video have in common, for people."""
    post: str = ""
    """The post step that it is; it is done where the batch is submitted, and no ComfyUI sees it."""
    final: bool = True
    """Its video is wanted for itself, not only for the jobs that need it."""
    character: str = ""
    """Whose preset the batch uses."""


def parse(text: str, name: str) -> tuple[Batch, Document]:
    """The batch in `text` of file `name`, and its document for addresses; raises `InputError`."""
    document = Document(text, name)
    return document.load(Batch), document


def parameters_of(
    batch: Batch, workflow: Workflow, phase: Phase, character: Character | None = None
) -> list[dict[str, Value]]:
    """Every combination of the matrix over the fixed values over the character's over the phase's defaults.

    The order is stable.
    """
    defaults = workflow.defaults(phase.phase)
    preset = character.values_for(workflow) if character else {}
    matrix = axes(batch, workflow, phase, character)
    pairs = [[(name, value) for value in values] for name, values in matrix.items()]
    return [{**defaults, **preset, **batch.fixed, **dict(chosen)} for chosen in itertools.product(*pairs)]


def axes(
    batch: Batch, workflow: Workflow, phase: Phase, character: Character | None = None
) -> dict[str, tuple[Value, ...]]:
    """The matrix, with the character's seeds or else the phase's where the batch names none."""
    if SEED in batch.fixed or SEED in batch.matrix or SEED not in workflow.parameter_names:
        return batch.matrix
    seeds = (character.seeds if character else None) or (phase.seeds.values if phase.seeds else None)
    return {**batch.matrix, SEED: seeds} if seeds else batch.matrix


def check(
    batch: Batch,
    document: Document,
    workflow: Workflow,
    phase: Phase,
    character: Character | None = None,
    *,
    complete: bool = True,
) -> None:
    """Raises `InputError` with everything in the batch that its workflow or phase does not allow.

    Not `complete`: its character cannot be read, so that nobody knows what is missing.
    """
    found = list(dict.fromkeys(_faults(batch, document, workflow, phase, character, complete)))
    if found:
        raise InputError(found)


def file_parameters(batch: Batch, workflow: Workflow) -> list[tuple[tuple[str | int, ...], str, str]]:
    """`(path of keys, type, value)` of each input file that the batch names; type is `image` or `video`."""
    found: list[tuple[tuple[str | int, ...], str, str]] = []
    for parameter in workflow.definition.parameters:
        if not parameter.is_file:
            continue
        if isinstance(value := batch.fixed.get(parameter.name), str):
            found.append((("fixed", parameter.name), parameter.type, value))
        for index, choice in enumerate(batch.matrix.get(parameter.name, ())):
            found.append((("matrix", parameter.name, index), parameter.type, str(choice)))
    return found


def expand(
    batch: Batch,
    workflow: Workflow,
    phase: Phase,
    manifest: Manifest,
    digests: Mapping[str, str],
    character: Character | None = None,
    cuts: Mapping[str, Mapping[str, Value]] | None = None,
) -> list[Job]:
    """The batch's jobs, each after those that it needs.

    `digests` gives the SHA-256 of each input file by the path that the batch writes; `cuts` as for `chain.pieces`. Call
    `check` first. Equal jobs, also those of equal steps, are one job.
    """
    jobs: dict[str, Job] = {}
    chosen = slots(batch, character)
    for parameters in parameters_of(batch, workflow, phase, character):
        named = axes(batch, workflow, phase, character)
        group = " ".join(f"{name}={parameters[name]}" for name in named)
        made: list[Job] = []
        for piece in chain.pieces(workflow, parameters, phase, cuts):
            job = _job(batch, piece, made, group, manifest, digests, chosen)
            job = replace(job, character=character.name if character else "")
            made.append(jobs.setdefault(job.id, job))
            if job.final and not made[-1].final:
                jobs[job.id] = made[-1] = job
    return list(jobs.values())


def slots(batch: Batch, character: Character | None) -> dict[str, str]:
    """Slot of the workflow → the manifest's entry, where batch or character choose one."""
    return {**(character.lora.models if character and character.lora else {}), **batch.models}


def resolved(job: Job, made: Mapping[Need, InputFile]) -> Job:
    """The job with the files that its needs made in place of their placeholders; same id, since it is the same wish."""
    names = {need.placeholder: file.name for need, file in made.items()}
    prompt = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in job.prompt.items()}
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if isinstance(value, str):
                node["inputs"][name] = names.get(value, value)
    inputs = (*job.inputs, *made.values())
    return replace(job, prompt=prompt, inputs=inputs if job.post else tuple(dict.fromkeys(inputs)))


def _job(
    batch: Batch,
    piece: chain.Piece,
    made: Sequence[Job],
    group: str,
    manifest: Manifest,
    digests: Mapping[str, str],
    chosen: Mapping[str, str],
) -> Job:
    workflow = piece.workflow
    files = {
        name: InputFile(str(value), digests[str(value)])
        for name, value in piece.values.items()
        if workflow.parameter(name).is_file
    }
    needs = tuple(
        Need(name, made[place].id, "image" if workflow.parameter(name).type == "image" else "video")
        for name, places in piece.feeds.items()
        for place in places
    )
    values = {name: files[name].name if name in files else value for name, value in piece.values.items()}
    graph = workflow.graph
    models: dict[str, str] = {}
    if not piece.post:
        placeholders = {need.parameter: need.placeholder for need in needs}
        graph = workflow.bind({**values, **placeholders}, manifest, chosen)
        filled = [model for _, model in workflow.filled(values, manifest, chosen) if model is not None]
        models = {model.name: model.sha256 or "" for model in filled}
    said = {value for node in graph.prompt.values() for value in node["inputs"].values() if isinstance(value, str)}
    inputs = tuple(dict.fromkeys(file for file in files.values() if file.name in said or piece.post))
    identity: list[object] = [graph.digest(), sorted(file.sha256 for file in inputs), sorted(models.items())]
    if piece.post:
        identity += [piece.post, sorted(values.items())]
    if needs:
        identity.append([[need.parameter, need.job] for need in needs])
    job_id = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    return Job(
        job_id,
        " · ".join(part for part in (group, piece.label) if part) or batch.name,
        batch.name,
        workflow.name,
        dict(piece.values),
        graph.prompt,
        inputs,
        models,
        tuple(sorted(batch.leave_policy)),
        needs,
        piece.step,
        group or batch.name,
        piece.post,
        piece.final,
    )


def _faults(
    batch: Batch, document: Document, workflow: Workflow, phase: Phase, character: Character | None, complete: bool
) -> Iterator[Fault]:
    wanted = math.prod(len(values) for values in axes(batch, workflow, phase, character).values())
    if wanted > MOST_JOBS:
        message = f"{wanted:,} combinations are more than {MOST_JOBS:,}, the most for one batch"
        yield document.fault(("matrix",), message, "several batches, or fewer values")
        return
    for section, values in (("fixed", batch.fixed), ("matrix", batch.matrix)):
        for name, value in values.items():
            if name not in workflow.parameter_names:
                near = did_you_mean(name, workflow.parameter_names)
                hint = near or f"`videogen workflow show {workflow.name}` lists them"
                yield document.fault((section, name), f"workflow {workflow.name} has no parameter `{name}`", hint)
                continue
            for index, one in enumerate(value if isinstance(value, tuple) else (value,)):
                path = (section, name, index) if isinstance(value, tuple) else (section, name)
                if wrong := workflow.parameter(name).fault(one):
                    yield document.fault(path, *wrong)
    for name in batch.matrix.keys() & batch.fixed.keys():
        yield document.fault(("matrix", name), "is also in `fixed`")
    for name in batch.models:
        if name not in workflow.slots:
            message = f"workflow {workflow.name} has no slot `{name}`"
            yield document.fault(("models", name), message, did_you_mean(name, workflow.slots))
    rule = workflow.definition.segments
    preset = {*batch.fixed, *batch.matrix, *(character.values_for(workflow) if character else ())}
    for parameter in workflow.definition.parameters if complete else ():
        optional = rule is not None and parameter.name == rule.previous
        if parameter.name not in preset and not optional and parameter.default_for(phase.phase) is None:
            yield document.fault(("fixed",), f"`{parameter.name}` is required: {parameter.about}")
    for index, name in enumerate(batch.leave_policy):
        if name not in MAY_LEAVE:
            message = f"no phase has a policy for `{name}`"
            yield document.fault(("leave_policy", index), message, did_you_mean(name, MAY_LEAVE))
    leaves = frozenset(batch.leave_policy)
    for parameters in parameters_of(batch, workflow, phase, character):
        yield from _against_policy(batch, parameters, workflow, phase, leaves, document)


def _against_policy(
    batch: Batch,
    parameters: Mapping[str, Value],
    workflow: Workflow,
    phase: Phase,
    leaves: frozenset[str],
    document: Document,
) -> Iterator[Fault]:
    """Only what is drawn is held against the policy: a larger video may be made of it later.

    A value that its parameter does not take has a fault already.
    """
    wrong = {p.name for p in workflow.definition.parameters if p.name in parameters and p.fault(parameters[p.name])}
    sound = {name: value for name, value in parameters.items() if name in workflow.parameter_names}

    def policy(values: Mapping[str, Value]) -> Iterator[Fault]:
        drawn = {name: value for name, value in values.items() if name not in wrong or name in ("width", "height")}
        for fault in phase.faults(drawn, leaves, ""):
            name = fault.address.removeprefix("/")
            yield Fault(_place(batch, document, name), fault.message, fault.hint)

    if not workflow.definition.chain:
        if DRAWS in workflow.parameter_names:
            yield from policy(sound)
        for name, what, why in workflow.broken_rules({name: sound[name] for name in sound if name not in wrong}):
            yield Fault(_place(batch, document, name), what, why)
        return
    try:
        pieces = chain.pieces(workflow, sound, phase)
    except KeyError:
        return  # a required value is missing, which is a fault of its own
    except (ValueError, TypeError) as error:
        if not wrong:
            yield document.fault(("fixed",), str(error))
        return
    told = {
        (target.step, target.parameter, parameters[parameter.name])
        for parameter in workflow.definition.parameters
        if parameter.name in wrong
        for target in parameter.sets
    }
    address = document.address(("fixed",))
    for piece in pieces:
        if piece.number == 1 and DRAWS in piece.workflow.parameter_names:
            yield from policy(piece.values)
        for name, value in piece.values.items():
            fault = piece.workflow.parameter(name).fault(value)
            if fault and (piece.step, name, value) not in told:
                told.add((piece.step, name, value))  # once for all its segments
                yield Fault(f"{address}: {piece.label}: {name}", *fault)
        for name, what, why in piece.workflow.broken_rules(piece.values):
            yield Fault(f"{address}: {piece.label}: {name}", what, why)


def _place(batch: Batch, document: Document, name: str) -> str:
    """Where the value of a parameter stands; of a size, its width."""
    key = "width" if name == "size" else name
    section = "matrix" if key in batch.matrix else "fixed"
    return f"{document.name}:{document.line((section, key))}: {section}/{name}"
