"""A lease says when a worker must end, and why."""

import pytest

from videogen.lease import LeaseTerms, WorkerClock, over

TERMS = LeaseTerms(total=60, idle=10, boot=5)
START = 1000.0


def at(minutes: float, ready: float | None = None, busy: float = 0.0) -> WorkerClock:
    """A worker's clock, in minutes since its start."""
    return WorkerClock(START + minutes * 60, START, None if ready is None else START + ready * 60, START + busy * 60)


@pytest.mark.parametrize(
    ("clock", "why"),
    [
        (at(4.9), None),
        (at(5), "not ready within 5 minutes"),
        (at(5, ready=4), None),
        (at(13.9, ready=4), None),
        (at(14, ready=4), "idle for 10 minutes"),
        (at(14, ready=4, busy=13), None),
        (at(23, ready=4, busy=13), "idle for 10 minutes"),
        (at(59.9, ready=4, busy=59), None),
        (at(60, ready=4, busy=60), "lease over: 60 minutes"),
        (at(60), "lease over: 60 minutes"),
    ],
)
def test_over(clock: WorkerClock, why: str | None) -> None:
    """The whole lease counts from the start, idling from the last work, and booting until ready."""
    assert over(TERMS, clock) == why


def test_busy_before_ready() -> None:
    """Time before the worker was ready is not idle time."""
    assert over(TERMS, at(13, ready=4, busy=0)) is None
