"""Rents one worker and ends it: nothing is left behind half-made, and every end leaves a receipt."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from videogen.clouds import Cloud, Ended, Machine, WorkerSpec
from videogen.errors import CloudError, CloudUnknown, Interrupted, NotReady, VideogenError
from videogen.money import Receipt, cost
from videogen.receipts import Receipts

Proof = TypeVar("Proof")

Prove = Callable[[Machine, Callable[[], bool]], Proof]
"""Waits until the machine is proven ready; the callable says whether it still runs. Raises `VideogenError`."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Renter:
    """Rents from one cloud in the name of `by`, who stands in the receipts."""

    cloud: Cloud
    receipts: Receipts
    by: str

    def rent(
        self, spec: WorkerSpec, prove: Prove[Proof], cancelled: threading.Event, say: Say
    ) -> tuple[Machine, Proof]:
        """A new machine that is proven ready.

        First ends what already carries the spec's tag: a rent that died leaves a machine whose token nobody knows.
        When the machine does not prove itself, or `cancelled` is set, it is ended before the error is raised:
        `NotReady` with the worker's own reason, `Interrupted`.
        """
        self._end_leftovers(spec, say)
        if cancelled.is_set():
            raise Interrupted("stopped before anything was rented")
        name = f"{spec.stack}-{spec.slot}-{secrets.token_hex(4)}"
        try:
            machine = self.cloud.create(spec, self.cloud.candidates(spec)[0], name)
        except CloudError as error:
            raise self._undone(name, "it could not be created", error) from error
        try:
            return machine, prove(machine, lambda: self._runs(name))
        except Interrupted as error:
            raise self._undone(name, "stopped while it booted", error) from error
        except VideogenError as error:
            raise self._undone(name, "not ready", error) from error
        except BaseException:
            self.end(machine, "not ready")
            raise

    def look(self, known: Machine) -> Machine | None:
        """The machine as it is now; nothing when it is gone, and then it has its receipt.

        A machine that exited by itself is ended for good: it does nothing any more, and may still cost.
        """
        found = self.cloud.get(known.name)
        if found is not None and found.state == "running":
            return found
        self.end(known, "found ended" if found else "found gone")
        return None

    def end(self, known: Machine, why: str) -> Ended | None:
        """Ends a machine, or finds it gone, and writes its receipt, once; returns what the cloud said of the end.

        Raises `CloudUnknown` when the machine is not proven gone; then there is no receipt.
        """
        ended = self.cloud.end(known.name, why=why, by=self.by)
        self.receipts.keep(self._receipt(ended.machine if ended else known, ended, why))
        return ended

    def _end_leftovers(self, spec: WorkerSpec, say: Say) -> None:
        for machine in self.cloud.machines(spec.stack):
            if machine.slot == spec.slot:
                say(f"ending {machine.name}, left behind by an earlier attempt")
                self.end(machine, "left behind by an attempt that died")

    def _runs(self, name: str) -> bool:
        found = self.cloud.get(name)
        return found is not None and found.state == "running"

    def _undone(self, name: str, why: str, error: VideogenError) -> VideogenError:
        """The error, with what became of the machine; it is ended here."""
        ended, unknown = None, None
        try:
            machine = self.cloud.get(name)
            ended = self.end(machine, why) if machine else None
        except CloudUnknown as silence:
            unknown = silence
        kind = type(error) if isinstance(error, Interrupted | CloudError) else NotReady
        gone = f"; {name} is ended" if ended else f"; {name} may still run: {unknown.message}" if unknown else ""
        hints = [error.hint, f"its log: {ended.log}" if ended else None, unknown.hint if unknown else None]
        return kind(f"{error.message}{gone}", "; ".join(hint for hint in hints if hint) or None)

    def _receipt(self, machine: Machine, ended: Ended | None, why: str) -> Receipt:
        end = ended.ended if ended else datetime.now(UTC)
        seconds = max(0.0, (end - machine.started).total_seconds())
        return Receipt(
            machine=machine.name,
            stack=machine.stack,
            phase=machine.phase,
            cloud=machine.cloud,
            gpu=machine.gpu,
            started=machine.started,
            ended=end,
            seconds=seconds,
            dollars_per_hour=machine.dollars_per_hour,
            dollars=cost(machine.dollars_per_hour, seconds),
            why=why,
            ended_by=self.by,
        )
