"""One rent: candidate after candidate, each written down before it is created, until a machine is proven ready."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, TypeVar

from videogen import tag
from videogen.clouds import Candidate, Machine, WorkerSpec
from videogen.ending import Ending
from videogen.errors import (
    CloudBusy,
    CloudError,
    CloudUnknown,
    Interrupted,
    NoCapacity,
    NotReady,
    Stopped,
    StoreError,
    VideogenError,
)
from videogen.money import over_cap
from videogen.rent_record import RentRecord

Proof = TypeVar("Proof")

Prove = Callable[[Machine, Callable[[], bool]], Proof]
"""Waits until the machine is proven ready; the callable says whether it still runs. Raises `VideogenError`."""

Say = Callable[[str], None]

_FIRST_PAUSE = 15.0
_LONGEST_PAUSE = 60.0
_LOOKS = (0.0, 2.0, 5.0, 10.0, 15.0)
"""Seconds before each look for a machine whose create gave no answer."""
_PROOFS = 3
"""Of these looks, so many must have seen a complete list without it."""
_FIRST_ASK_SECONDS = 1.0
_ASK_SECONDS = 10.0
"""A cloud that rents to many is not asked more often whether a machine runs, but at first: many a pod dies young."""


class _TooDear(Stopped):
    """A price or a cap is in the way of one candidate."""


@dataclass
class RentAttempt(Generic[Proof]):
    """One rent, and what it has tried so far; `run` it once."""

    ending: Ending
    spec: WorkerSpec
    prove: Prove[Proof]
    cancelled: threading.Event
    say: Say
    again: Callable[[], None] = lambda: None
    """Asked before each machine after the first; raises `Stopped` where a cap does not bear one more."""
    backend: str = ""
    """In whose state the machine will stand; see `videogen.pulumi_backend`."""
    created: int = 0
    waited: float = 0.0
    tried: set[tuple[str, str | None]] = field(default_factory=set)
    """Candidates that had their machine, or may have it."""
    doubtful: list[RentRecord] = field(default_factory=list)
    """Creates without an answer, and without a machine that was found."""
    refused: RentRecord | None = None
    """A create of which the cloud said that nothing came of it."""
    failures: list[VideogenError] = field(default_factory=list)
    """Why machines were ended."""
    refusal: NoCapacity | None = None
    """The last one."""
    record: RentRecord | None = None
    """Written down, and nothing came of it yet; the next candidate takes its name."""
    month: Decimal | None = None

    def run(self) -> tuple[Machine, Proof]:
        """A machine that is ready; raises what `videogen.rent.Renter.rent` says."""
        try:
            return self._rounds()
        finally:
            self._look_again()
            if record := self.record or self.refused:
                self.ending.nothing_came_of(record, "nothing was created")

    def _rounds(self) -> tuple[Machine, Proof]:
        pause, patience = _FIRST_PAUSE, self.spec.rent.wait * 60
        while True:
            candidates = self.ending.cloud.candidates(self.spec)
            for candidate in candidates:
                self._stop_if_cancelled()
                if _key(candidate) not in self.tried and (rented := self._try(candidate)):
                    return rented
            if self.waited >= patience or self.tried.issuperset(map(_key, candidates)):
                raise self._given_up()
            seconds = min(pause, patience - self.waited)
            self.say(f"none is free, asking again in {seconds:g} s; {self.refusal.message if self.refusal else ''}")
            self._wait(seconds)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _try(self, candidate: Candidate) -> tuple[Machine, Proof] | None:
        """A machine of this candidate that is ready; nothing where another one has to be tried."""
        if self.created >= self.spec.rent.creates:
            raise self._given_up()
        if self.created:
            try:
                self.again()
            except Stopped as error:
                self.failures.append(error)
                raise self._given_up() from error
        if reason := self._over_cap(candidate.price if candidate.price is not None else candidate.ceiling):
            self.failures.append(_TooDear(f"{candidate}: {reason}"))
            self.tried.add(_key(candidate))
            return None
        self.say(f"trying {candidate}")
        record = self._open(candidate)
        try:
            created = self._create(candidate, record)
        except NoCapacity as error:
            self.refusal = error
            return None
        if created is None:
            return None
        record, machine = created
        try:
            self._known(record, machine)
            if self.cancelled.is_set():
                raise Interrupted("stopped when it was just created")
            self._require_price(machine, candidate)
            proof = self.prove(machine, self._alive(machine))
            return self._as_it_is(machine, record, candidate), proof
        except VideogenError as error:
            why = "stopped while it booted" if isinstance(error, Interrupted) else "not ready"
            why = "dearer than allowed" if isinstance(error, _TooDear) else why
            failure, gone = self._undone(machine, why, error)
            if not gone or isinstance(error, Interrupted):
                raise failure from error
            self.failures.append(failure)
            self.say(failure.message)
            return None
        except BaseException:
            self.ending.end(machine, "not ready")
            raise

    def _create(self, candidate: Candidate, record: RentRecord) -> tuple[RentRecord, Machine] | None:
        """The machine, and under which record; nothing when that is not known, and nothing was found.

        After the call, `record` is the next candidate's only where nothing was created.
        """
        while True:
            try:
                machine = self.ending.cloud.create(self.spec, candidate, record.machine)
            except CloudBusy as error:
                if self.waited >= self.spec.rent.wait * 60:
                    raise NoCapacity(error.message, error.hint) from error
                self.say(f"{error.message}; {error.hint}")
                self._wait(error.seconds)
                record = self._open(candidate)  # a sweep takes a record that is old for one of which nothing came
                continue
            except CloudUnknown as error:
                self._counts(candidate)
                found = self._find(record, error)
                return (record, found) if found else None
            except NoCapacity:
                raise
            except CloudError:
                self._counts(candidate)
                self.refused = record
                raise
            except BaseException:  # it came from outside, in the middle of the call
                self._counts(candidate)
                self.doubtful.append(record)
                raise
            self._counts(candidate)
            return record, machine

    def _counts(self, candidate: Candidate) -> None:
        """From here on there may be a machine: neither its candidate nor its name is used again."""
        self.created += 1
        self.tried.add(_key(candidate))
        self.record = None

    def _find(self, record: RentRecord, error: CloudUnknown) -> Machine | None:
        """Looks for the machine of a create that gave no answer; raises `CloudUnknown` when the lists cannot be had."""
        self.say(f"{error.message}; looking for {record.machine}")
        absent = 0
        for pause in _LOOKS:
            if self.cancelled.is_set():
                self.ending.pace.sleep(min(pause, 1.0))
            else:
                self.ending.pace.wait(self.cancelled, pause)
            try:
                machine = self.ending.cloud.get(record.machine)
            except CloudUnknown as silence:
                error = silence
                continue
            if machine is not None:
                self.say(f"{machine.name} is there all the same")
                return machine
            absent += 1
        self.doubtful.append(record)
        if absent < _PROOFS:
            raise CloudUnknown(f"{record.machine} may have been created: {error.message}", _sweep_hint(error))
        self.failures.append(CloudUnknown(f"{record.machine} may have been created: {error.message}", error.hint))
        return None

    def _look_again(self) -> None:
        """Ends what came to be after its create had failed; the rent of what did not stays open, for the sweep."""
        for record in [*self.doubtful, *([self.refused] if self.refused else [])]:
            try:
                if late := self.ending.cloud.get(record.machine):
                    self.say(f"ending {late.name}, which came to be after its create had failed")
                    self.ending.end(late, "came to be after its create had failed")
            except CloudError as error:
                self.say(f"whether {record.machine} came to be is not known: {error.message}")

    def _open(self, candidate: Candidate) -> RentRecord:
        """Writes down what is about to be created; raises `StoreError` where that must not fail."""
        spec = self.spec
        record = RentRecord(
            machine=self._unused() or f"{spec.stack}-{spec.slot}-{secrets.token_hex(4)}",
            cloud=self.ending.cloud.name,
            account=self.ending.cloud.account,
            owner=tag.owner(spec.store),
            stack=spec.stack,
            slot=spec.slot,
            phase=spec.phase,
            run=spec.run,
            batch=spec.batch,
            backend=self.backend,
            gpu=candidate.gpu,
            place=candidate.place or "",
            dollars_per_hour=candidate.ceiling,
            rented=self.ending.pace.clock(),
            lease_minutes=spec.lease.total,
            boot_minutes=spec.lease.boot,
            cap=spec.cap,
        )
        self.record = record
        self._write(record, needed=candidate.ceiling > 0)
        return record

    def _unused(self) -> str:
        """The name of the record of which nothing came yet; empty once a sweep may have closed it."""
        try:
            return self.record.machine if self.record and not self.ending.receipts.receipt(self.record.machine) else ""
        except StoreError:
            return ""

    def _known(self, record: RentRecord, machine: Machine) -> None:
        """Writes down by which name the cloud has it, and for how much."""
        update = {"id": machine.id, "dollars_per_hour": machine.dollars_per_hour, "place": machine.place}
        self._write(record.model_copy(update=update), needed=False)

    def _write(self, record: RentRecord, *, needed: bool) -> None:
        try:
            self.ending.receipts.open(record)
        except StoreError as error:
            if needed:
                hint = "nothing is rented that nobody else could find"
                raise StoreError(f"{record.machine} cannot be written down: {error.message}", hint) from error

    def _over_cap(self, dollars_per_hour: Decimal) -> str | None:
        """Why not even the cheapest course of this machine's whole lease may be risked."""
        if not dollars_per_hour:
            return None
        if self.month is None:
            self.month = self.ending.receipts.month(self.ending.pace.clock()).dollars
        return over_cap(self.spec.cap, 1, dollars_per_hour, self.spec.lease.total, self.month)

    def _require_price(self, machine: Machine, candidate: Candidate) -> None:
        """Holds what the cloud really takes against what was allowed."""
        price = machine.dollars_per_hour
        if price > candidate.ceiling:
            raise _TooDear(f"{machine.name} costs ${price}/h, ${candidate.ceiling}/h is allowed")
        if reason := self._over_cap(price):
            raise _TooDear(f"{machine.name}: {reason}")

    def _as_it_is(self, machine: Machine, record: RentRecord, candidate: Candidate) -> Machine:
        """What is ready, as its cloud describes it now: until it starts, a cloud may name no price, or none to last."""
        try:
            found = self.ending.cloud.get(machine.name, machine)
        except CloudUnknown as error:
            self.say(f"what {machine.name} costs now is not known: {error.message}")
            return machine
        if found is None or found.state != "running":
            raise NotReady(f"{machine.name} was ready, and runs no more")
        if found.dollars_per_hour != machine.dollars_per_hour:
            self._known(record.model_copy(update={"first_price": machine.dollars_per_hour}), found)
            self._require_price(found, candidate)
        return found

    def _alive(self, machine: Machine) -> Callable[[], bool]:
        due, pause, runs = float("-inf"), _FIRST_ASK_SECONDS, True

        def alive() -> bool:
            nonlocal due, pause, runs
            now = self.ending.pace.now()
            if now < due and machine.dollars_per_hour:
                return runs
            due, pause = now + pause, min(2 * pause, _ASK_SECONDS)
            try:
                found = self.ending.cloud.get(machine.name, machine)
            except CloudUnknown:
                return runs  # unknown is not dead: the boot deadline decides
            runs = found is not None and found.state == "running"
            return runs

        return alive

    def _undone(self, machine: Machine, why: str, error: VideogenError) -> tuple[VideogenError, bool]:
        """Ends the machine; the error, with what became of it, and whether it is gone."""
        ended, unknown = None, None
        try:
            ended = self.ending.end(machine, why)
        except CloudError as silence:
            unknown = silence
        kind = next((kind for kind in (Interrupted, _TooDear, NoCapacity) if isinstance(error, kind)), NotReady)
        gone = f"; {machine.name} may still run: {unknown.message}" if unknown else f"; {machine.name} is ended"
        hints = [error.hint, f"its log: {ended.log}" if ended else None, unknown.hint if unknown else None]
        return kind(f"{error.message}{gone}", "; ".join(hint for hint in hints if hint) or None), unknown is None

    def _given_up(self) -> VideogenError:
        """Why no machine could be had, in the words of all that failed."""
        if self.failures:
            said = [error.message for error in self.failures] + ([self.refusal.message] if self.refusal else [])
            if self.created >= self.spec.rent.creates > 1:
                said.append(f"{self.created} machines were created, no more are allowed")
            hints = dict.fromkeys(error.hint for error in self.failures if error.hint)
            return _kind(self.failures)("\n".join(said), "; ".join(hints) or None)
        minutes = f"{self.waited / 60:.0f} minutes"
        said_last = self.refusal.message if self.refusal else "the cloud offers nothing"
        return NoCapacity(
            f"no worker could be rented within {minutes}; the last answer was: {said_last}",
            "other `gpus` or `places`, or a longer `wait`; if these words name no lack of GPUs, the order may be wrong",
        )

    def _wait(self, seconds: float) -> None:
        self.waited += seconds
        self.ending.pace.wait(self.cancelled, seconds)
        self._stop_if_cancelled()

    def _stop_if_cancelled(self) -> None:
        if self.cancelled.is_set():
            some = "anything was rented" if not self.created else "another candidate was tried"
            raise Interrupted(f"stopped before {some}")


def _key(candidate: Candidate) -> tuple[str, str | None]:
    return candidate.id or candidate.gpu, candidate.place


def _kind(failures: list[VideogenError]) -> type[VideogenError]:
    """Unknown outweighs not ready, and that a price."""
    found = (kind for kind in (CloudUnknown, NotReady, _TooDear) if any(isinstance(error, kind) for error in failures))
    return next(found, NoCapacity)


def _sweep_hint(error: VideogenError) -> str:
    return "; ".join(hint for hint in (error.hint, "`videogen sweep` looks for it again") if hint)
