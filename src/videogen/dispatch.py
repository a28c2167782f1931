"""Which job goes to which worker, and what a failure means for the job, its worker and the jobs like it.

Values in, values out: `submit` does what is decided here.
"""

import json
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from videogen.batch import SEED, Job, Limits
from videogen.failure import Failure, FailureClass
from videogen.graph import links
from videogen.workflow import Workflow

SEED_STEP = 1_000_003
"""A prime far above the steps of any matrix, so that a new seed is no other job's seed."""


@dataclass(frozen=True)
class Waiting:
    """An open job that nobody works on; it went wrong on the workers in `avoid`."""

    job: str
    avoid: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    """Jobs that must be done before it is given out."""
    here: bool = False
    """A post step: not for a worker, but for the machine that submits."""
    after: int = 0
    """Jobs that can only come one after the other behind it, until its video is finished."""
    video: int = 0
    """The number of the video of a chain that it is a part of."""
    workflow: str = ""
    """A worker that did it last has its models at hand."""


class Action(StrEnum):
    """What becomes of a job whose attempt failed."""

    AGAIN = "again"
    """Back to the queue, on another worker if there is one."""
    GIVE_UP = "give_up"
    GIVE_UP_EQUAL = "give_up_equal"
    """It fails, and so do all jobs for which the same is true."""
    LEAVE = "leave"
    """It stays open for the next run."""


@dataclass(frozen=True)
class Decision:
    """What to do after a failure, and why in words."""

    action: Action
    reason: str
    drop_worker: bool = False
    """The worker gets no more jobs in this run."""
    free_worker: bool = False
    """Its memory and its cache of results must be emptied first, or the same would come out again."""


def next_job(worker: str, waiting: Sequence[Waiting], workers: Iterable[str]) -> str | None:
    """The job that `worker` takes now; nothing when what waits is better left to another of the living `workers`.

    As many videos as there are workers are made at a time, so that the first are finished early. Of these the job comes
    first behind which most others wait one after the other: else one worker would draw the last segments, and the
    others be paid for waiting.
    """
    alive = set(workers)
    now = sorted({one.video for one in waiting if not one.here})[: len(alive)]
    ready = [
        one for one in waiting if not one.needs and not one.here and (worker not in one.avoid or not alive - one.avoid)
    ]
    best = max(ready, key=lambda one: (one.video in now, one.after), default=None)
    return best.job if best else None


def waiting(jobs: Sequence[Job], done: Container[str]) -> dict[str, Waiting]:
    """Every job of a plan as it waits, by its id; `jobs` stand after those that they need, `done` is needed no more."""
    after: dict[str, int] = {}
    videos: dict[str, int] = {}
    for job in reversed(jobs):
        for need in job.needs:
            after[need.job] = max(after.get(need.job, 0), after.get(job.id, 0) + 1)
    return {
        job.id: Waiting(
            job.id,
            needs=frozenset(need.job for need in job.needs if need.job not in done),
            here=bool(job.post),
            after=after.get(job.id, 0),
            video=videos.setdefault(job.group, len(videos)) if job.step else 0,
            workflow=job.workflow,
        )
        for job in jobs
    }


def after_failure(failure: Failure, ended: int, limits: Limits, others: int, reachable: bool) -> Decision:
    """What to do when an attempt failed.

    `ended` counts the job's attempts that failed or were lost, this one included; `others` counts the living workers
    on which the job has not failed yet; `reachable` says whether the worker still answers.
    """
    drop = failure.worker_is_unfit and not (failure.kind is FailureClass.LOST_WORKER and reachable)
    free = failure.kind in (FailureClass.OUT_OF_MEMORY, FailureClass.BAD_OUTPUT)
    # A lost worker is rarely the job's fault, so that one try more is fair; a job that kills them all must still end.
    allowed = max(limits.attempts, 2) if failure.kind is FailureClass.LOST_WORKER else limits.attempts
    match failure.kind:
        case FailureClass.CANCELLED | FailureClass.STORE:
            return Decision(Action.LEAVE, "stays open for the next run")
        case FailureClass.BAD_GRAPH:
            return Decision(Action.GIVE_UP_EQUAL, "the graph is refused everywhere")
        case FailureClass.MISSING_MODEL if not others:
            return Decision(Action.GIVE_UP_EQUAL, "no worker has the model")
        case FailureClass.MISSING_MODEL:
            return Decision(Action.AGAIN, "another worker may have the model")
    if failure.kind is FailureClass.BAD_OUTPUT and not limits.new_seed_on_bad_output:
        reason = "the same seed would give the same; `new_seed_on_bad_output: true` tries another"
        return Decision(Action.GIVE_UP, reason, drop, free)
    if not failure.retry:
        return Decision(Action.GIVE_UP, "would fail again", drop, free)
    if ended >= allowed:
        return Decision(Action.GIVE_UP, f"attempt {ended} of {allowed}", drop, free)
    return Decision(Action.AGAIN, f"attempt {ended} of {allowed}", drop, free)


def equal_jobs(job: Job, failure: Failure, others: Iterable[Job]) -> list[str]:
    """Ids of the `others` to which a refusal of `job` applies as well.

    A refusal names nodes: jobs in which these nodes say the same are refused too. One without nodes (a cycle, an
    unknown class) is about the graph's shape.
    """
    named = failure.evidence.get("node_errors")
    nodes = list(named) if isinstance(named, dict) else []
    return [other.id for other in others if other.id != job.id and _aspect(other, nodes) == _aspect(job, nodes)]


def reseeded(job: Job, workflow: Workflow, bad: int) -> Job:
    """The job with another seed after `bad` outputs that failed their check. Same id, since it is the same wish."""
    seed = job.parameters.get(SEED)
    if not bad or not isinstance(seed, int) or SEED not in workflow.parameter_names:
        return job
    fresh = (seed + bad * SEED_STEP) % 2**64
    sets = {(target.title, target.input): fresh for target in workflow.parameter(SEED).sets}
    prompt = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in job.prompt.items()}
    for (title, name), value in sets.items():
        prompt[workflow.graph.node_id(title)]["inputs"][name] = value
    return replace(job, prompt=prompt, parameters={**job.parameters, SEED: fresh})


def _aspect(job: Job, nodes: Sequence[str]) -> str:
    if nodes:
        return json.dumps([job.prompt.get(node) for node in nodes], sort_keys=True)
    return json.dumps(
        {
            node_id: [node["class_type"], sorted(node["inputs"]), sorted(links(node))]
            for node_id, node in job.prompt.items()
        }
    )
