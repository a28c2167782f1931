"""Rents one worker and ends it: nothing is left behind half-made, and every end leaves a receipt."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from videogen import pulumi_backend
from videogen.clouds import Cloud, Ended, Machine, WorkerSpec
from videogen.ending import Ending, remembered
from videogen.errors import CloudUnknown, StoreError, VideogenError
from videogen.pace import Pace
from videogen.receipts import Receipts
from videogen.rent_attempt import Proof, Prove, RentAttempt, Say
from videogen.rent_record import RentRecord

__all__ = ["Prove", "Renter"]


@dataclass(frozen=True)
class Renter:
    """Rents from one cloud in the name of `by`, who stands in the receipts."""

    cloud: Cloud
    receipts: Receipts
    by: str
    pace: Pace = field(default_factory=Pace)
    backend: str = ""
    """In whose state it stands what is rented; see `videogen.pulumi_backend`."""

    @property
    def ending(self) -> Ending:
        """Ends what was rented."""
        return Ending(self.cloud, self.receipts, self.by, self.pace)

    def rent(
        self,
        spec: WorkerSpec,
        prove: Prove[Proof],
        cancelled: threading.Event,
        say: Say,
        again: Callable[[], None] = lambda: None,
    ) -> tuple[Machine, Proof]:
        """A new machine that is proven ready.

        First ends what already carries the spec's tag: a rent that died leaves a machine whose token nobody knows. Then
        tries one candidate after the other, each with one machine at most and written down before it is created; waits
        and begins again while none is free. A machine that is dearer than allowed or does not prove itself is ended
        before the next candidate, and `again` is asked first: it raises `Stopped` where a cap does not bear one more.

        Raises `NoCapacity` when none was free in time, `NotReady` with the workers' own reasons, `Stopped` when a cap
        or a price is in the way, `Interrupted` when `cancelled` is set, `CloudUnknown` when a machine may be there that
        was not found, `VideogenError` when another Pulumi backend has one in this place. Before any of these, what was
        created is ended.
        """
        self._end_leftovers(spec, say)
        return RentAttempt(self.ending, spec, prove, cancelled, say, again, self.backend).run()

    def look(self, known: Machine) -> Machine | None:
        """The machine as it is now; nothing when it is gone, and then it has its receipt."""
        return self.ending.look(known)

    def end(self, known: Machine, why: str, *, proven: bool = False) -> Ended | None:
        """Ends a machine, or finds it gone, and writes its receipt, once; see `videogen.ending.Ending.end`."""
        return self.ending.end(known, why, proven=proven)

    def closed(self, record: RentRecord) -> bool:
        """Whether an open rent is closed now, because its machine is gone; else `videogen sweep` has the last word."""
        self.end(remembered(record), "found gone")
        return self.receipts.receipt(record.machine)

    def stranger(self, machine: Machine) -> str | None:
        """Words for a machine that another Pulumi backend has in its state; nothing for one of ours.

        Raises `CloudUnknown` where that cannot be known of a machine that bills.
        """
        try:
            record = self.receipts.record(machine.name)
        except StoreError as error:
            if not machine.dollars_per_hour:
                return None
            raise CloudUnknown(f"who rented {machine.name} is not known: {error.message}", error.hint) from error
        if record is None or self.rented_here(record):
            return None
        return f"{machine.name} was rented through another Pulumi backend ({record.backend}, here is {self.backend})"

    def rented_here(self, record: RentRecord) -> bool:
        """Whether this Pulumi backend has it in its state, or had."""
        return pulumi_backend.same(record.backend, self.backend)

    def _end_leftovers(self, spec: WorkerSpec, say: Say) -> None:
        left = {machine.name: machine for machine in self.cloud.machines(spec.stack) if machine.slot == spec.slot}
        try:
            rents = self.receipts.open_rents()
        except StoreError as error:
            say(f"what was rented before is not known: {error.message}")
            rents = []
        for record in rents:
            mine = (record.stack, record.slot, record.cloud) == (spec.stack, spec.slot, self.cloud.name)
            if (
                mine
                and self.rented_here(record)
                and record.machine not in left
                and (found := self._listed_nowhere(record))
            ):
                left[found.name] = found
        for machine in left.values():
            if who := self.stranger(machine):
                raise VideogenError(who, "end it there; two backends need two buckets, or stacks of other names")
            say(f"ending {machine.name}, left behind by an earlier attempt")
            self.end(machine, "left behind by an attempt that died")

    def _listed_nowhere(self, record: RentRecord) -> Machine | None:
        """The machine of an open rent that no list shows; where it is proven gone, it has its receipt.

        Without the cloud's own name for it the sweep decides: another `up` may be about to create it.
        """
        if not record.id:
            return None
        return self.look(remembered(record))
