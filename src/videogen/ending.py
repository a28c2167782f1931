"""The end of a machine, and the receipt that it leaves.

Whoever ended a machine knows from the cloud when. Where it was found gone, or its price has changed, the cloud's bill
is asked, then the worker's last word; and where neither helps, it counts until the latest possible end.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from videogen.clouds import Cloud, Ended, Machine
from videogen.errors import CloudError, StoreError
from videogen.money import CENT, Receipt, cost
from videogen.pace import Pace
from videogen.receipts import Receipts
from videogen.rent_record import RentRecord

_EXACT = Decimal("0.0001")
_SAME = Decimal("0.001")
"""Dollars: less than a second of any GPU."""


@dataclass(frozen=True)
class _Cost:
    """What a machine cost, until when, and what that rests on."""

    ended: datetime
    dollars_per_hour: Decimal
    dollars: Decimal
    basis: Literal["ended", "last word", "billing", "at the latest"]


@dataclass(frozen=True)
class Ending:
    """Ends machines of one cloud in the name of `by`, who stands in the receipts."""

    cloud: Cloud
    receipts: Receipts
    by: str
    pace: Pace = field(default_factory=Pace)

    def look(self, known: Machine) -> Machine | None:
        """The machine as it is now; nothing when it is gone, and then it has its receipt.

        A machine that exited by itself is ended for good: it does nothing any more, and may still cost.
        """
        known = self._with_id(known, self._record(known.name))
        found = self.cloud.get(known.name, known)
        if found is not None and found.state == "running":
            return found
        self.end(known, "found ended" if found else "found gone")
        return None

    def end(self, known: Machine, why: str) -> Ended | None:
        """Ends a machine, or finds it gone, and writes its receipt, once; returns what the cloud said of the end.

        Raises `CloudUnknown` when the machine is not proven gone; then there is no receipt.
        """
        record = self._record(known.name)
        known = self._with_id(known, record)
        ended = self.cloud.end(known.name, why=why, by=self.by, known=known)
        found = self._seen(known, ended, record) if ended else self._gone(known, record)
        self.receipts.keep(self._receipt(ended.machine if ended else known, record, found, why))
        return ended

    def nothing_came_of(self, record: RentRecord, why: str) -> None:
        """Closes the rent of a machine that was never created."""
        machine = Machine(
            record.machine, record.cloud, record.stack, record.slot, record.phase, record.gpu,
            record.dollars_per_hour, record.rented, "exited", "", "", "",
        )  # fmt: skip
        free = _Cost(record.rented, record.dollars_per_hour, Decimal(0), "ended")
        self.receipts.keep(self._receipt(machine, record, free, why))

    def _seen(self, known: Machine, ended: Ended, record: RentRecord | None) -> _Cost:
        """Of a machine that was there until it was ended here."""
        machine = ended.machine
        first = record.dollars_per_hour if record and record.id else known.dollars_per_hour
        prices = {price for price in (first, machine.dollars_per_hour) if price}
        price = max(prices, default=Decimal(0))
        seconds = _seconds(machine.started, ended.ended)
        latest = _Cost(ended.ended, price, cost(price, seconds), "ended")
        bill = self._billed(machine) if price else None
        if bill is not None and bill > latest.dollars + _SAME:
            return replace(latest, dollars=bill, basis="billing")  # the price rose when nobody looked
        if len(prices) < 2 and (machine.state == "running" or not price):
            return latest
        least = cost(min(prices), seconds) if machine.state == "running" else Decimal(0)
        if bill is not None and bill >= least - CENT:
            return replace(latest, dollars=bill, basis="billing")
        word = self._last_word(machine.name) if machine.state == "exited" else None
        if word is not None and machine.started <= word <= ended.ended:
            return _Cost(word, price, cost(price, _seconds(machine.started, word)), "last word")
        return replace(latest, basis="at the latest")

    def _gone(self, known: Machine, record: RentRecord | None) -> _Cost:
        """Of a machine that was not there any more."""
        price = known.dollars_per_hour or (record.dollars_per_hour if record else Decimal(0))
        word = self._last_word(known.name)
        now = max(self.pace.clock(), known.started)
        until = max(known.started, word) if word else now
        counted = cost(price, _seconds(known.started, until))
        if price and known.id and (bill := self._billed(known)) is not None and (not word or bill >= counted - CENT):
            if not word:
                until = min(now, known.started + timedelta(hours=float(bill / price)))
            return _Cost(until, price, bill, "billing")
        if word:
            return _Cost(until, price, counted, "last word")
        if price and not known.id and not self._heard(known.name):
            # No list ever showed it, no worker of it ever spoke: its create has failed.
            return _Cost(known.started, price, Decimal(0), "ended")
        return _Cost(until, price, counted, "at the latest")

    def _receipt(self, machine: Machine, record: RentRecord | None, found: _Cost, why: str) -> Receipt:
        return Receipt(
            machine=machine.name,
            stack=machine.stack,
            slot=machine.slot,
            phase=machine.phase,
            run=record.run if record else "",
            batch=record.batch if record else "",
            cloud=machine.cloud,
            id=machine.id,
            gpu=machine.gpu,
            place=machine.place,
            started=machine.started,
            ended=max(found.ended, machine.started),
            seconds=_seconds(machine.started, found.ended),
            dollars_per_hour=found.dollars_per_hour,
            dollars=found.dollars,
            why=why,
            ended_by=self.by,
            basis=found.basis,
        )

    def _with_id(self, known: Machine, record: RentRecord | None) -> Machine:
        """A machine of which nobody remembers the cloud's own name may have it in the books."""
        return replace(known, id=record.id) if record and record.id and not known.id else known

    def _record(self, name: str) -> RentRecord | None:
        try:
            return self.receipts.record(name)
        except StoreError:  # an end must not fail because the books cannot be read
            return None

    def _billed(self, machine: Machine) -> Decimal | None:
        try:
            bill = self.cloud.billed(machine)
        except CloudError:
            return None
        return bill.quantize(_EXACT) if bill is not None else None

    def _last_word(self, name: str) -> datetime | None:
        try:
            said = self.receipts.last_word(name)
        except StoreError:
            return None
        return said[1] if said and not said[0].refused else None  # who was refused its end lived on after it

    def _heard(self, name: str) -> bool:
        """Whether its worker may ever have said that it lives."""
        try:
            return self.receipts.heartbeat(name) is not None
        except StoreError:
            return True


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())
