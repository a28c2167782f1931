"""Counts what a run costs while it runs, from the clouds' own start times, and stops it at the cap."""

import threading
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from videogen.background import every
from videogen.clouds import Cloud, Machine
from videogen.errors import CloudError, StoreError
from videogen.money import CENT, Cap, Receipt, cost
from videogen.receipts import Receipts
from videogen.rent_record import RentRecord
from videogen.spending import so_far
from videogen.stops import Stops

COUNT_SECONDS = 3.0
LOOK_SECONDS = 5.0
"""Between two questions to cloud and books; in between, time alone is counted."""
SAY_SECONDS = 300.0
ENDING = timedelta(minutes=1)
"""What an end takes is counted before it is begun, so that the cap holds to the end."""


@dataclass(frozen=True)
class _Seen:
    """The last answer of cloud and books."""

    rents: tuple[RentRecord, ...]
    machines: Mapping[str, Machine]
    ended: Decimal
    """Dollars of the run's machines that have their receipt."""
    others: Decimal
    """Dollars of the month that are not this run's."""


class Watch:
    """Of one run; what does not answer leaves the last answer standing, and time goes on.

    `most_per_hour`: what all workers of the run can cost an hour; it counts while nothing better is known. `uses`: the
    machines that the run uses, whoever rented them; it may grow.
    """

    def __init__(
        self,
        run: str,
        stack: str,
        cap: Cap,
        most_per_hour: Decimal,
        *,
        uses: Set[str] = frozenset(),
        cloud: Cloud,
        books: Receipts,
        clock: Callable[[], datetime],
        stops: Stops,
        say: Callable[[str], None],
    ) -> None:
        self._run, self._stack, self._cap, self._most = run, stack, cap, most_per_hour
        self._uses = uses
        self._cloud, self._books, self._clock, self._stops, self._say = cloud, books, clock, stops, say
        self._began = self._said = clock()
        self._seen: _Seen | None = None
        self._silent = False

    def start(self, stop: threading.Event) -> None:
        """Looks and counts, each on a thread of its own, until `stop` is set."""
        every(LOOK_SECONDS, self.look, stop, "look at what is rented", first=0)
        every(COUNT_SECONDS, self.count, stop, "count what it costs", first=COUNT_SECONDS)

    def look(self) -> None:
        """Asks cloud and books what there is of this run."""
        now = self._clock()
        try:
            month = self._books.month(now)
        except StoreError:
            return
        machines = self._machines()
        rents = tuple(rent for rent in month.open_rents if self._ours(rent))
        ended = sum((one.dollars for one in month.receipts if self._ours(one)), Decimal(0))
        others = month.dollars - ended - sum((so_far(rent, now) for rent in rents), Decimal(0))
        self._seen = _Seen(rents, machines, ended, others)

    def count(self) -> None:
        """Stops the run when it has cost what it may."""
        now = self._clock()
        spent, hourly = self.spent(now), self.hourly()
        others = self._seen.others if self._seen else Decimal(0)
        ending = cost(hourly, ENDING.total_seconds())
        for name, dollars, cap in (("run", spent, self._cap.run), ("month", spent + others, self._cap.month)):
            if dollars + ending >= cap:
                self._stops.cap(f"the cap of a {name} is reached: ${dollars.quantize(CENT)} of ${cap}")
        if now - self._said >= timedelta(seconds=SAY_SECONDS):
            self._said = now
            self._say(f"so far ${spent.quantize(CENT)} of ${self._cap.run}, ${hourly}/h")

    def spent(self, now: datetime) -> Decimal:
        """Dollars of the run until now; at most, where the cloud has not shown a machine."""
        seen = self._seen
        if seen is None:
            return cost(self._most, (now - self._began).total_seconds())
        return sum((_cost(rent, seen.machines.get(rent.machine), now) for rent in seen.rents), seen.ended)

    def hourly(self) -> Decimal:
        """Dollars an hour of the run's machines."""
        seen = self._seen
        if seen is None:
            return self._most
        living = (rent for rent in seen.rents if not rent.unbilled)
        return sum((_price(rent, seen.machines.get(rent.machine)) for rent in living), Decimal(0))

    def _ours(self, one: RentRecord | Receipt) -> bool:
        return one.run == self._run or one.machine in self._uses

    def _machines(self) -> Mapping[str, Machine]:
        """What the cloud shows; while it is silent, what it showed last, and the books say what else there is."""
        try:
            found = {machine.name: machine for machine in self._cloud.machines(self._stack)}
        except CloudError as error:
            if not self._silent:
                self._say(f"what it costs is counted by the books alone: {error.message}")
            self._silent = True
            return self._seen.machines if self._seen else {}
        self._silent = False
        return found


def _price(rent: RentRecord, machine: Machine | None) -> Decimal:
    """Dollars an hour; of a machine that boots or has exited a list may name none, and it costs all the same."""
    return (machine.dollars_per_hour if machine else Decimal(0)) or rent.dollars_per_hour


def _cost(rent: RentRecord, machine: Machine | None, now: datetime) -> Decimal:
    if machine is None or rent.unbilled:
        return so_far(rent, now)
    return cost(_price(rent, machine), max(0.0, (now - machine.started).total_seconds()))
