"""Until when a worker may live, and why it may live."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from videogen.document import Schema

Minutes = Annotated[float, Field(gt=0, le=7 * 24 * 60)]


class LeaseTerms(Schema):
    """What a stack grants each worker, in minutes."""

    total: Minutes
    idle: Minutes
    boot: Minutes


class RentTerms(Schema):
    """How hard a rent tries before it gives up."""

    creates: Annotated[int, Field(ge=1, le=20)] = 6
    """The most machines that may be created for one worker; each that is not ready is ended before the next one."""
    wait: Annotated[float, Field(ge=0, le=7 * 24 * 60)] = 20
    """Minutes to wait for a GPU while none is free; 0, none are waited for."""


@dataclass(frozen=True)
class WorkerClock:
    """What the agent knows of its own worker; seconds on one monotonic clock."""

    now: float
    started: float
    ready: float | None
    last_busy: float
    lived: float = 0
    """In all boots together, by whichever clock says more; what is `started` is this boot."""


def over(terms: LeaseTerms, clock: WorkerClock) -> str | None:
    """Why the worker must end now, or nothing while it may live."""
    if max(clock.lived, clock.now - clock.started) >= terms.total * 60:
        return f"lease over: {terms.total:g} minutes"
    if clock.ready is None:
        return f"not ready within {terms.boot:g} minutes" if clock.now - clock.started >= terms.boot * 60 else None
    idle_since = max(clock.ready, clock.last_busy)
    return f"idle for {terms.idle:g} minutes" if clock.now - idle_since >= terms.idle * 60 else None
