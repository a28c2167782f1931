"""The end of a machine, and the receipt that it leaves.

Whoever ended a machine knows from the cloud when. Where it was found gone, or its price has changed, only the cloud's
bill knows what it cost: the receipt waits for it, a day at most. Without a bill the worker's last word counts, and
where there is none, the latest possible end.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from videogen.clouds import Cloud, Ended, Machine
from videogen.errors import CloudError, CloudUnknown, StoreError
from videogen.money import CENT, Receipt, cost
from videogen.pace import Pace
from videogen.receipts import Receipts
from videogen.rent_record import RentRecord

_EXACT = Decimal("0.0001")
_SAME = Decimal("0.001")
"""Dollars: less than a second of any GPU."""


BILL_SETTLED = timedelta(hours=2)
"""So long after an end the bill has all of it: clouds count by the hour."""
BILL_PATIENCE = timedelta(days=1)
"""So long a receipt waits for a bill."""
ALIVE = timedelta(minutes=3)
"""A worker that said so recently that it lives is not gone, whatever a cloud says of it."""


@dataclass(frozen=True)
class _Cost:
    """What a machine cost, until when, and what that rests on, as long as no bill says better."""

    ended: datetime
    dollars_per_hour: Decimal
    dollars: Decimal
    basis: Literal["ended", "last word", "at the latest"]
    least: Decimal = Decimal(0)
    """What it has cost for certain; a bill of less is not whole yet."""
    doubt: Decimal | None = Decimal(0)
    """How much less it may have cost; nothing: only a bill knows."""


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
        known = self._with_id(known, self._record(known.name)[0])
        found = self.cloud.get(known.name, known)
        if found is not None and found.state == "running":
            return found
        self.end(known, "found ended" if found else "found gone")
        return None

    def end(self, known: Machine, why: str, *, proven: bool = False) -> Ended | None:
        """Ends a machine, or finds it gone, and writes its receipt, once; returns what the cloud said of the end.

        Raises `CloudUnknown` when the machine is not proven gone, which another account than that which rented it
        cannot do; then there is no receipt. Neither is there one yet
        where only a bill to come knows what it cost, or only its record, which cannot be read; nor for a machine of
        which nobody knows the cloud's own name and that no list shows: it may be hidden or on its way, unless the
        caller has `proven` that it is not.
        """
        record, answers = self._record(known.name)
        known = self._with_id(known, record)
        ended = self.cloud.end(known.name, why=why, by=self.by, known=known)
        if ended is None and record and record.unbilled:
            self._ask_again(known, record.unbilled)
            return None
        if ended is None and not proven and known.id:
            self._require_right_account(known, record)
        elif ended is None and not proven and known.dollars_per_hour:
            return None
        found = self._seen(known, ended, record) if ended else self._gone(known, record)
        machine = ended.machine if ended else known
        if machine.id and not (found.dollars_per_hour or answers):
            return ended  # what has a name on a cloud is not free: its rent stays open until its record can be read
        self._close(machine, record, found, self._receipt(machine, record, found, why))
        return ended

    def nothing_came_of(self, record: RentRecord, why: str) -> None:
        """Closes the rent of a machine that was never created."""
        machine = replace(remembered(record), state="exited", id="", place="")
        free = _Cost(record.rented, record.dollars_per_hour, Decimal(0), "ended")
        self.receipts.keep(self._receipt(machine, record, free, why))

    def _require_right_account(self, known: Machine, record: RentRecord | None) -> None:
        """Raises `CloudUnknown` unless the account that is asked is that of the machine: any other knows none of it.

        The key that rented it is believed, and an account whose bill names it. So is a worker's last word. Else there
        must be something of ours, and the worker silent.
        """
        if record and record.account and record.account == self.cloud.account:
            return
        word, heard = self._last_word(known.name), self._heard(known.name)
        if is_its_last(word, heard):
            return
        if self._billed(known) is not None:
            return
        if heard and self.pace.clock() - heard < ALIVE:
            reason = "and it said just now that it lives"
        elif self.cloud.machines() or self.cloud.volumes():
            return
        else:
            reason = "and nothing of ours vouches that it is asked on the account that rented it"
        raise CloudUnknown(
            f"{self.cloud.name} does not know {known.name} ({known.id}), {reason}",
            "whose key is RUNPOD_API_KEY? on the right account its bill will name it; then the same again",
        )

    def _close(self, machine: Machine, record: RentRecord | None, found: _Cost, receipt: Receipt) -> None:
        """Writes the receipt; where only the bill can know, and is not there yet, the rent stays open for it."""
        bill = self._billed(machine) if receipt.dollars_per_hour and machine.id else None
        dearer = bill is not None and bill > found.dollars + CENT  # its price rose unseen, and only the bill knows when
        young = self.pace.clock() - found.ended < BILL_SETTLED and (found.doubt is None or (dearer and bool(record)))
        whole = bill is not None and bill >= found.least - CENT and not young
        if bill is not None and whole and (found.doubt != 0 or abs(bill - found.dollars) > _SAME):
            self.receipts.keep(_by_bill(receipt, bill))
        elif record is None or not machine.id or (found.doubt is not None and found.doubt < CENT and not dearer):
            self.receipts.keep(receipt)
        else:
            try:
                self.receipts.open(record.model_copy(update={"id": machine.id, "unbilled": receipt}))
            except StoreError:  # it stays open all the same, and whoever looks next finds the machine gone
                return

    def _ask_again(self, known: Machine, receipt: Receipt) -> None:
        """Whether the bill knows by now what a machine cost."""
        bill = self._billed(replace(known, started=receipt.started))
        waited = self.pace.clock() - receipt.ended
        if bill is not None and waited >= BILL_SETTLED:
            self.receipts.keep(_by_bill(receipt, bill))
        elif waited >= BILL_PATIENCE:
            self.receipts.keep(receipt)

    def _seen(self, known: Machine, ended: Ended, record: RentRecord | None) -> _Cost:
        """Of a machine that was there until it was ended here."""
        machine, seen = ended.machine, ended.seen or ended.machine.started
        first = record.dollars_per_hour if record and record.id else known.dollars_per_hour
        before = record.first_price if record else Decimal(0)
        prices = {price for price in (first, before, machine.dollars_per_hour) if price}
        price = max(prices, default=Decimal(0))
        dollars = cost(price, _seconds(machine.started, ended.ended))
        least = cost(min(prices, default=Decimal(0)), _seconds(machine.started, seen))
        if not price:
            return _Cost(ended.ended, price, dollars, "ended")
        if len(prices) == 1 and machine.state == "running" and (record is None or record.id):
            return _Cost(ended.ended, price, dollars, "ended", least, dollars - least)
        word = self._last_word(machine.name) if machine.state == "exited" else None
        if word is not None and machine.started <= word <= ended.ended:
            return _Cost(word, price, cost(price, _seconds(machine.started, word)), "last word", doubt=None)
        least = least if machine.state == "running" else Decimal(0)
        return _Cost(ended.ended, price, dollars, "at the latest", least, None)

    def _gone(self, known: Machine, record: RentRecord | None) -> _Cost:
        """Of a machine that was not there any more."""
        price = known.dollars_per_hour or (record.dollars_per_hour if record else Decimal(0))
        word, heard = self._last_word(known.name), self._heard(known.name)
        if price and not known.id and not word and heard is None:
            # No list ever showed it, no worker of it ever spoke: its create has failed.
            return _Cost(known.started, price, Decimal(0), "ended")
        now = max(self.pace.clock(), known.started)
        until = max(known.started, word) if word else now
        dollars = cost(price, _seconds(known.started, until))
        least = cost(price, _seconds(known.started, min(now, max(word or known.started, heard or known.started))))
        return _Cost(
            until, price, dollars, "last word" if word else "at the latest", least, None if price else Decimal(0)
        )

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
        """A machine of which nobody remembers the cloud's own name may have it in the books, or say it itself."""
        if known.id or not known.dollars_per_hour:
            return known
        try:
            return replace(known, id=(record.id if record else "") or self.receipts.cloud_id(known.name))
        except StoreError:
            return known

    def _record(self, name: str) -> tuple[RentRecord | None, bool]:
        """What was written down, and whether the books could be read: an end must not fail because they cannot."""
        try:
            return self.receipts.record(name), True
        except StoreError:
            return None, False

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

    def _heard(self, name: str) -> datetime | None:
        """When its worker last said that it lives; nothing: never. Where that cannot be known, it was just now."""
        try:
            return self.receipts.heartbeat(name)
        except StoreError:
            return self.pace.clock()


def remembered(rent: RentRecord, cloud_id: str = "") -> Machine:
    """The machine of a rent as far as it was written down; `cloud_id`: the cloud's own name, where it is known."""
    return Machine(
        name=rent.machine,
        cloud=rent.cloud,
        stack=rent.stack,
        slot=rent.slot,
        phase=rent.phase,
        gpu=rent.gpu,
        dollars_per_hour=rent.dollars_per_hour,
        started=rent.rented,
        state="running",
        url="",
        agent="",
        log="",
        id=cloud_id or rent.id,
        place=rent.place,
        lease_minutes=rent.lease_minutes,
    )


def is_its_last(word: datetime | None, heard: datetime | None) -> bool:
    """Whether a worker that asked for its end at `word` was silent from then on."""
    return word is not None and (heard is None or heard - word < ALIVE)


def _by_bill(receipt: Receipt, bill: Decimal) -> Receipt:
    """The same with what the cloud takes; nobody saw the end of what is known at the latest, so the bill tells it."""
    update: dict[str, object] = {"dollars": bill, "basis": "billing"}
    if receipt.basis == "at the latest" and receipt.dollars_per_hour:
        lived = min(receipt.seconds, float(bill / receipt.dollars_per_hour * 3600))
        update |= {"seconds": lived, "ended": receipt.started + timedelta(seconds=lived)}
    return receipt.model_copy(update=update)


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())
