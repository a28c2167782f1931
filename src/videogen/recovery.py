"""What happens after a failure: to the attempt, its job, the jobs like it, and the worker."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from videogen.batch import Job, Limits
from videogen.board import Board
from videogen.dispatch import Action, Decision, Waiting, after_failure, equal_jobs
from videogen.errors import WorkerError
from videogen.evidence import witnessed
from videogen.failure import AttemptFailed, Failure, FailureClass, lost_worker, needs_failed
from videogen.ledger import Ledger
from videogen.ledger_rows import AttemptRow
from videogen.runner import Runner
from videogen.shrinking import Cut, Shrinking
from videogen.submission import Listener


@dataclass(frozen=True)
class Recovery:
    """Does what `dispatch` decides, in the ledger first and then on the board."""

    batch: str
    limits: Limits
    jobs: Mapping[str, Job]
    ledger: Ledger
    board: Board
    listener: Listener
    shrinking: Shrinking
    gpus: Mapping[str, str]
    """Worker → its GPU."""
    news: Callable[[], None]
    """Called when the board has changed, so that workers that wait look at it again."""
    lost: dict[str, str] = field(default_factory=dict)
    """Worker → why it got no more jobs."""

    async def failed(
        self, runner: Runner | None, job: Job, attempt: AttemptRow, error: AttemptFailed | WorkerError
    ) -> None:
        """The attempt ended badly; a `WorkerError` means that its worker is lost. A post step has no runner."""
        name = runner.worker.name if runner else attempt.worker
        reachable = isinstance(error, AttemptFailed) and error.reachable
        failure = error.failure if isinstance(error, AttemptFailed) else lost_worker(error.message)
        row = self.ledger.job(self.batch, job.id)
        ended = row.attempts + (failure.kind is not FailureClass.CANCELLED)
        decision = after_failure(failure, ended, self.limits, self.board.others(job.id, name), reachable)
        if runner is None and decision.action is Action.AGAIN:
            decision = Decision(Action.GIVE_UP, "the same step would make the same of the same videos")
        peak = await self.shrinking.peak(name, None) if runner is not None and reachable else None
        cut = Cut(decision)
        if failure.kind is FailureClass.OUT_OF_MEMORY and runner is not None:
            alive = {worker: self.gpus[worker] for worker in self.board.alive}
            cut = self.shrinking.ended(attempt, runner.software, peak, alive) or cut
            decision = cut.decision
            if cut.next:  # such an attempt does not count against the batch's limit
                failure = replace(failure, evidence={**failure.evidence, "next": cut.next})
        gives_up = decision.action in (Action.GIVE_UP, Action.GIVE_UP_EQUAL)
        end = self.ledger.lose if failure.kind is FailureClass.LOST_WORKER else self.ledger.fail
        end(attempt.prompt_id, await witnessed(runner, job, failure, reachable, peak), gives_up)
        self.listener.job_failed(name, job, failure, decision)
        fit = not decision.drop_worker
        if failure.kind is FailureClass.STALLED and runner is not None:
            fit = await _ended(runner, attempt.prompt_id)
        if decision.free_worker and runner is not None:
            with contextlib.suppress(WorkerError):
                await runner.comfy.free()
        if decision.action is Action.AGAIN:
            self.board.again(job.id, *(cut.avoid if cut.next else (name,)))
        else:
            equal = self._equal(job, failure) if decision.action is Action.GIVE_UP_EQUAL else []
            for other in equal:
                self.ledger.fail_untried(self.batch, other, failure)
                self.listener.job_failed(name, self.jobs[other], failure, decision)
            if gives_up:
                self._fail_dependents([job.id, *equal], failure)
            self.board.settle([job.id, *equal])
        if not fit:
            self.drop(name, failure.message)
        self.news()

    def drop(self, worker: str, reason: str) -> None:
        """The worker gets no more jobs; what an earlier run left on it waits for others."""
        if worker not in self.board.alive:
            return
        for turn in self.board.drop(worker):
            if turn.prompt_id is not None:
                self.ledger.lose(turn.prompt_id, lost_worker(reason))
            self.board.waiting.append(Waiting(turn.job))  # it was given out before, so its needs are met
        self.lost[worker] = reason
        self.listener.worker_lost(worker, reason)
        self.news()

    def _fail_dependents(self, gone: Sequence[str], failure: Failure) -> None:
        """Jobs whose inputs nobody will make fail with what made them fail."""
        for job in self.board.dependents(gone):
            lost = next(need.job for need in self.jobs[job].needs if need.job in gone)
            why = needs_failed(self.jobs[lost].label, lost, failure.message)
            self.ledger.fail_untried(self.batch, job, why)
            self.listener.job_failed("", self.jobs[job], why, Decision(Action.GIVE_UP, "not tried"))
            gone = [*gone, job]

    def _equal(self, job: Job, failure: Failure) -> list[str]:
        return equal_jobs(self.jobs[job.id], failure, [self.jobs[one.job] for one in self.board.waiting])


async def _ended(runner: Runner, prompt_id: str) -> bool:
    try:
        return await runner.end(prompt_id)
    except WorkerError:
        return False
