"""Misbehaviour on command: what, for whom, how often. What each kind does stands in the docstring of the package."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tests.doubles.runpod.dollars import Dollars

Call = Literal[
    "any", "create", "list", "get", "patch", "delete", "action", "catalog", "billing", "volumes", "templates",
    "registries",
]  # fmt: skip
Kind = Literal[
    "no-capacity", "refuse", "hold", "drop", "stuck", "gone", "exit", "dearer", "price-change", "empty-list",
    "half-list", "missing", "lives-on", "late-bill", "late-price", "half-bill",
]  # fmt: skip

OF_NEW_PODS: tuple[Kind, ...] = ("stuck", "gone", "exit", "dearer", "price-change", "late-price")


class Fault(BaseModel):
    """One misbehaviour. Scope: everything that is not named is anything."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    on: Call = "create"
    """The calls that `refuse`, `hold` and `drop` are for."""
    gpu: str | None = None
    """The GPU's id."""
    place: str | None = None
    """A data center that the create may be placed in."""
    name: str | None = None
    """Part of the pod's name."""
    key: Literal["account", "pod"] | None = None
    """Whose key the caller shows."""
    skip: int = Field(0, ge=0)
    """So many that fit go well before."""
    times: int | None = Field(None, ge=0)
    """How often; nothing: until it is removed."""
    done: bool = False
    """Whether `refuse`, `hold` and `drop` come after the call was carried out."""
    status: int = 500
    """What `refuse` answers."""
    detail: str = ""
    retry_after: int = 1
    """Seconds, for 429."""
    seconds: float = 0
    """`gone`, `exit`, `price-change`: after so long since it runs; `hold`: of real time, 0: until the server stops;
    `late-bill`: the bill names a pod so long after its end; `half-bill`: it has nothing of so long before now."""
    dollars: Dollars | None = None
    """The price an hour of `dearer` and `price-change`."""
    reads: int | None = None
    """`lives-on`: so many readings later it is gone; nothing: never."""
    state: Literal["PROVISIONING", "STARTING"] = "STARTING"
    """Where `stuck` stays."""

    def fits(self, call: Call, gpu: str | None, places: tuple[str, ...], name: str | None, key: str) -> bool:
        """Whether it is meant for such a call; counts are left to the book."""
        return (
            self.on in ("any", call)
            and self.gpu in (None, gpu)
            and (self.place is None or self.place in places)
            and (self.name is None or self.name in (name or ""))
            and self.key in (None, key)
        )


_ON: dict[Kind, Call] = {
    "empty-list": "list",
    "half-list": "list",
    "missing": "list",
    "lives-on": "delete",
    "late-bill": "billing",
}


class FaultBook:
    """The faults in force, in the order in which they came."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """From now on."""
        fault = fault.model_copy(update={"on": _ON.get(fault.kind, fault.on)})
        self.faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """No more."""
        self.faults = [one for one in self.faults if one is not fault]

    def due(
        self,
        kind: Kind,
        call: Call,
        *,
        gpu: str | None = None,
        places: tuple[str, ...] = (),
        name: str | None = None,
        key: str = "account",
        done: bool | None = None,
    ) -> Fault | None:
        """The first fault of the kind that strikes now, counted as having struck."""
        for fault in self.faults:
            if fault.kind != kind or done not in (None, fault.done) or not fault.fits(call, gpu, places, name, key):
                continue
            if fault.skip:
                fault.skip -= 1
            elif fault.times is None or fault.times > 0:
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
