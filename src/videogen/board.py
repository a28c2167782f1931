"""Where every job of a run stands at this moment: what waits, who works on what, which workers live.

Values only; `submit` holds one and does what it says.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from videogen.dispatch import Waiting, next_job


@dataclass(frozen=True)
class Turn:
    """What a worker does next; `prompt_id` is set when an earlier run began it there."""

    job: str
    prompt_id: str | None = None


@dataclass
class Board:
    """One run's jobs and workers."""

    alive: set[str] = field(default_factory=set)
    waiting: list[Waiting] = field(default_factory=list)
    claims: dict[str, deque[Turn]] = field(default_factory=dict)
    """Worker → what an earlier run left there; nobody else may take it while the worker lives."""
    busy: dict[str, frozenset[str]] = field(default_factory=dict)
    """Job in work → the workers on which it went wrong before."""

    @property
    def settled(self) -> bool:
        """Nothing waits and nothing may come back."""
        return not self.waiting and not self.busy and not any(self.claims.values())

    def claim(self, worker: str, turn: Turn) -> None:
        """What runs on `worker` already."""
        self.claims.setdefault(worker, deque()).append(turn)

    def take(self, worker: str) -> Turn | None:
        """The worker's next turn, now in work; nothing while there is none for it."""
        if mine := self.claims.get(worker):
            turn = mine.popleft()
            self.busy[turn.job] = frozenset()
            return turn
        job = next_job(worker, self.waiting, self.alive)
        if job is None:
            return None
        taken = next(one for one in self.waiting if one.job == job)
        self.waiting.remove(taken)
        self.busy[job] = taken.avoid
        return Turn(job)

    def peek(self, worker: str) -> str | None:
        """The job that the worker would take now."""
        return next_job(worker, self.waiting, self.alive)

    def others(self, job: str, worker: str) -> int:
        """Living workers on which the job in work has not failed, `worker` not counted."""
        return len(self.alive - self.busy.get(job, frozenset()) - {worker})

    def again(self, job: str, worker: str) -> None:
        """The job in work waits again, rather not for `worker`."""
        self.waiting.append(Waiting(job, self.busy.pop(job) | {worker}))

    def settle(self, jobs: Iterable[str]) -> None:
        """These jobs are out of this run."""
        gone = set(jobs)
        self.waiting = [one for one in self.waiting if one.job not in gone]
        for job in gone:
            self.busy.pop(job, None)

    def drop(self, worker: str) -> list[Turn]:
        """The worker gets no more jobs; what was claimed on it is handed back."""
        self.alive.discard(worker)
        return list(self.claims.pop(worker, ()))
