"""How long a batch takes on several workers, when each job waits for those that it needs."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Timed:
    """One job with its time."""

    job: str
    seconds: float
    needs: tuple[str, ...] = ()
    here: bool = False
    """A post step: done on the machine that submits, which does one at a time."""


def wall_seconds(jobs: Sequence[Timed], workers: int) -> float:
    """Until the last job ends; each worker takes the first job that may begin, as `submit` lets them."""
    lanes = {False: _Lane(max(1, workers)), True: _Lane(1)}
    left = {one.job: len(set(one.needs)) for one in jobs}
    after: dict[str, list[int]] = {}
    for index, one in enumerate(jobs):
        for need in set(one.needs):
            after.setdefault(need, []).append(index)
        if not one.needs:
            lanes[one.here].add(0.0, index)
    ready = [0.0] * len(jobs)
    end = 0.0
    while any(lane.waiting for lane in lanes.values()):
        lane = min((lane for lane in lanes.values() if lane.waiting), key=_Lane.next_start)
        index, began = lane.take()
        done = began + jobs[index].seconds
        heapq.heappush(lane.free, done)
        end = max(end, done)
        for following in after.get(jobs[index].job, ()):
            ready[following] = max(ready[following], done)
            left[jobs[following].job] -= 1
            if not left[jobs[following].job]:
                lanes[jobs[following].here].add(ready[following], following)
    return end


class _Lane:
    """Equal workers and what waits for them."""

    def __init__(self, workers: int) -> None:
        self.free = [0.0] * workers
        self._later: list[tuple[float, int]] = []
        self._ready: list[int] = []

    @property
    def waiting(self) -> bool:
        return bool(self._later or self._ready)

    def add(self, at: float, index: int) -> None:
        heapq.heappush(self._later, (at, index))

    def next_start(self) -> float:
        return self.free[0] if self._ready else max(self.free[0], self._later[0][0])

    def take(self) -> tuple[int, float]:
        """The job that begins next, and when."""
        start = self.next_start()
        while self._later and self._later[0][0] <= start:
            heapq.heappush(self._ready, heapq.heappop(self._later)[1])
        heapq.heappop(self.free)
        return heapq.heappop(self._ready), start
