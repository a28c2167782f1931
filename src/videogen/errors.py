"""Every error that a person may see, in one tree.

    VideogenError               exit 1: it failed
    ├── InputError              exit 2: what the user wrote is wrong; carries every fault found, not the first
    ├── Stopped                 exit 3: a cap or a signal ended it; what was done is kept
    │   └── Interrupted
    ├── StoreError              the object store
    │   ├── StoreUnreachable
    │   ├── ObjectMissing
    │   ├── ObjectChanged       it was replaced while it was read
    │   ├── RangeIgnored        it gave a whole object where a part was asked for
    │   ├── LinkTooSlow         bytes come, but fewer than the floor that was asked for
    │   └── WrongHash           bytes arrived, but not the ones that were named
    ├── OriginError             where a model comes from did not give it
    ├── DiskFull
    ├── CloudError              whoever rents out workers refused or failed; another candidate is of no use
    │   ├── NoCapacity          this candidate cannot be had now, or only for more than its ceiling; another one may
    │   ├── CloudBusy           it takes no orders for some seconds; nothing was done
    │   └── CloudUnknown        it gave no answer to rely on: neither "alive" nor "gone" may be concluded
    ├── NotReady                a worker did not prove itself ready in time
    ├── ProcessError            a process on this machine did not start or did not end
    ├── WorkerError             a ComfyUI
    │   ├── WorkerLost          it cannot be reached any more
    │   └── WorkerRefused       it answered, and the answer was no
    └── ToolMissing             a program that this machine lacks

Only faces turn an error into words on a terminal and into an exit code.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong in something a person wrote.

    `address` leads to it: `models_manifest.yaml:41: models/3/sha256`.
    """

    address: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        line = f"{self.address}: {self.message}"
        return f"{line}\nhint: {self.hint}" if self.hint else line


class VideogenError(Exception):
    """Something failed that the program can name; `hint` says what to do about it, when that is known."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(VideogenError):
    """What the user wrote cannot be used; `faults` holds everything that was found at once."""

    exit_code = 2

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @classmethod
    def of(cls, address: str, message: str, hint: str | None = None) -> "InputError":
        """The error with one fault."""
        return cls([Fault(address, message, hint)])


class Stopped(VideogenError):
    """Ended before the end, on purpose; open jobs stay open for the next run."""

    exit_code = 3


class Interrupted(Stopped):
    """A signal (Ctrl-C, SIGTERM) asked to stop."""


class StoreError(VideogenError):
    """The object store answered with an error."""


class StoreUnreachable(StoreError):
    """The object store did not answer within the deadline."""


class ObjectMissing(StoreError):
    """The bucket has no such object."""


class ObjectChanged(StoreError):
    """The object was replaced between two of its ranges."""


class RangeIgnored(StoreError):
    """The store, or a proxy before it, ignores ranges and gives the whole object."""


class LinkTooSlow(StoreError):
    """The store gives fewer bytes a second than the floor."""


class WrongHash(StoreError):
    """The bytes are not the ones that their name promises."""


class OriginError(VideogenError):
    """Where a model comes from refused, has no such file, or does not answer."""


class DiskFull(VideogenError):
    """Too little free space; nothing half-written is left."""


class CloudError(VideogenError):
    """The cloud refused or failed."""


class NoCapacity(CloudError):
    """One candidate cannot be had now, or only above its price ceiling; nothing was created."""


class CloudBusy(CloudError):
    """The cloud takes no orders for `seconds`; nothing was done, and the same order may come again then."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message, f"it takes orders again in {seconds:g} s")
        self.seconds = seconds


class CloudUnknown(CloudError):
    """The cloud gave no answer that allows a conclusion; a machine may still be alive and billing."""


class NotReady(VideogenError):
    """A worker did not become ready before its boot deadline, or proved unfit."""


class ProcessError(VideogenError):
    """A process on this machine did not start, or did not end."""


class WorkerError(VideogenError):
    """Talking to a worker's ComfyUI failed."""


class WorkerLost(WorkerError):
    """The worker cannot be reached any more."""


class WorkerRefused(WorkerError):
    """ComfyUI refused a request; `body` is its answer."""

    def __init__(self, message: str, status: int, body: object, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.status = status
        self.body = body


class ToolMissing(VideogenError):
    """A program that this machine lacks; the hint says how to get it."""
