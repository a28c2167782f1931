"""Dollars: prices, worst cases, and the receipt of a worker that is gone."""

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from videogen.document import Schema

CENT = Decimal("0.01")

Dollars = Annotated[Decimal, Field(ge=0)]


class Rates(Schema):
    """The file `money.yaml`: in what dollars are shown beside dollars. Nothing is decided by it."""

    yen_per_dollar: Annotated[Decimal, Field(gt=0)]


class Cap(Schema):
    """The most that may be spent, in dollars.

    Both are held against a stack's worst case before anything is created, that of a month together with what the month
    has cost so far; and again while machines run.
    """

    run: Dollars
    month: Dollars
    """Of all stacks that share an outputs bucket; calendar months, UTC."""


def worst_case(workers: int, dollars_per_hour: Decimal, minutes: float) -> Decimal:
    """The most that workers can cost within their lease, rounded up to the cent."""
    return (workers * dollars_per_hour * Decimal(str(minutes)) / 60).quantize(CENT, ROUND_CEILING)


def over_cap(
    cap: Cap, workers: int, dollars_per_hour: Decimal, minutes: float, month: Decimal = Decimal(0)
) -> str | None:
    """Why these workers may not be rented, or nothing when even their worst case stays within the cap.

    `month` is what this month has cost so far, in dollars.
    """
    most = worst_case(workers, dollars_per_hour, minutes)
    said = f"{workers} workers for {minutes:g} minutes at ${dollars_per_hour}/h can cost ${most}"
    if most > cap.run:
        return f"{said}, the cap of a run is ${cap.run}"
    if most + month > cap.month:
        spent = f" and this month has cost ${month.quantize(CENT, ROUND_CEILING)} so far" if month else ""
        return f"{said}{spent}, the cap of a month is ${cap.month}"
    return None


def cost(dollars_per_hour: Decimal, seconds: float) -> Decimal:
    """What a time of rent costs, to a hundredth of a cent: clouds bill by the second."""
    return (dollars_per_hour * Decimal(str(seconds)) / 3600).quantize(Decimal("0.0001"), ROUND_HALF_UP)


class Receipt(Schema):
    """What one worker cost, written when it is proven gone; never changed afterwards.

    The object `receipts/<machine>.json` of the outputs bucket.
    """

    version: Literal[1] = Field(default=1, alias="schema")
    machine: str
    stack: str
    slot: str = ""
    phase: str
    run: str = ""
    """The run of `videogen run` that rented it; empty for a plain `pulumi up`."""
    batch: str = ""
    """The batch of that run."""
    cloud: str
    id: str = ""
    """The cloud's own name for the machine, with which its bill can be found; empty where that is `machine`."""
    gpu: str
    place: str = ""
    started: AwareDatetime
    ended: AwareDatetime
    """It counts in the month, UTC, in which it ended."""
    seconds: Annotated[float, Field(ge=0)]
    dollars_per_hour: Dollars
    dollars: Dollars
    why: str
    """Why it ended."""
    ended_by: str
    basis: Literal["ended", "last word", "billing", "at the latest"] = "ended"
    """What the times and the dollars rest on: the cloud's times, seen by who ended it; the worker's last word, by the
    store's clock; the cloud's bill; or the latest possible end, so that it cost this or less."""
