"""Which machine may live: the sweep's rules, as a function of everything that is known of one machine.

What is unknown ends nothing by itself; the lease does, which every machine carries with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from videogen.money import CENT
from videogen.rent_record import RentRecord

GRACE = timedelta(minutes=2)
"""A worker ends itself when its lease is over; it gets so much time to do it."""
STATE_GRACE = timedelta(minutes=5)
"""How long after its boot a machine may be missing in its stack's state: `up` writes it there when it is ready."""
SILENCE = timedelta(minutes=10)
"""How long a worker may be silent, which says each minute that it lives."""
BOOT = timedelta(minutes=30)
"""The boot of a machine whose record is not known."""


@dataclass(frozen=True)
class Spending:
    """What has been spent, in dollars: of the month, and by the run that the machine belongs to."""

    month: Decimal
    run: Decimal


@dataclass(frozen=True)
class Known:
    """What is known of one machine; each time is by its cloud's or the store's clock, never by a worker's."""

    running: bool
    """False: it exited."""
    started: datetime
    dollars_per_hour: Decimal
    """0 where its cloud does not say: on its way, or exited. Then its record's counts."""
    lease_minutes: float
    """As its cloud remembers it; 0, it does not. The record goes before, where a renewal is written down."""
    record: RentRecord | None
    """What was written down before it was created; nothing: nobody did, or the store does not answer."""
    receipt: bool
    """Whether it has one: somebody proved it gone."""
    in_state: bool | None
    """Whether its stack's state has it; nothing: the state cannot be read."""
    heard: datetime | None
    """When it last said that it lives; nothing: never."""
    last_word: tuple[str, datetime] | None
    """Why it wanted to end itself, and when it said so; nothing: it did not."""
    store_answers: bool
    """Whether the store could be asked for all of `record`, `heard` and `last_word`."""
    spending: Spending | None
    """Nothing where the sums are not known."""
    declared_minutes: float = 0
    """The lease as its stack's state has it, where a renewal stands too; 0, not known. The longer one counts."""


@dataclass(frozen=True)
class Right:
    """Whether a machine may live, and why or why not."""

    lives: bool
    why: str


def right_to_live(known: Known, now: datetime) -> Right:
    """The first reason to end the machine, or why it may live."""
    for reason in _reasons(known, now):
        return Right(lives=False, why=reason)
    return Right(lives=True, why=_why_it_lives(known, now))


def _reasons(known: Known, now: datetime) -> Iterator[str]:
    age = now - known.started
    minutes = _lease(known)
    boot = timedelta(minutes=known.record.boot_minutes) if known.record else BOOT
    if not known.running:
        yield "it exited by itself and may still cost"
    if known.receipt:
        yield "it has a receipt and lives all the same"
    if minutes and age >= timedelta(minutes=minutes) + GRACE:
        yield f"its lease of {minutes:g} minutes is over"
    if known.in_state is False and age >= boot + STATE_GRACE:
        yield "no stack knows it"
    if known.last_word and now - known.last_word[1] >= GRACE and not _lives_anew(known, known.last_word[1]):
        yield f"it wanted to end itself and could not: {known.last_word[0]}"
    if known.dollars_per_hour or (known.record and known.record.dollars_per_hour):
        if known.store_answers and age >= boot and now - (known.heard or known.started + boot) >= SILENCE:
            yield f"silent for {_minutes(now - (known.heard or known.started))}"
        yield from _over_cap(known)


def _over_cap(known: Known) -> Iterator[str]:
    if known.spending is None or known.record is None:
        return
    cap, spent = known.record.cap, known.spending
    for name, dollars, allowed in (("run", spent.run, cap.run), ("month", spent.month, cap.month)):
        if dollars >= allowed:
            yield f"the cap of a {name} is reached: ${dollars.quantize(CENT)} of ${allowed}"


def _why_it_lives(known: Known, now: datetime) -> str:
    minutes = _lease(known)
    left = known.started + timedelta(minutes=minutes) - now
    lease = f"its lease has {_minutes(max(left, timedelta(0)))} left" if minutes else "its lease is not known"
    if known.in_state is None:
        return f"{lease}; whether its stack knows it is not known"
    return lease if known.in_state else f"{lease}; it boots, no stack knows it yet"


def _lives_anew(known: Known, last_word: datetime) -> bool:
    """Whether it spoke after its last word: somebody has started it again."""
    return known.heard is not None and known.heard > last_word


def _lease(known: Known) -> float:
    return max(known.record.lease_minutes if known.record else known.lease_minutes, known.declared_minutes)


def _minutes(time: timedelta) -> str:
    return f"{time.total_seconds() / 60:.0f} min"
