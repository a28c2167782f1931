"""What a month has cost, from receipts and from what is rented still; calendar months, UTC.

A receipt counts whole in the month in which its machine ended, so that each counts once. What is not ended yet counts
until now, at the most that was accepted for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, get_args

from videogen.errors import Fault
from videogen.money import Receipt, cost
from videogen.rent_record import RentRecord

Key = Literal["phase", "batch", "gpu", "stack"]
KEYS: tuple[Key, ...] = get_args(Key)
"""What sums can be told by."""


@dataclass(frozen=True)
class Spent:
    """One month of all stacks that share an outputs bucket."""

    month: str
    """`2026-11`."""
    now: datetime
    receipts: tuple[Receipt, ...]
    """Oldest end first."""
    open_rents: tuple[RentRecord, ...]
    """Written down before a create, and not proven gone; none in a month that is over."""
    faults: tuple[Fault, ...]
    """Objects that cannot be read. With one of them the sums are only the least that the month has cost."""

    @property
    def is_now(self) -> bool:
        """Whether it is the month that is now."""
        return self.month == month_of(self.now)

    @property
    def ended(self) -> Decimal:
        """Dollars of the receipts."""
        return sum((receipt.dollars for receipt in self.receipts), Decimal(0))

    @property
    def living(self) -> Decimal:
        """Dollars of the open rents until now, at most."""
        return sum((so_far(rent, self.now) for rent in self.open_rents), Decimal(0))

    @property
    def dollars(self) -> Decimal:
        """Month to date."""
        return self.ended + self.living

    @property
    def hourly(self) -> Decimal:
        """What the open rents cost an hour, at most."""
        return sum((rent.dollars_per_hour for rent in self.open_rents if not rent.unbilled), Decimal(0))


def so_far(rent: RentRecord, now: datetime) -> Decimal:
    """The most that an open rent has cost until now."""
    return rent.unbilled.dollars if rent.unbilled else cost(rent.dollars_per_hour, seconds(rent, now))


def seconds(rent: RentRecord, now: datetime) -> float:
    """The longest that the machine of an open rent has lived until now."""
    return rent.unbilled.seconds if rent.unbilled else max(0.0, (now - rent.rented).total_seconds())


def month_of(moment: datetime) -> str:
    """`2026-11`."""
    return moment.astimezone(UTC).strftime("%Y-%m")


def spent(
    receipts: Iterable[Receipt],
    open_rents: Sequence[RentRecord],
    faults: Sequence[Fault],
    now: datetime,
    month: str | None = None,
) -> Spent:
    """What a month has cost by `now`; none named: the one that is now."""
    this = month_of(now)
    wanted = month or this
    counted = sorted((one for one in receipts if month_of(one.ended) == wanted), key=lambda one: one.ended)
    living = tuple(open_rents) if wanted == this else ()
    return Spent(wanted, now, tuple(counted), living, tuple(faults))


@dataclass(frozen=True)
class Video:
    """A finished video, and which machine rendered it."""

    machine: str
    batch: str
    job: str
    seconds: Decimal


@dataclass(frozen=True)
class Share:
    """A part of what a month has cost; `of` holds one word for each key."""

    of: tuple[str, ...]
    machines: int
    machine_seconds: float
    dollars: Decimal
    video_seconds: Decimal
    """Of the finished videos of these machines, whenever they were finished."""

    @property
    def dollars_per_second(self) -> Decimal | None:
        """Of finished video; nothing where there is none."""
        if not self.video_seconds:
            return None
        return (self.dollars / self.video_seconds).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def shares(spent: Spent, videos: Iterable[Video], keys: Sequence[Key]) -> tuple[Share, ...]:
    """What was spent by the values of the keys, dearest first; without keys one share, of all.

    Videos count with the machine that rendered them, and not where it is none of this month: it cost nothing in it.
    """
    video: dict[str, Decimal] = defaultdict(Decimal)
    for one in videos:
        video[one.machine] += one.seconds
    parts: dict[tuple[str, ...], list[tuple[str, float, Decimal]]] = defaultdict(list)
    for machine, lived, dollars, of in _machines(spent, keys):
        parts[of].append((machine, lived, dollars))
    found = [
        Share(
            of,
            len(part),
            sum(lived for _, lived, _ in part),
            sum((dollars for *_, dollars in part), Decimal(0)),
            sum((video[machine] for machine, *_ in part), Decimal(0)),
        )
        for of, part in parts.items()
    ]
    return tuple(sorted(found, key=lambda share: (-share.dollars, share.of)))


def _machines(spent: Spent, keys: Sequence[Key]) -> Iterator[tuple[str, float, Decimal, tuple[str, ...]]]:
    for receipt in spent.receipts:
        of = tuple(str(getattr(receipt, key)) for key in keys)
        yield receipt.machine, receipt.seconds, receipt.dollars, of
    for rent in spent.open_rents:
        of = tuple(str(getattr(rent, key)) for key in keys)
        yield rent.machine, seconds(rent, spent.now), so_far(rent, spent.now), of
