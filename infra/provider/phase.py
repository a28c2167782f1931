"""`videogen:index:Phase`: says what a phase will rent, refuses what its caps forbid, and ends last what it rented."""

from collections.abc import Callable, Mapping

from infra.phase import SECRET
from infra.provider import caps
from infra.provider.clouds import books, renter
from infra.provider.engine import Call
from infra.provider.properties import Plain
from infra.provider.wanted import WantedPhase, faults
from videogen.clouds import Candidate
from videogen.clouds.choose import choose
from videogen.errors import CloudError, CloudUnknown, InputError, NoCapacity, StoreError
from videogen.forecast import Forecast, forecast
from videogen.runpod_api import Denied
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess

TYPE = "videogen:index:Phase"


class Handler:
    """In the state before anything is rented, so that a destroy always has whom to ask what is left.

    `note` is told what a person should read before anything is created.
    """

    secret = frozenset(SECRET)
    replacing = frozenset({"stack"})
    made: frozenset[str] = frozenset()

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def faults(self, inputs: Plain) -> Mapping[str, str]:
        """What no cloud could give, what the workflows need that the manifest lacks, what the caps forbid."""
        found = faults(WantedPhase, inputs)
        if inputs.get("foundationStack") and found.keys() & {"store", "access", "workerAccess"}:
            other = inputs["foundationStack"]
            return {"foundationStack": f"stack {other} has no store for it yet\nhint: pulumi up --stack {other}"}
        if found:  # what is not known yet will be when it is checked again before the create
            return {key: reason for key, reason in found.items() if key in inputs}
        wanted = WantedPhase.model_validate(inputs)
        try:
            expected, doubts = _look_ahead(wanted)
            market = _market(wanted, expected)
        except InputError as error:
            return {"workflows": error.message}
        except CloudError as error:
            return {"cloud": f"{error.message}\nhint: {error.hint}" if error.hint else error.message}
        self._note("\n".join((*expected.words(), *market, *doubts)))
        reason = expected.refusal()
        return {"cap": reason} if reason else {}

    def ails(self, _state: Plain, /) -> frozenset[str]:
        """Nothing can ail it."""
        return frozenset()

    def create(self, inputs: Plain, _call: Call, /) -> tuple[str, Plain]:
        """Makes nothing."""
        return f"phase-{inputs['stack']}", {}

    def read(self, _state: Plain, _call: Call, /) -> Plain | None:
        """It is always there."""
        return {}

    def update(self, _state: Plain, _inputs: Plain, _call: Call, /) -> Plain:
        """What is wished for has changed; the workers follow."""
        return {}

    def delete(self, state: Plain, call: Call) -> None:
        """Ends every machine of the stack that the state does not know; raises `CloudUnknown` while one may live.

        The workers that the state knows are gone by now, and nobody else may rent while the engine holds the stack; a
        machine of another backend, which has a stack of the same name, stays.
        """
        place, access = Store.model_validate(state["store"]), StoreAccess.model_validate(state["access"])
        landlord = renter(state["cloud"], state["stack"], place, access)
        for machine in landlord.cloud.machines(state["stack"]):
            if who := landlord.stranger(machine):
                call.warn(f"{who}: it lives on")
                continue
            landlord.end(machine, "left behind, unknown to the state")
            call.warn(f"{machine.name} was unknown to the state, and is ended")
        try:
            rents = landlord.receipts.open_rents()
        except StoreError as error:
            call.warn(f"nothing of this stack lives; which receipts are missing is not known: {error.message}")
            return
        for record in rents:
            mine = (record.stack, record.cloud) == (state["stack"], state["cloud"])
            if mine and landlord.rented_here(record) and not landlord.closed(record):
                call.warn(f"{record.machine} is not there, its receipt is yet to come: `videogen sweep` writes it")


def _look_ahead(wanted: WantedPhase) -> tuple[Forecast, tuple[str, ...]]:
    """What a phase will cost, and what could not be found out; raises `InputError` for a manifest that does not fit."""
    wanted.requirements()
    first = forecast(wanted.plan(), None)
    if not first.bills:
        return first, ()
    try:
        return caps.expected(wanted, books(wanted.stack, wanted.store, wanted.access)), ()
    except StoreError as error:
        return first, (f"the store does not say what the month has cost, and nothing is rented then: {error.message}",)


def _market(wanted: WantedPhase, expected: Forecast) -> tuple[str, ...]:
    """What the cloud has now; raises `CloudError` for what will not get better by waiting."""
    if not expected.gpus:
        return ()
    try:
        found = choose(wanted.cloud, wanted.stack, wanted.store).candidates(wanted.spec("", Secret("")))
    except Denied:
        raise
    except (NoCapacity, CloudUnknown) as error:
        return (f"now: {error.message}",)
    return (f"now: {_listed(found)}",)


def _listed(candidates: tuple[Candidate, ...]) -> str:
    more = len(candidates) - 3
    return ", ".join(map(str, candidates[:3])) + (f" and {more} more" if more > 0 else "")
