"""Memory ended, or did not: on which rung of its ladder each job is tried, and what that tells of the GPUs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from videogen.batch import Job
from videogen.boundary import Ask, holds, observed
from videogen.boundary_store import BoundaryStore
from videogen.clips import clips
from videogen.dispatch import Action, Decision
from videogen.graph import Graph
from videogen.ladder import Step, ask_of, first, hint, larger, steps
from videogen.ledger_rows import AttemptRow
from videogen.planner.jobs import fed, works
from videogen.planner.work import work
from videogen.secret import Secret
from videogen.stack_outputs import Worker
from videogen.submission import Plan
from videogen.worker_peak import gpu_peak
from videogen.workflow import Workflow


@dataclass(frozen=True)
class Begun:
    """A job as it is tried now."""

    job: Job
    rung: str
    why: str
    work: str
    """What it asks of the GPU, for the ledger."""


@dataclass(frozen=True)
class Cut:
    """What is done when memory ended."""

    decision: Decision
    next: str = ""
    """What is tried now, in words; empty where nothing is."""
    avoid: frozenset[str] = frozenset()
    """Workers that have too little memory."""


class Shrinking:
    """The ladders of a plan's jobs."""

    def __init__(
        self, plan: Plan, boundary: BoundaryStore, workers: Sequence[Worker], tokens: Mapping[str, Secret]
    ) -> None:
        self._plan, self._boundary, self._tokens = plan, boundary, tokens
        self._workers = {worker.name: worker for worker in workers}
        self._jobs = {job.id: job for job in plan.jobs}
        self._clips = clips(plan.jobs, plan.files)
        self._works = works(plan.jobs, self._clips)

    def begin(self, job: Job, gpu: str, software: str) -> Begun:
        """`job`, its inputs in place, on the first rung on which that GPU's memory is not known to end.

        `software` is the worker's, here and below: with another one memory may last longer.
        """
        ask, asked = self._ask(job.id), self._jobs[job.id]
        step = first(ask, gpu, self._ladder(job.id), self._boundary.known(gpu, ask.workflow), software)
        drawn = step.on(asked, self._plan.workflow.doing(asked.step))
        asks = work(Graph(drawn.prompt), {**self._clips, **fed(asked, self._works)})
        return Begun(self._on(step, job), step.rung, step.why, asks.document())

    def asked(self, job_id: str) -> str:
        """What a post step asks for, for the ledger."""
        return self._works[job_id].document()

    def resumed(self, job: Job, attempt: AttemptRow) -> Job:
        """`job` as the attempt of an earlier run drew it; as it was asked for where the workflow's rung is gone."""
        found = next((step for step in self._ladder(job.id) if step.rung == attempt.rung), None)
        return self._on(found, job) if found else job

    async def peak(self, worker: str, seconds: float | None) -> int | None:
        """Bytes of its GPU's memory that the worker used in the last `seconds`, if anybody saw it."""
        return await gpu_peak(self._workers[worker], self._tokens.get(worker), seconds)

    def worked(self, attempt: AttemptRow, software: str, peak_bytes: int | None) -> None:
        """The attempt's video is here, so the GPU holds such jobs."""
        self._saw(attempt, software, works=True, peak_bytes=peak_bytes)

    def ended(self, attempt: AttemptRow, software: str, peak_bytes: int | None, alive: Mapping[str, str]) -> Cut | None:
        """What to do now that the GPU's memory ended; nothing for a job from which nothing can be cut.

        `alive`: living workers and their GPUs.
        """
        self._saw(attempt, software, works=False, peak_bytes=peak_bytes)
        ask, gpu = self._ask(attempt.job), attempt.gpu
        ladder, known = self._ladder(attempt.job), self._boundary.known(gpu, ask.workflow)
        following = first(ask, gpu, ladder, known, software)
        if following.rung != attempt.rung and holds(ask, gpu, following.rung, known, software) is not False:
            reason = f"cut: {following.rung} ({following.why})"
            return Cut(Decision(Action.AGAIN, reason, free_worker=True), following.rung)
        bigger = {
            name
            for name, other in alive.items()
            if other in larger(gpu) and self._may_hold(attempt.job, other, software)
        }
        if bigger:
            reason = f"nothing is left to cut on {gpu}; {', '.join(sorted({alive[name] for name in bigger}))} has more"
            return Cut(Decision(Action.AGAIN, reason, free_worker=True), "a larger GPU", frozenset(alive) - bigger)
        if len(ladder) == 1:
            return None
        reason = f"nothing is left to cut on {gpu}: {hint(gpu, self._flow(attempt.job), self._jobs[attempt.job].step)}"
        return Cut(Decision(Action.GIVE_UP, reason, free_worker=True))

    def _may_hold(self, job_id: str, gpu: str, software: str) -> bool:
        """Whether that GPU's memory is not known to end on every rung."""
        ask = self._ask(job_id)
        known = self._boundary.known(gpu, ask.workflow)
        return any(holds(ask, gpu, step.rung, known, software) is not False for step in self._ladder(job_id))

    def _saw(self, attempt: AttemptRow, software: str, *, works: bool, peak_bytes: int | None) -> None:
        ask = self._ask(attempt.job)
        seen = observed(ask, attempt.gpu, attempt.rung, works=works, software=software, peak_bytes=peak_bytes)
        self._boundary.add([seen])

    def _ask(self, job_id: str) -> Ask:
        job = self._jobs[job_id]
        if found := ask_of(job.workflow, self._works[job_id]):
            return found
        width, height, frames = (int(job.parameters.get(name) or 0) for name in ("width", "height", "length"))
        return Ask(job.workflow, width, height, frames, "default")

    def _flow(self, job_id: str) -> Workflow:
        return self._plan.workflow.doing(self._jobs[job_id].step)

    def _ladder(self, job_id: str) -> list[Step]:
        return steps(self._jobs[job_id], self._flow(job_id), self._plan.jobs)

    def _on(self, step: Step, job: Job) -> Job:
        return step.on(job, self._flow(job.id))
