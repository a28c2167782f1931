"""Dollars: prices, worst cases, and the receipt of a worker that is gone."""

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Annotated, Literal

from pydantic import Field

from videogen.document import Schema

CENT = Decimal("0.01")

Dollars = Annotated[Decimal, Field(ge=0)]


class Cap(Schema):
    """The most that may be spent, in dollars.

    Both are held against a stack's worst case before anything is created. What the month has cost so far, and what
    runs, are not counted yet.
    """

    run: Dollars
    month: Dollars


def worst_case(workers: int, dollars_per_hour: Decimal, minutes: float) -> Decimal:
    """The most that workers can cost within their lease, rounded up to the cent."""
    return (workers * dollars_per_hour * Decimal(str(minutes)) / 60).quantize(CENT, ROUND_CEILING)


def over_cap(cap: Cap, workers: int, dollars_per_hour: Decimal, minutes: float) -> str | None:
    """Why these workers may not be rented, or nothing when even their worst case stays within the cap."""
    most = worst_case(workers, dollars_per_hour, minutes)
    for name, allowed in (("run", cap.run), ("month", cap.month)):
        if most > allowed:
            return (
                f"{workers} workers for {minutes:g} minutes at ${dollars_per_hour}/h can cost ${most}, "
                f"the cap of a {name} is ${allowed}"
            )
    return None


def cost(dollars_per_hour: Decimal, seconds: float) -> Decimal:
    """What a time of rent costs, to a hundredth of a cent: clouds bill by the second."""
    return (dollars_per_hour * Decimal(str(seconds)) / 3600).quantize(Decimal("0.0001"), ROUND_HALF_UP)


class Receipt(Schema):
    """What one worker cost, written when it is proven gone; never changed afterwards."""

    version: Literal[1] = Field(default=1, alias="schema")
    machine: str
    stack: str
    phase: str
    cloud: str
    gpu: str
    started: datetime
    ended: datetime
    seconds: Annotated[float, Field(ge=0)]
    dollars_per_hour: Dollars
    dollars: Dollars
    why: str
    ended_by: str
