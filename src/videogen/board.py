"""Where every job of a run stands at this moment: what waits, who works on what, which workers live.

Values only; `submit` holds one and does what it says.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

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
    busy: dict[str, Waiting] = field(default_factory=dict)
    """Jobs in work, as they waited."""
    idle: set[str] = field(default_factory=set)
    """Workers that asked for a turn and have none."""
    last: dict[str, str] = field(default_factory=dict)
    """Worker → the workflow of the last job that it was given."""

    @property
    def settled(self) -> bool:
        """Nothing waits and nothing may come back."""
        return not self.waiting and not self.busy and not any(self.claims.values())

    @property
    def wants_workers(self) -> bool:
        """Something waits that only a worker can do, or is claimed on one."""
        return any(not one.here for one in self.waiting) or any(self.claims.values())

    @property
    def keeps_workers(self) -> bool:
        """A worker has something to do, or will have it when others are done."""
        return self.wants_workers or any(not one.here for one in self.busy.values())

    def claim(self, worker: str, turn: Turn) -> None:
        """What runs on `worker` already."""
        self.claims.setdefault(worker, deque()).append(turn)

    def take(self, worker: str) -> Turn | None:
        """The worker's next turn, now in work; nothing while there is none for it.

        What another one that is idle, too, can begin without loading models is left to that one.
        """
        self.idle.discard(worker)
        if mine := self.claims.get(worker):
            turn = mine.popleft()
            self.busy[turn.job] = Waiting(turn.job)
            return turn
        left = self._left(worker)
        job = next_job(worker, [one for one in self.waiting if one.job not in left], self.alive)
        if job is None:
            self.idle.add(worker)
            return None
        self._taken(job)
        self.last[worker] = self.busy[job].workflow
        return Turn(job)

    def take_here(self) -> str | None:
        """The next post step whose needs are met, now in work."""
        ready = next((one.job for one in self.waiting if one.here and not one.needs), None)
        return None if ready is None else self._taken(ready)

    def peek(self, worker: str) -> str | None:
        """The job that the worker would take now."""
        return next_job(worker, self.waiting, self.alive)

    def others(self, job: str, worker: str) -> int:
        """Living workers on which the job in work has not failed, `worker` not counted."""
        return len(self.alive - self.busy.get(job, Waiting(job)).avoid - {worker})

    def again(self, job: str, *workers: str) -> None:
        """The job in work waits again, rather not for these workers."""
        one = self.busy.pop(job)
        self.waiting.append(replace(one, avoid=one.avoid | {*workers}))

    def met(self, job: str) -> None:
        """The job is done: those that need it wait for one less."""
        self.waiting = [replace(one, needs=one.needs - {job}) for one in self.waiting]

    def dependents(self, jobs: Iterable[str]) -> list[str]:
        """Jobs that wait for one of these, or for one that waits for them."""
        found: dict[str, None] = {}
        gone = set(jobs)
        while fresh := [one.job for one in self.waiting if one.needs & gone and one.job not in found]:
            found.update(dict.fromkeys(fresh))
            gone |= set(fresh)
        return list(found)

    def settle(self, jobs: Iterable[str]) -> None:
        """These jobs are out of this run, and so is what waits for them."""
        gone = set(jobs)
        gone |= set(self.dependents(gone))
        self.waiting = [one for one in self.waiting if one.job not in gone]
        for job in gone:
            self.busy.pop(job, None)

    def drop(self, worker: str) -> list[Turn]:
        """The worker gets no more jobs; what was claimed on it is handed back."""
        self.alive.discard(worker)
        self.idle.discard(worker)
        return list(self.claims.pop(worker, ()))

    def _left(self, worker: str) -> set[str]:
        """Jobs that idle workers would take that have the models at hand, which `worker` has not."""
        found: set[str] = set()
        for other in self.idle:
            job = next_job(other, self.waiting, self.alive)
            workflow = next((one.workflow for one in self.waiting if one.job == job), None)
            if job and self.last.get(other) == workflow != self.last.get(worker):
                found.add(job)
        return found

    def _taken(self, job: str) -> str:
        taken = next(one for one in self.waiting if one.job == job)
        self.waiting.remove(taken)
        self.busy[job] = taken
        return job
