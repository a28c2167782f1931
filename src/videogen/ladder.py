"""The shrink ladder: when memory ends, less is asked of the same GPU, step by step. Cut, do not push.

Each rung keeps what the rungs before it set. The job stays the same wish with the same id; what it was asked for stands
beside what was drawn in its record.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from videogen.batch import Job
from videogen.boundary import Ask, Observation, holds
from videogen.definition import Factor, Parameter, Value
from videogen.graph import title
from videogen.planner.jobs import works
from videogen.planner.speed import GPUS
from videogen.planner.work import Work
from videogen.workflow import Workflow

AS_ASKED = ""
"""The rung of a job that nothing was cut from."""
SIZE = ("width", "height")


@dataclass(frozen=True)
class Step:
    """What a rung means for one job."""

    rung: str
    why: str
    values: Mapping[str, Value]
    """Parameters that differ from what was asked for."""

    def on(self, job: Job, workflow: Workflow) -> Job:
        """The job with these values in its graph. Same id, since it is the same wish."""
        if not self.values:
            return job
        nodes = {title(node): node_id for node_id, node in job.prompt.items()}
        prompt = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in job.prompt.items()}
        for name, value in self.values.items():
            for target in workflow.parameter(name).sets:
                if target.title in nodes:  # an empty optional slot's node is not there
                    prompt[nodes[target.title]]["inputs"][target.input] = value
        return replace(job, prompt=prompt, parameters={**job.parameters, **self.values})


def steps(job: Job, workflow: Workflow, jobs: Iterable[Job] = ()) -> list[Step]:
    """The job as it was asked for, then every rung that asks less of the GPU.

    `workflow` is the one that draws the job, `jobs` are the batch's. Left out are rungs that need other flags of
    ComfyUI, rungs that change nothing here, and in a chain those after which the pieces would not fit together.
    """
    kept = _kept(job, workflow, jobs)
    found = [Step(AS_ASKED, "", {})]
    values: dict[str, Value] = {}
    for rung in workflow.definition.ladder:
        if rung.flags or kept & rung.values.keys():
            continue
        for name, change in rung.values.items():
            asked = job.parameters.get(name)
            if not isinstance(change, Factor):
                values[name] = change
            elif isinstance(asked, int | float):
                values[name] = _scaled(workflow.parameter(name), asked, change)
        different = {name: value for name, value in values.items() if job.parameters.get(name) != value}
        step = Step(rung.rung, rung.why, different)
        if _shape(step.on(job, workflow)) != _shape(found[-1].on(job, workflow)):
            found.append(step)
    return found


def first(ask: Ask, gpu: str, ladder: Sequence[Step], known: Iterable[Observation], software: str = "") -> Step:
    """Where to begin on that GPU: the first rung on which memory is not known to end, or the last of all."""
    known = tuple(known)
    return next((step for step in ladder if holds(ask, gpu, step.rung, known, software) is not False), ladder[-1])


def shorter_segments(
    jobs: Sequence[Job], workflow: Workflow, gpus: Iterable[str], known: Iterable[Observation]
) -> dict[str, dict[str, Value]]:
    """Step of a chain → its parameters for shorter segments, of which there are then more.

    Only where none of the GPUs ever held a segment as long as it is asked for, on any rung, and a rung of the workflow
    that draws says that frames may be cut.
    """
    known, gpus = tuple(known), tuple(gpus)
    asked = works(jobs)
    found: dict[str, dict[str, Value]] = {}
    for job in {one.step: one for one in reversed(jobs) if one.step and not one.post}.values():
        flow = workflow.doing(job.step)
        rule, ask = flow.definition.segments, ask_of(job.workflow, asked[job.id])
        length = job.parameters.get(rule.length) if rule else None
        if rule is None or ask is None or not isinstance(length, int):
            continue
        rungs = [step.rung for step in steps(job, flow, jobs)]
        if any(_may_hold(ask, gpu, rungs, known) for gpu in gpus):
            continue
        for rung in flow.definition.ladder:
            change = rung.values.get(rule.length)
            less = _scaled(flow.parameter(rule.length), length, change) if isinstance(change, Factor) else change
            if isinstance(less, int) and rule.overlap < less < length:
                shorter = replace(ask, frames=less)
                if any(_may_hold(shorter, gpu, rungs, known) for gpu in gpus):
                    found[job.step] = {rule.length: less}
                    break
    return found


def _may_hold(ask: Ask, gpu: str, rungs: Iterable[str], known: Sequence[Observation]) -> bool:
    """Whether it was held there on some rung, or nobody knows."""
    held = any(one.works and one.gpu == gpu and holds(ask, gpu, one.rung, [one]) for one in known)
    return held or any(holds(ask, gpu, rung, known) is not False for rung in rungs)


def ask_of(workflow: str, work: Work) -> Ask | None:
    """What such work asks of a GPU; nothing for work without any frames."""
    shape = work.shape
    return Ask(workflow, shape.width, shape.height, shape.count, work.precision) if shape else None


def larger(gpu: str) -> tuple[str, ...]:
    """GPUs with clearly more memory, the smallest first; none for one that is not known."""
    memory: dict[str, float] = {name: figures.memory_gib for name, figures in GPUS.items()}
    least = memory.get(gpu, max(memory.values()))
    return tuple(sorted((one for one in memory if memory[one] > 1.1 * least), key=lambda one: memory[one]))


def hint(gpu: str, workflow: Workflow, step: str = "") -> str:
    """What may help when no rung is left; `step` is set for a job of a chain."""
    rule = workflow.definition.segments
    if step and rule and any(rule.length in rung.values for rung in workflow.definition.ladder):
        return "submit the batch again: segments are shorter then, and more"
    flags = " ".join(flag for rung in workflow.definition.ladder for flag in rung.flags)
    more = f"; or ComfyUI's flags {flags}" if flags else ""
    gpus = larger(gpu)
    return (f"a larger GPU: {', '.join(gpus)}" if gpus else "fewer frames, or a smaller size") + more


def _kept(job: Job, workflow: Workflow, jobs: Iterable[Job]) -> frozenset[str]:
    """What other jobs of the chain build on: the frames, and the size unless whoever takes the video sets its own."""
    if not job.step:
        return frozenset()
    rule = workflow.definition.segments
    takers = [other for other in jobs if other.step != job.step and any(need.job == job.id for need in other.needs)]
    resized = takers and all(not other.post and set(SIZE) <= other.parameters.keys() for other in takers)
    return frozenset({rule.length if rule else "length", *(() if resized else SIZE)})


def _scaled(parameter: Parameter, asked: float, change: Factor) -> Value:
    """The nearest allowed value that is not above the product; what was asked where the result would not be allowed."""
    value = asked * change.times
    if parameter.type == "integer":
        step = parameter.multiple_of or 1
        value = int((value - parameter.plus) // step) * step + parameter.plus
    return asked if parameter.fault(value) else value


def _shape(job: Job) -> str:
    """The prompt as far as memory goes: 8-bit weights are that, whether the file or the node says so."""
    return json.dumps(list(_nodes(job)), sort_keys=True)


def _nodes(job: Job) -> Iterator[object]:
    for node_id, node in job.prompt.items():
        inputs = dict(node["inputs"])
        if "weight_dtype" in inputs:
            file = str(inputs.get("unet_name", "")).lower()
            inputs["weight_dtype"] = 8 if "fp8" in f"{inputs['weight_dtype']} {file}" else 16
        yield node_id, node["class_type"], inputs
