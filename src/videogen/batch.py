"""A batch: which videos are wanted. Expands into jobs whose ids come from their content."""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from videogen.document import Document, Schema, did_you_mean
from videogen.errors import Fault, InputError
from videogen.graph import Prompt
from videogen.manifest import Manifest
from videogen.phase import Phase
from videogen.workflow import Value, Workflow

MOST_JOBS = 10_000
"""In one batch; more is a slip of the keyboard rather than a wish."""


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
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
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
    """What may be outside the phase's policy, on purpose: steps, cfg, denoise, length, sampler, size."""


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
    """What tells it from the batch's other jobs, for people: the values of the matrix, or the id."""
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


def parse(text: str, name: str) -> tuple[Batch, Document]:
    """The batch in `text` of file `name`, and its document for addresses; raises `InputError`."""
    document = Document(text, name)
    return document.load(Batch), document


def parameters_of(batch: Batch, workflow: Workflow, phase: Phase) -> list[dict[str, Value]]:
    """Every combination of the matrix over the fixed values over the phase's defaults, in a stable order."""
    defaults = {
        p.name: value for p in workflow.definition.parameters if (value := p.default_for(phase.phase)) is not None
    }
    axes = [[(name, value) for value in values] for name, values in batch.matrix.items()]
    return [{**defaults, **batch.fixed, **dict(chosen)} for chosen in itertools.product(*axes)]


def check(batch: Batch, document: Document, workflow: Workflow, phase: Phase) -> None:
    """Raises `InputError` with everything in the batch that its workflow or phase does not allow."""
    found = list(dict.fromkeys(_faults(batch, document, workflow, phase)))
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


def expand(batch: Batch, workflow: Workflow, phase: Phase, manifest: Manifest, digests: Mapping[str, str]) -> list[Job]:
    """The batch's jobs. `digests` gives the SHA-256 of each input file by the path that the batch writes.

    Call `check` first. Equal combinations give one job.
    """
    models = {slot.model: manifest.named(slot.model).sha256 or "" for slot in workflow.definition.models}
    jobs: dict[str, Job] = {}
    for parameters in parameters_of(batch, workflow, phase):
        files = {
            name: InputFile(str(value), digests[str(value)])
            for name, value in parameters.items()
            if workflow.parameter(name).is_file
        }
        values = {name: files[name].name if name in files else value for name, value in parameters.items()}
        graph = workflow.bind(values, manifest)
        inputs = tuple(dict.fromkeys(files.values()))
        identity = [graph.digest(), sorted(file.sha256 for file in inputs), sorted(models.items())]
        job_id = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        jobs[job_id] = Job(
            job_id,
            " ".join(f"{name}={parameters[name]}" for name in batch.matrix) or job_id,
            batch.name,
            workflow.name,
            parameters,
            graph.prompt,
            inputs,
            models,
            tuple(sorted(batch.leave_policy)),
        )
    return list(jobs.values())


def _faults(batch: Batch, document: Document, workflow: Workflow, phase: Phase) -> Iterator[Fault]:
    wanted = math.prod(len(values) for values in batch.matrix.values())
    if wanted > MOST_JOBS:
        message = f"{wanted:,} combinations are more than {MOST_JOBS:,}, the most for one batch"
        yield document.fault(("matrix",), message, "several batches, or fewer values")
        return
    for section, values in (("fixed", batch.fixed), ("matrix", batch.matrix)):
        for name, value in values.items():
            if name not in workflow.parameter_names:
                hint = did_you_mean(name, workflow.parameter_names)
                yield document.fault((section, name), f"workflow {workflow.name} has no parameter `{name}`", hint)
                continue
            for index, one in enumerate(value if isinstance(value, tuple) else (value,)):
                path = (section, name, index) if isinstance(value, tuple) else (section, name)
                if wrong := workflow.parameter(name).fault(one):
                    yield document.fault(path, *wrong)
    for name in batch.matrix.keys() & batch.fixed.keys():
        yield document.fault(("matrix", name), "is also in `fixed`")
    for parameter in workflow.definition.parameters:
        named = parameter.name in batch.fixed or parameter.name in batch.matrix
        if not named and parameter.default_for(phase.phase) is None:
            yield document.fault(("fixed",), f"`{parameter.name}` is required: {parameter.about}")
    leaves = frozenset(batch.leave_policy)
    for parameters in parameters_of(batch, workflow, phase):
        yield from phase.faults(parameters, leaves, document.address(("fixed",)))
