"""Written down before a machine exists, so that whoever finds it later knows whose it is and what it may cost."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from videogen.document import Schema
from videogen.lease import Minutes
from videogen.money import Cap, Dollars, Receipt


class RentRecord(Schema):
    """The object `rented/<machine>.json` of the outputs bucket.

    Rewritten when the machine is there, for its `id` and what it really costs, and when its lease is renewed.
    """

    version: Literal[1] = Field(default=1, alias="schema")
    machine: str
    """The machine that is about to be created; unique among all ever rented."""
    cloud: str
    account: str = ""
    """By which key it was rented, as a word that tells nothing of it; empty: not known, or there is but one."""
    owner: str
    stack: str
    slot: str
    phase: str
    run: str = ""
    """The run of `videogen run` that rents it; empty for a plain `pulumi up`."""
    batch: str = ""
    """The batch of that run."""
    backend: str = ""
    """Which Pulumi backend has the stack's state: only there it is known what is left behind; empty: not known."""
    id: str = ""
    """The cloud's own name for the machine; empty before it is there, and where that is `machine`."""
    gpu: str
    place: str = ""
    dollars_per_hour: Dollars
    """The most that was accepted; once the machine is there, what it costs."""
    first_price: Dollars = Decimal(0)
    """What it was to cost when it was created, where that had changed once it was ready: when, only its bill knows; 0,
    it had not."""
    rented: AwareDatetime
    """By the clock of who rents, just before the create."""
    lease_minutes: Minutes
    boot_minutes: Annotated[float, Field(gt=0)]
    cap: Cap
    unbilled: Receipt | None = None
    """It is proven gone, and this becomes its receipt unless the cloud's bill, which is waited for, knows better."""


class Heartbeat(Schema):
    """The object `heartbeats/<machine>.json`: a worker lives; when it said so, the store's clock knows."""

    version: Literal[1] = Field(default=1, alias="schema")
    machine: str
    id: str = ""
    """The cloud's own name for its machine, where it knows it: whoever lost the answer to a create finds it here."""
    state: str
    """As its agent says it."""
    idle_seconds: float
    lease_seconds_left: float
    """By the worker's own clock: for people."""


class LastWord(Schema):
    """The object `last-words/<machine>.json`: why a worker ends itself; when, the store's clock knows."""

    version: Literal[1] = Field(default=1, alias="schema")
    machine: str
    why: str
    code: int
    """The exit code of its entrypoint."""
    lived_seconds: float
    """Of its last boot, by its own clock: for people."""
    refused: str = ""
    """Why its cloud does not end it: somebody else must, and until then it lives on."""
