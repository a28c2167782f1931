"""The sweep: ends every machine that has no right to live, and closes every rent whose machine is proven gone.

It believes no empty or failed list: what is unknown is an alarm, and ends nothing by itself but what a lease ends.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeVar

from videogen import pulumi_backend
from videogen.clouds import Cloud, Machine, Volume
from videogen.ending import ALIVE, is_its_last, remembered
from videogen.errors import CloudError, StoreError, VideogenError
from videogen.money import Receipt, cost
from videogen.pace import Pace
from videogen.pulumi_stack import StackState
from videogen.receipts import Receipts
from videogen.rent import Renter
from videogen.rent_record import RentRecord
from videogen.right_to_live import Known, Spending, right_to_live
from videogen.spending import Spent, so_far
from videogen.store import Store, receipt_key, rent_record_key

BY = "sweeper"
_LATEST = 3
"""Of the latest machines so many are looked for in the bill: it names each only some time after its end."""
CLOCK = "clock.json"
"""An object of the outputs bucket, written to hear what time it is by the store."""
UNDER_WAY = timedelta(minutes=10)
"""A rent so young may be under way: written down, and its machine not there yet."""
CLOCK_DOUBT = timedelta(minutes=15)
"""How wrong this machine's clock may be, where the store does not say what time it is: nothing ends earlier by it."""

Asked = TypeVar("Asked")
States = Callable[[str], StackState | None]
"""A stack's state; nothing where Pulumi has no such stack here. Raises `VideogenError`: unknown."""


@dataclass(frozen=True)
class Place:
    """A cloud as one owner sees it, with the books of that owner."""

    name: str
    """For people: `runpod`, `local (dev)`."""
    cloud: Cloud
    kind: str
    """The cloud's name."""
    books: Receipts
    store: Store | None
    """Nothing where it is known that there is none: a foundation on this machine that is down."""
    whole: bool = True
    """Whether it has the machines of all stacks of the owner."""
    others: tuple[Receipts, ...] = ()
    """Those of the owner's other stacks on this machine: what waits in their folders must get into the bucket too."""


Fate = Literal["lives", "ended", "to be ended", "not ended", "closed", "to be closed", "open"]


@dataclass(frozen=True)
class Finding:
    """A machine, or a rent whose machine was not found, and what became of it."""

    machine: str
    place: str
    stack: str
    gpu: str
    dollars: Decimal
    """So far, at most."""
    dollars_per_hour: Decimal
    fate: Fate
    why: str


@dataclass(frozen=True)
class Swept:
    """What a sweep found at one place; `alarms` is what is not known or not right."""

    findings: tuple[Finding, ...] = ()
    volumes: tuple[Volume, ...] = ()
    """Those that no stack's state knows."""
    strangers: tuple[str, ...] = ()
    """Machines of other owners, a sentence each; nobody here ends them."""
    alarms: tuple[str, ...] = ()


def sweep(
    place: Place,
    stacks: tuple[str, ...],
    states: States,
    *,
    dry_run: bool,
    clock: Callable[[], datetime] | None = None,
) -> Swept:
    """Looks at everything of this owner at the place; `stacks` are those that may declare volumes there.

    With `dry_run` nothing is ended and nothing closed. Without a `clock` the store says what time it is.
    """
    return _Sweep(place, stacks, states, dry_run, clock).swept()


def store_time(store: Store) -> datetime:
    """What time it is by the store: this machine's clock may be wrong, and would end what lives rightly."""
    stored = store.put_bytes(store.outputs, CLOCK, b"{}\n", "application/json")
    return stored.modified or datetime.now(UTC)


def _of(receipt: Receipt) -> Machine:
    """The machine of a receipt, as its cloud's bill must know it."""
    return Machine(
        receipt.machine, receipt.cloud, receipt.stack, receipt.slot, receipt.phase, receipt.gpu,
        receipt.dollars_per_hour, receipt.started, "exited", "", "", "", receipt.id, receipt.place,
    )  # fmt: skip


@dataclass(frozen=True)
class _Written:
    """What the books say of a machine."""

    record: RentRecord | None
    heard: datetime | None = None
    last_word: tuple[str, datetime] | None = None
    receipt: bool = False
    whole: bool = False
    """Whether the store was asked for all of it, and answered; else the record may be an old copy."""


@dataclass
class _Sweep:
    place: Place
    stacks: tuple[str, ...]
    states: States
    dry_run: bool
    clock: Callable[[], datetime] | None
    alarms: list[str] = field(default_factory=list)
    doubt: timedelta = timedelta(0)

    def swept(self) -> Swept:
        self.now = self._now()
        self._waiting()  # first, for the books count only what waits in one stack's folder
        self.spent = self._spent()
        self.rents = {rent.machine: rent for rent in self.spent.open_rents if self._here(rent)}
        cloud = self.place.cloud
        listed = self._asked("which machines live", cloud.machines)
        volumes: tuple[Volume, ...] = ()
        strangers: tuple[str, ...] = ()
        if asked := listed is not None:  # a cloud that gives no list is not asked for more of them
            volumes = self._asked("which volumes there are", cloud.volumes) or ()
            strangers = self._asked("which machines of others there are", cloud.strangers) or ()
        vouched = bool(listed) or bool(volumes) or (asked and self._bill_vouches())
        self.machines = {machine.name: machine for machine in listed or ()}
        absent = [rent for name, rent in self.rents.items() if name not in self.machines]
        findings = [finding for rent in absent for finding in self._absent(rent, vouched)]
        if asked and not vouched and not absent and self._rented_before():
            self._alarm("the list of machines is empty, and nothing else of ours vouches that it is complete")
        findings += [self._judged(machine) for machine in self.machines.values()]
        if waiting := self._waiting():
            self._alarm(f"{waiting} receipts of this machine are not in the bucket")
        return Swept(tuple(findings), tuple(self._unattached(volumes)), strangers, tuple(self.alarms))

    def _waiting(self) -> int:
        """How many receipts of this machine the store did not take, now that it was asked again."""
        if self.place.store is None or self.dry_run:
            return 0
        return sum(len(books.send()) for books in (self.place.books, *self.place.others))

    def _here(self, rent: RentRecord) -> bool:
        """Whether its machine would be at this place; this machine's cloud knows one stack at a time."""
        return rent.cloud == self.place.kind and (self.place.whole or rent.stack in self.stacks)

    def _alarm(self, what: str) -> None:
        self.alarms.append(f"{self.place.name}: {what}")

    def _now(self) -> datetime:
        if self.clock or self.place.store is None:
            return self.clock() if self.clock else datetime.now(UTC)
        try:
            return store_time(self.place.store)
        except StoreError as error:
            self.doubt = CLOCK_DOUBT
            later = f"machines get {CLOCK_DOUBT.total_seconds() / 60:.0f} min more"
            self._alarm(f"the store does not answer, so that this machine's clock counts, and {later}: {error.message}")
            return datetime.now(UTC)

    def _spent(self) -> Spent:
        self.store_answers = False
        try:
            found = self.place.books.month(self.now)
        except StoreError as error:
            if self.place.store is not None:
                self._alarm(f"what is rented and spent is not known: {error.message}")
            return Spent("", self.now, (), (), ())
        self.store_answers = True
        for fault in found.faults:
            self._alarm(f"the books are not whole: {fault}")
        return found

    def _asked(self, what: str, ask: Callable[[], tuple[Asked, ...]]) -> tuple[Asked, ...] | None:
        """What the cloud answers; where it does not, that is an alarm, and `what` is not known."""
        try:
            return ask()
        except CloudError as error:
            self._alarm(f"{what} is not known: {error.message}")
            return None

    def _bill_vouches(self) -> bool:
        """Whether the bill knows one of our latest machines: then the list is that of the account that rented them."""
        billed = [one for one in self.spent.receipts if one.cloud == self.place.kind and one.id and one.dollars]
        return any(self._is_billed(_of(receipt)) for receipt in reversed(billed[-_LATEST:]))

    def _is_billed(self, machine: Machine) -> bool:
        try:
            return self.place.cloud.billed(machine) is not None
        except CloudError:
            return False

    def _rented_before(self) -> bool:
        """Whether anything that costs was ever rented here; who never did has nothing to lose."""
        return any(receipt.cloud == self.place.kind and receipt.dollars for receipt in self.spent.receipts)

    def _absent(self, rent: RentRecord, vouched: bool) -> Iterator[Finding]:
        """A rent that nobody closed, and whose machine the list does not show: it is asked for by its own name."""
        known = remembered(rent, self._id(rent))
        try:
            found = self.place.cloud.get(rent.machine, known)
        except CloudError as error:
            self._alarm(f"whether {rent.machine} lives is not known: {error.message}")
            yield self._rent(rent, "open", f"unknown: {error.message}")
            return
        if found is not None:
            self._alarm(f"{rent.machine} lives, and the list of machines does not show it")
            self.machines[found.name] = found
        elif self.now - self._written(rent) < UNDER_WAY:
            yield self._rent(rent, "open", "just written down: its machine may be on its way")
        elif (heard := self._heard(rent.machine)) and self.now - heard < ALIVE:
            self._alarm(f"{rent.machine} says that it lives, and the cloud does not know it")
            yield self._rent(rent, "open", "it says that it lives")
        elif not (vouched or self._vouched_alone(rent, known)):
            self._alarm(f"whether {rent.machine} lives is not known: the list is empty, and nothing of ours vouches")
            yield self._rent(rent, "open", "the list of machines is not to be believed")
        elif self.dry_run:
            yield self._rent(rent, "to be closed", "proven gone")
        else:
            yield self._closed(rent, known)

    def _written(self, rent: RentRecord) -> datetime:
        """When it was written down, by the store's clock: who rented may have a wrong one.

        Once its machine was there it is rewritten now and then, and its own word counts.
        """
        store = self.place.store if not rent.id else None
        try:
            found = store.head(store.outputs, rent_record_key(rent.machine)) if store else None
        except StoreError:
            return self.now  # unknown is just now
        return (found.modified if found else None) or rent.rented

    def _vouched_alone(self, rent: RentRecord, known: Machine) -> bool:
        """Whether it is proven by itself that a machine is gone: a key of another account finds nothing of ours either.

        What costs nothing is on this machine. The key that rented it is on its account, and knows its id. What waits
        for its bill was proven gone before. What asked for its end, and said no more, is gone where the cloud does not
        know it. Whose bill this key sees is on the key's account.
        """
        return (
            not rent.dollars_per_hour
            or bool(known.id and rent.account and rent.account == self.place.cloud.account)
            or rent.unbilled is not None
            or self._said_its_last(rent.machine)
            or self._is_billed(known)
        )

    def _said_its_last(self, name: str) -> bool:
        try:
            word, heard = self.place.books.last_word(name), self.place.books.heartbeat(name)
        except StoreError:
            return False
        return is_its_last(word[1] if word and not word[0].refused else None, heard)

    def _closed(self, rent: RentRecord, known: Machine) -> Finding:
        try:
            self._landlord().end(known, "found gone", proven=True)
            closed = self.place.books.receipt(rent.machine)
        except VideogenError as error:
            self._alarm(f"the rent of {rent.machine} cannot be closed: {error.message}")
            return self._rent(rent, "open", error.message)
        if not closed:
            return self._rent(rent, "open", "proven gone; its receipt waits for the bill of its cloud")
        return self._rent(rent, "closed", "proven gone; it has its receipt")

    def _judged(self, machine: Machine) -> Finding:
        written = self._books_on(machine.name)
        in_state = self._in_state(machine, written)
        known = Known(
            running=machine.state == "running",
            started=machine.started,
            dollars_per_hour=machine.dollars_per_hour,
            lease_minutes=machine.lease_minutes,
            record=written.record,
            receipt=written.receipt,
            in_state=in_state,
            heard=written.heard,
            last_word=written.last_word,
            store_answers=written.whole,
            spending=self._spending(machine, written.record) if written.whole else None,
            declared_minutes=self._declared_minutes(machine) if in_state else 0,
        )
        right = right_to_live(known, self.now - self.doubt)
        if right.lives:
            return self._machine(machine, "lives", right.why)
        if self.dry_run:
            return self._machine(machine, "to be ended", right.why)
        try:
            ended = self._landlord().end(machine, right.why)
        except VideogenError as error:
            self._alarm(f"{machine.name} has no right to live ({right.why}) and is not ended: {error.message}")
            return self._machine(machine, "not ended", f"{right.why}; {error.message}")
        if ended and written.receipt:  # one that was ended meanwhile has its receipt rightly
            self._alarm(f"{machine.name} had a receipt and lived: it has cost more than its receipt says")
        return self._machine(machine, "ended", right.why)

    def _landlord(self) -> Renter:
        """Ends in the sweeper's name, by the time that the sweep goes by."""
        return Renter(self.place.cloud, self.place.books, by=BY, pace=Pace(clock=lambda: self.now))

    def _books_on(self, name: str) -> _Written:
        """All that is written of a machine; only the record while the store is silent, or where a read fails."""
        books, record = self.place.books, None
        try:
            record = books.record(name)
            if not self.store_answers:
                return _Written(record)
            said = books.last_word(name)
            last_word = (said[0].why, said[1]) if said else None
            return _Written(record, books.heartbeat(name), last_word, self._has_receipt(name), whole=True)
        except StoreError as error:
            if self.place.store is not None:
                self._alarm(f"{name}: what is written of it is not known: {error.message}")
            return _Written(record)

    def _has_receipt(self, name: str) -> bool:
        """Asked now: a machine may have been rented since the books were read."""
        store = self.place.store
        if store is not None and store.head(store.outputs, receipt_key(name)) is not None:
            return True
        return self.place.books.waits(name) is not None

    def _heard(self, name: str) -> datetime | None:
        try:
            return self.place.books.heartbeat(name)
        except StoreError:
            return self.now  # unknown is not gone

    def _in_state(self, machine: Machine, written: _Written) -> bool | None:
        try:
            state = self.states(machine.stack)
        except VideogenError as error:
            self._alarm(f"whether stack {machine.stack} knows {machine.name} is not known: {error.message}")
            return None
        if state is None:
            self._alarm(f"{machine.name} belongs to stack {machine.stack}, of which the Pulumi here knows nothing")
            return None
        if machine.name in state.workers:
            return True
        if written.record is None and not written.whole and machine.dollars_per_hour:
            return None  # who rented it is in the books, which are not to be read
        if written.record and not pulumi_backend.same(written.record.backend, state.backend):
            backend = written.record.backend
            self._alarm(f"{machine.name} was rented through another Pulumi backend ({backend}), which knows more of it")
            return None
        return False

    def _declared_minutes(self, machine: Machine) -> float:
        """The lease of a machine that its stack's state has; 0 where an old state does not say it."""
        state = self.states(machine.stack)
        lease = state.workers[machine.name].get("lease") if state else None
        total = lease.get("total") if isinstance(lease, Mapping) else None
        return float(total) if isinstance(total, int | float) else 0

    def _spending(self, machine: Machine, record: RentRecord | None) -> Spending:
        living = {rent.machine: self._so_far(rent) for rent in self.spent.open_rents}
        living[machine.name] = self._cost(machine)
        same = [
            rent.machine
            for rent in self.spent.open_rents
            if record and (rent.run, rent.stack) == (record.run, record.stack)
        ]
        ended = [one.dollars for one in self.spent.receipts if record and record.run and one.run == record.run]
        run = sum((living[name] for name in {*same, machine.name}), sum(ended, Decimal(0)))
        return Spending(self.spent.ended + sum(living.values(), Decimal(0)), run)

    def _so_far(self, rent: RentRecord) -> Decimal:
        machine = self.machines.get(rent.machine)
        return self._cost(machine) if machine else so_far(rent, self.now)

    def _cost(self, machine: Machine) -> Decimal:
        return cost(self._price(machine), max(0.0, (self.now - machine.started).total_seconds()))

    def _price(self, machine: Machine) -> Decimal:
        """What an hour costs; a cloud names no price for what is on its way or exited, but the record does."""
        rent = self.rents.get(machine.name)
        return machine.dollars_per_hour or (rent.dollars_per_hour if rent else Decimal(0))

    def _id(self, rent: RentRecord) -> str:
        """The cloud's own name, where the books or the stack's state have it."""
        if rent.id:
            return rent.id
        try:
            state = self.states(rent.stack)
        except VideogenError:
            return ""  # then it is looked for by name
        outputs: Mapping[str, object] = state.workers.get(rent.machine, {}) if state else {}
        try:
            return str(outputs.get("id", "")) or self.place.books.cloud_id(rent.machine)
        except StoreError:
            return ""

    def _unattached(self, volumes: tuple[Volume, ...]) -> Iterator[Volume]:
        """Those that no stack declares; of a stack whose state cannot be read, nothing is said."""
        declared: set[str] = set()
        for stack in self.stacks if volumes else ():
            try:
                state = self.states(stack)
            except VideogenError as error:
                self._alarm(f"which volumes stack {stack} declares is not known: {error.message}")
                return
            declared |= state.ids if state else set()
        yield from (volume for volume in volumes if volume.id not in declared)

    def _machine(self, machine: Machine, fate: Fate, why: str) -> Finding:
        return Finding(
            machine.name,
            self.place.name,
            machine.stack,
            machine.gpu,
            self._cost(machine),
            self._price(machine),
            fate,
            why,
        )

    def _rent(self, rent: RentRecord, fate: Fate, why: str) -> Finding:
        return Finding(
            rent.machine,
            self.place.name,
            rent.stack,
            rent.gpu,
            so_far(rent, self.now),
            rent.dollars_per_hour,
            fate,
            why,
        )
