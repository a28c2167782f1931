"""`videogen:index:GpuWorker`: one rented worker that was proven ready, the same for every cloud."""

import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial

from pydantic import TypeAdapter

from infra.gpu_worker import MADE, SECRET
from infra.provider.caps import require_money
from infra.provider.clouds import renter
from infra.provider.engine import Call
from infra.provider.properties import Plain
from infra.provider.wanted import WantedWorker, faults
from videogen import project, readiness
from videogen.clouds import Machine
from videogen.errors import VideogenError
from videogen.rent import Prove, Renter
from videogen.rent_record import RentRecord
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess

TYPE = "videogen:index:GpuWorker"

_PLAIN = TypeAdapter(Machine)
"""A machine as the state keeps it."""


class Handler:
    """Translates; `videogen.rent` rents and ends."""

    secret = frozenset(SECRET)
    replacing = frozenset(
        {"stack", "slot", "phase", "cloud", "gpus", "places", "image", "cuda", "sshPublicKeys"}
        | {"volumeGb", "containerDiskGb", "manifest", "store", "access", "workerAccess", "comfyui", "networkVolume"}
    )
    made = frozenset(MADE)

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        """The engine's run, as long as which the plugin lives."""

    def faults(self, inputs: Plain) -> Mapping[str, str]:
        """The phase was checked before: only what is no input of a worker."""
        return {key: reason for key, reason in faults(WantedWorker, inputs).items() if key in inputs}

    def ails(self, _state: Plain, /) -> frozenset[str]:
        """A worker that died is gone, not ailing."""
        return frozenset()

    def create(self, inputs: Plain, call: Call) -> tuple[str, Plain]:
        """Rents; returns when the worker is proven ready."""
        wanted = WantedWorker.model_validate(inputs)
        token = Secret(secrets.token_urlsafe(32))
        landlord = renter(wanted.cloud, wanted.stack, wanted.store, wanted.access)
        spec = wanted.spec(wanted.slot, token)
        afford = partial(require_money, wanted, landlord.receipts, self._began)
        afford()
        machine, report = landlord.rent(spec, _prover(wanted, token, call), call.cancelled, call.say, afford)
        call.made(machine.name, lambda: landlord.end(machine, "the run that rented it failed") is not None)
        return machine.name, _outputs(machine) | {"token": token.reveal(), "boot": _boot(report)}

    def read(self, state: Plain, _call: Call, /) -> Plain | None:
        """The worker as its cloud describes it; gone only when the cloud proves it."""
        found = _renter_of(state).look(_machine(state))
        return _outputs(found) if found else None

    def update(self, state: Plain, inputs: Plain, call: Call) -> Plain:
        """A new lease or cap holds at once; for new workflows the same worker is proven ready again."""
        wanted = WantedWorker.model_validate(inputs)
        token = Secret(state["token"])
        outputs: Plain = {}
        landlord, machine = _renter_of(state), _machine(state)
        terms = any(inputs[key] != state[key] for key in ("lease", "cap"))
        if terms and (record := landlord.receipts.record(machine.name)):
            _require_own(record)
            landlord.receipts.renewed(machine.name, wanted.lease, wanted.cap)  # the sweep goes by it
        if inputs["lease"] != state["lease"]:
            readiness.renew(machine.agent, token, wanted.lease)
        if inputs["workflows"] != state["workflows"]:
            prove = _prover(wanted, token, call)
            outputs["boot"] = _boot(prove(machine, lambda: landlord.cloud.get(machine.name, machine) is not None))
        return outputs

    def delete(self, state: Plain, call: Call) -> None:
        """Ends the worker and leaves its receipt."""
        landlord, machine = _renter_of(state), _machine(state)
        landlord.end(machine, "destroyed")
        if path := landlord.receipts.waits(machine.name):
            call.warn(f"the store did not take a receipt, it waits for the next `up`: {project.shown(path)}")


def _require_own(record: RentRecord) -> None:
    """Raises `VideogenError` where a run would change the terms of a worker that another run has rented meanwhile."""
    run, left = os.environ.get("VIDEOGEN_RUN", ""), os.environ.get("VIDEOGEN_RUN_LEFT", "").split()
    if run not in ("", record.run) and record.machine not in left:
        raise VideogenError(
            f"{record.machine} was rented by {f'run {record.run}' if record.run else 'a plain `up`'} meanwhile",
            "wait for its end",
        )


def _renter_of(state: Plain) -> Renter:
    """Reads no more of the state than an end needs: a worker of an older version must be found and ended too."""
    place, access = Store.model_validate(state["store"]), StoreAccess.model_validate(state["access"])
    return renter(state["cloud"], state["stack"], place, access)


def _prover(wanted: WantedWorker, token: Secret, call: Call) -> Prove[readiness.ReadyReport]:
    needed = wanted.requirements()

    def prove(machine: Machine, alive: Callable[[], bool]) -> readiness.ReadyReport:
        return readiness.wait_until_ready(
            machine.url,
            machine.agent,
            token,
            needed,
            deadline=time.monotonic() + wanted.lease.boot * 60,
            alive=alive,
            progress=call.say,
            cancelled=call.cancelled,
        )

    return prove


def _boot(report: readiness.ReadyReport) -> Plain:
    """Seconds of each step of the boot."""
    return {step.name: step.seconds for step in report.steps}


def _outputs(machine: Machine) -> Plain:
    described = _PLAIN.dump_python(machine, mode="json")
    return {name: described[name] for name in MADE if name in described}


def _machine(state: Plain) -> Machine:
    """The machine as the state remembers it."""
    known = {field.name: state[field.name] for field in fields(Machine) if field.name in state}
    return _PLAIN.validate_python(known | {"state": "running"})
