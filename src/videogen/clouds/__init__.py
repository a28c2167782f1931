"""Who rents out workers: one interface, one module for each cloud.

Three answers must never be mixed up: a machine *is there*, a machine *is gone*, and *unknown*. Unknown is
`CloudUnknown`: no answer, an odd answer, half a list. Nobody may conclude anything from it; above all not "gone".
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from videogen.comfyui_source import ComfyuiSource
from videogen.gpu import Offer
from videogen.lease import LeaseTerms, RentTerms
from videogen.manifest import PhaseName
from videogen.money import Cap
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
    """What it runs: a folder of images/ where the worker is a process, an image reference where it is rented."""
    volume_gb: int
    container_disk_gb: int
    lease: LeaseTerms
    cap: Cap
    manifest: str
    store: Store
    access: StoreAccess
    """The operator's keys of the store; no worker gets them."""
    worker_access: StoreAccess
    """The worker's own."""
    token: Secret
    comfyui: ComfyuiSource
    rent: RentTerms = field(default_factory=RentTerms)
    ssh_public_keys: str = ""
    """Who may log in, one key a line; nothing: no sshd."""
    network_volume_id: str = ""
    """The cloud's id of a volume that outlives the worker; nothing: none."""
    registry_id: str = ""
    """The cloud's id of a login to where a private image comes from; nothing: none."""
    cuda: str = ""
    """The least version of CUDA that the machine's driver must know, such as `12.8`; nothing: any."""
    run: str = ""
    """The run of `videogen run` that rents it; nothing for a plain `pulumi up`."""
    batch: str = ""
    """The batch of that run."""


@dataclass(frozen=True)
class Candidate:
    """One way to rent: a GPU, in a place or wherever there is one, for at most so much."""

    gpu: str
    """A name of `videogen.gpu`, or the cloud's word where it has nothing to choose from."""
    place: str | None
    ceiling: Decimal
    """The most that an hour may cost, in dollars."""
    price: Decimal | None = None
    """What an hour costs according to the cloud's catalog; no promise."""
    id: str = ""
    """The cloud's own name of the GPU: one name of ours may be several to a cloud."""

    def __str__(self) -> str:
        """`H100-80GB in EU-RO-1 at $2.99/h`."""
        where = f" in {self.place}" if self.place else ""
        return f"{self.gpu}{where} at " + (f"${self.price}/h" if self.price is not None else f"up to ${self.ceiling}/h")


@dataclass(frozen=True)
class Volume:
    """A disk or network volume that carries our tag and costs also when nothing runs."""

    name: str
    cloud: str
    id: str
    size_gb: int
    place: str
    dollars_per_month: Decimal


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
    id: str = ""
    """The cloud's own name for it; empty where that is `name`."""
    place: str = ""
    lease_minutes: float = 0
    """What it was granted when it was created, as its cloud remembers; 0, unknown."""


@dataclass(frozen=True)
class Ended:
    """A machine that is proven gone."""

    machine: Machine
    ended: datetime
    log: str
    """Where its log is kept now."""
    seen: datetime | None = None
    """When it was last seen alive, by the clock of `ended`, so that its end lies between; nothing: nobody knows."""


class Cloud(Protocol):
    """What each cloud can do.

    All methods raise `CloudUnknown` when the cloud gives no answer to rely on, `CloudError` when it refuses. Rate
    limits are obeyed and short failures of reading calls are asked again inside, within a deadline; a create never is.
    """

    @property
    def name(self) -> str:
        """As a stack file calls it, and as its machines say."""

    @property
    def account(self) -> str:
        """The key by which it is asked, as a word that tells nothing of it: the same word, the same account.

        Nothing where there is but one account.
        """

    def candidates(self, spec: WorkerSpec) -> tuple[Candidate, ...]:
        """What may be tried for the spec, best first: its GPUs in order, each in its places in order.

        Those whose catalog price is above the ceiling are left out, those without stock come last.
        """

    def machines(self, stack: str | None = None) -> tuple[Machine, ...]:
        """Every machine of this owner that carries the stack's tag (none named: any), running or exited.

        Complete, or `CloudUnknown`. An empty answer is only what the cloud said: whoever knows of a machine that should
        be there asks for it with `get`.
        """

    def create(self, spec: WorkerSpec, candidate: Candidate, name: str) -> Machine:
        """One new machine called `name`, which is new; returns when the cloud has it, not when it is ready.

        Raises `NoCapacity` when nothing was created and another candidate may be tried. With `CloudUnknown` a machine
        of that name may be there: look for it. The price is the cloud's: the caller compares it with the ceiling.
        """

    def get(self, name: str, known: Machine | None = None) -> Machine | None:
        """The machine of that name; nothing when it is proven gone.

        `known` is what is remembered of it: with the cloud's own id a single machine can be asked for, and its absence
        proven. Without it, absence from a complete list is taken as proof.
        """

    def end(self, name: str, *, why: str, by: str, known: Machine | None = None) -> Ended | None:
        """Ends a machine and reads back until it is gone; nothing when it was gone before.

        `why` and `by` are left where a person looks who wonders. Raises `CloudUnknown` when it is not gone in time.
        """

    def billed(self, machine: Machine) -> Decimal | None:
        """Dollars that the cloud's own bill names for a machine that is gone; nothing where it names none (yet)."""

    def volumes(self) -> tuple[Volume, ...]:
        """Every volume of this owner, complete, or `CloudUnknown`."""

    def strangers(self) -> tuple[str, ...]:
        """Machines that some video-gen rented and that are not this owner's, one sentence each; nobody here ends them.

        Those of other owners of the same account, and those with our tag whose environment says otherwise. Complete, or
        `CloudUnknown`.
        """
