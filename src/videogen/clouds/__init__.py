"""Who rents out workers: one interface, one module for each cloud.

Three answers must never be mixed up: a machine *is there*, a machine *is gone*, and *unknown*. Unknown is
`CloudUnknown`: no answer, an odd answer, half a list. Nobody may conclude anything from it; above all not "gone".
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from videogen.comfyui_source import ComfyuiSource
from videogen.gpu import Offer
from videogen.lease import LeaseTerms
from videogen.manifest import PhaseName
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker shall be. `stack` and `slot` are its tag: every machine carries it before it exists."""

    stack: str
    slot: str
    """Its place in the stack, such as `1`; what was on the disk of a slot may be there again."""
    phase: PhaseName
    offers: tuple[Offer, ...]
    """In the order of preference; nothing where the cloud has nothing to choose from."""
    places: tuple[str, ...]
    image: str
    volume_gb: int
    container_disk_gb: int
    lease: LeaseTerms
    manifest: str
    store: Store
    access: StoreAccess
    token: Secret
    comfyui: ComfyuiSource


@dataclass(frozen=True)
class Machine:
    """A machine as its cloud describes it."""

    name: str
    """Unique among all machines ever rented."""
    cloud: str
    stack: str
    slot: str
    phase: str
    gpu: str
    dollars_per_hour: Decimal
    """What the cloud really takes, not what was asked."""
    started: datetime
    state: Literal["running", "exited"]
    """Exited: it does nothing any more and may still cost; it must be ended."""
    url: str
    """ComfyUI's address."""
    agent: str
    """The agent's address."""
    log: str
    """Where a person finds what it said."""


@dataclass(frozen=True)
class Ended:
    """A machine that is proven gone."""

    machine: Machine
    ended: datetime
    log: str
    """Where its log is kept now."""


class Cloud(Protocol):
    """What each cloud can do.

    All methods raise `CloudUnknown` when the cloud gives no answer to rely on, `CloudError` when it refuses.
    """

    def machines(self, stack: str) -> tuple[Machine, ...]:
        """Every machine that carries the stack's tag, running or exited; complete, or `CloudUnknown`."""

    def create(self, spec: WorkerSpec, name: str) -> Machine:
        """One new machine called `name`, which is new; returns when the cloud has it, not when it is ready.

        When this raises, a machine of that name may still be there: look for it.
        """

    def get(self, name: str) -> Machine | None:
        """The machine of that name; nothing when it is proven gone."""

    def end(self, name: str, *, why: str, by: str) -> Ended | None:
        """Ends a machine and reads back until it is gone; nothing when it was gone before.

        `why` and `by` are left where a person looks who wonders. Raises `CloudUnknown` when it is not gone in time.
        """
