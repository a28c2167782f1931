"""How long a batch takes on several workers that take jobs in the order of `dispatch` and `board`.

The board itself is too slow for the ten thousand jobs that a batch may have; a test holds both to one order.
"""

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from videogen.dispatch import Waiting

_Heap = list[tuple[int, int, str]]
"""Jobs: those first behind which most others wait, then by their place in the plan."""
_HERE = -1
"""The machine that submits, among the workers' numbers."""


@dataclass(frozen=True)
class Timed:
    """One job with its seconds."""

    waiting: Waiting
    """As it waits at the start."""
    seconds: float
    loading: float = 0.0
    """More, where it is the first on its worker that needs models."""


@dataclass(frozen=True)
class Course:
    """How a batch goes, in seconds from the start of its first job."""

    rented: float
    """Until no worker is needed any more; post steps that are left wait for that, so that nobody pays for them."""
    whole: float
    """Until the last job ends. What the end of the machines takes is not in it."""
    order: tuple[str, ...]
    """Jobs of the workers as they begin."""
    loading: frozenset[str]
    """Jobs that found no models on their worker."""


def course(jobs: Sequence[Timed], workers: int) -> Course:
    """The batch on so many equal workers, none of which fails; `jobs` stand after those that they need."""
    return _Run(jobs, max(1, workers)).course()


class _Run:
    def __init__(self, jobs: Sequence[Timed], workers: int) -> None:
        self._jobs = {one.waiting.job: one for one in jobs}
        self._place = {one.waiting.job: place for place, one in enumerate(jobs)}
        self._queue = _Queue([one.waiting for one in jobs if not one.waiting.here], workers)
        self._posts: _Heap = []
        self._needs = {one.waiting.job: len(one.waiting.needs) for one in jobs}
        self._feeds: dict[str, list[str]] = {}
        for one in jobs:
            for need in one.waiting.needs:
                self._feeds.setdefault(need, []).append(one.waiting.job)
            if not one.waiting.needs:
                self._ready(one.waiting.job)
        self._events: list[tuple[float, int, int, str]] = []
        """End, place, worker, job."""
        self._idle = list(range(workers))
        self._last: dict[int, str] = {}
        """Worker → the workflow of its last job."""
        self._warm: set[int] = set()
        self._loading: set[str] = set()
        self._order: list[str] = []
        self._here_until = 0.0

    def course(self) -> Course:
        now = rented = 0.0
        drawing = self._queue.left
        self._ask_all(now)
        self._post(now)
        while self._events:
            now, _, worker, job = heapq.heappop(self._events)
            if worker != _HERE:
                self._ask(worker, now)  # it asks before what it made is put away
                drawing -= 1
                if not drawing:
                    rented = max(now, self._here_until)
            for fed in self._feeds.get(job, ()):
                self._needs[fed] -= 1
                if not self._needs[fed]:
                    self._ready(fed)
            self._ask_all(now)
            self._post(now)
        return Course(rented, now, tuple(self._order), frozenset(self._loading))

    def _ready(self, job: str) -> None:
        if self._jobs[job].waiting.here:
            heapq.heappush(self._posts, (0, self._place[job], job))
        else:
            self._queue.ready(job)

    def _ask_all(self, now: float) -> None:
        for worker in tuple(self._idle):
            self._idle.remove(worker)
            self._ask(worker, now)

    def _ask(self, worker: int, now: float) -> None:
        """The worker takes the best job; what an idle one has the models for, which it has not, it leaves to that."""
        job = self._queue.best()
        if job is not None:
            workflow = self._jobs[job].waiting.workflow
            if workflow != self._last.get(worker) and any(self._last.get(one) == workflow for one in self._idle):
                job = self._queue.best(but=job)
        if job is None:
            self._idle.append(worker)
            return
        self._queue.take(job)
        self._order.append(job)
        one = self._jobs[job]
        self._last[worker] = one.waiting.workflow
        seconds = one.seconds
        if one.loading and worker not in self._warm:
            self._warm.add(worker)
            self._loading.add(job)
            seconds += one.loading
        heapq.heappush(self._events, (now + seconds, self._place[job], worker, job))

    def _post(self, now: float) -> None:
        """The next post step, one at a time."""
        if self._posts and self._here_until <= now:
            job = heapq.heappop(self._posts)[2]
            self._here_until = now + self._jobs[job].seconds
            heapq.heappush(self._events, (self._here_until, self._place[job], _HERE, job))


class _Queue:
    """Jobs for workers that nobody has taken; gives them out as `dispatch.next_job` does."""

    def __init__(self, jobs: Sequence[Waiting], workers: int) -> None:
        self._jobs = {one.job: one for one in jobs}
        self._place = {one.job: place for place, one in enumerate(jobs)}
        self._untaken = Counter(one.video for one in jobs)
        videos = sorted(self._untaken)
        self._now, self._later = videos[:workers], iter(videos[workers:])
        self._of: dict[int, _Heap] = {video: [] for video in videos}
        self._all: _Heap = []
        self._taken: set[str] = set()

    @property
    def left(self) -> int:
        """How many nobody has taken."""
        return self._untaken.total()

    def ready(self, job: str) -> None:
        """The job waits for no other any more."""
        one = self._jobs[job]
        for heap in (self._of[one.video], self._all):
            heapq.heappush(heap, (-one.after, self._place[job], job))

    def best(self, but: str | None = None) -> str | None:
        """The job that is given out next, leaving out one."""
        tops = [top for video in self._now if (top := self._top(self._of[video], but))]
        top = min(tops) if tops else self._top(self._all, but)
        return top[2] if top else None

    def take(self, job: str) -> None:
        """Gives it out."""
        self._taken.add(job)
        video = self._jobs[job].video
        self._untaken[video] -= 1
        if not self._untaken[video] and video in self._now:
            self._now.remove(video)
            following = next((one for one in self._later if self._untaken[one]), None)
            self._now += [] if following is None else [following]

    def _top(self, heap: _Heap, but: str | None) -> tuple[int, int, str] | None:
        aside = []
        while heap and (heap[0][2] == but or heap[0][2] in self._taken):
            one = heapq.heappop(heap)
            aside += [one] if one[2] not in self._taken else []
        top = heap[0] if heap else None
        for one in aside:
            heapq.heappush(heap, one)
        return top
