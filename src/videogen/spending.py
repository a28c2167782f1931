"""What a month has cost, from receipts and from what is rented still; calendar months, UTC.

A receipt counts whole in the month in which its machine ended, so that each counts once. What is not ended yet counts
until now, at the most that was accepted for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from videogen.errors import Fault
from videogen.money import Receipt, cost
from videogen.rent_record import RentRecord


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
        return sum((rent.dollars_per_hour for rent in self.open_rents), Decimal(0))


def so_far(rent: RentRecord, now: datetime) -> Decimal:
    """The most that an open rent has cost until now."""
    return cost(rent.dollars_per_hour, max(0.0, (now - rent.rented).total_seconds()))


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
