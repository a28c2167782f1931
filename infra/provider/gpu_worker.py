"""`videogen:index:GpuWorker`: one rented worker that was proven ready, the same for every cloud."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal

from pydantic import Field, TypeAdapter, ValidationError

from infra.gpu_worker import MADE, SECRET
from infra.provider.clouds import CLOUDS, renter
from infra.provider.engine import Call
from infra.provider.properties import Plain
from videogen import project, readiness
from videogen.clouds import Machine, WorkerSpec
from videogen.comfyui_source import ComfyuiSource
from videogen.document import Schema
from videogen.errors import InputError
from videogen.gpu import Offer
from videogen.lease import LeaseTerms, RentTerms
from videogen.manifest import PhaseName
from videogen.money import Cap, over_cap
from videogen.rent import Prove, Renter
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess

TYPE = "videogen:index:GpuWorker"

_PLAIN = TypeAdapter(Machine)
"""A machine as the state keeps it."""


class Inputs(Schema):
    """What the program says."""

    stack: str
    slot: str
    phase: PhaseName
    cloud: str
    gpus: tuple[Offer, ...]
    places: tuple[str, ...]
    workers: int
    """How many of them the stack has: the cap holds for all together."""
    image: str
    volume_gb: int = Field(alias="volumeGb")
    container_disk_gb: int = Field(alias="containerDiskGb")
    cuda: str
    ssh_public_keys: str = Field(alias="sshPublicKeys")
    lease: LeaseTerms
    rent: RentTerms
    cap: Cap
    manifest: str
    """Digest of the manifest's text."""
    file: str
    """The manifest, a path in the checkout."""
    workflows: tuple[str, ...]
    foundation_stack: str = Field(alias="foundationStack")
    """Whose store it is; empty: this stack's own."""
    store: Store
    access: StoreAccess
    worker_access: StoreAccess = Field(alias="workerAccess")
    comfyui: ComfyuiSource


class Handler:
    """Translates; `videogen.rent` rents and ends."""

    secret = frozenset(SECRET)
    replacing = frozenset(
        {"stack", "slot", "phase", "cloud", "gpus", "places", "image", "cuda", "sshPublicKeys"}
        | {"volumeGb", "containerDiskGb", "manifest", "store", "access", "workerAccess", "comfyui"}
    )
    made = frozenset(MADE)

    def faults(self, inputs: Plain) -> Mapping[str, str]:
        """What no cloud could give, and what the workflows need that the manifest lacks."""
        found: dict[str, str] = {}
        try:
            Inputs.model_validate(inputs)
        except ValidationError as error:
            for detail in error.errors():
                where = "/".join(map(str, detail["loc"][1:]))
                found.setdefault(str(detail["loc"][0]), f"{where} {detail['msg']}".strip())
        if found.keys() & inputs.keys():
            return found
        if inputs["cloud"] not in CLOUDS:
            return found | {"cloud": f"no cloud {inputs['cloud']} yet; known: {', '.join(CLOUDS)}"}
        try:
            _requirements(inputs["file"], inputs["phase"], inputs["workflows"], inputs["manifest"])
        except InputError as error:
            found["workflows"] = str(error)
        offers = [Offer.model_validate(offer) for offer in inputs["gpus"]]
        dearest = max((offer.dollars_per_hour for offer in offers), default=Decimal(0))
        minutes = LeaseTerms.model_validate(inputs["lease"]).total
        if reason := over_cap(Cap.model_validate(inputs["cap"]), inputs["workers"], dearest, minutes):
            found["cap"] = reason
        return found

    def ails(self, _state: Plain, /) -> frozenset[str]:
        """A worker that died is gone, not ailing."""
        return frozenset()

    def create(self, inputs: Plain, call: Call) -> tuple[str, Plain]:
        """Rents; returns when the worker is proven ready."""
        wanted = Inputs.model_validate(inputs)
        token = Secret(secrets.token_urlsafe(32))
        landlord = renter(wanted.cloud, wanted.stack, wanted.store, wanted.access)
        machine, report = landlord.rent(_spec(wanted, token), _prover(wanted, token, call), call.cancelled, call.say)
        call.made(machine.name, lambda: landlord.end(machine, "the run that rented it failed") is not None)
        return machine.name, _outputs(machine) | {"token": token.reveal(), "boot": _boot(report)}

    def read(self, state: Plain, _call: Call, /) -> Plain | None:
        """The worker as its cloud describes it; gone only when the cloud proves it."""
        found = _renter_of(state).look(_machine(state))
        return _outputs(found) if found else None

    def update(self, state: Plain, inputs: Plain, call: Call) -> Plain:
        """A new lease or cap holds at once; for new workflows the same worker is proven ready again."""
        wanted = Inputs.model_validate(inputs)
        token = Secret(state["token"])
        outputs: Plain = {}
        if inputs["lease"] != state["lease"]:
            readiness.renew(state["agent"], token, wanted.lease)
        if inputs["workflows"] != state["workflows"]:
            cloud = CLOUDS[wanted.cloud](wanted.stack)
            prove = _prover(wanted, token, call)
            outputs["boot"] = _boot(prove(_machine(state), lambda: cloud.get(state["name"]) is not None))
        return outputs

    def delete(self, state: Plain, call: Call) -> None:
        """Ends the worker and leaves its receipt."""
        landlord, machine = _renter_of(state), _machine(state)
        landlord.end(machine, "destroyed")
        if path := landlord.receipts.waits(machine.name):
            call.warn(f"the store did not take a receipt, it waits for the next `up`: {project.shown(path)}")


def _requirements(file: str, phase: PhaseName, workflows: Sequence[str], digest: str) -> readiness.Requirements:
    models = project.read_manifest(project.root() / file).select(phase)
    return readiness.requirements([project.read_workflow(name) for name in workflows], models, digest)


def _renter_of(state: Plain) -> Renter:
    """Reads no more of the state than an end needs: a worker of an older version must be found and ended too."""
    place, access = Store.model_validate(state["store"]), StoreAccess.model_validate(state["access"])
    return renter(state["cloud"], state["stack"], place, access)


def _spec(wanted: Inputs, token: Secret) -> WorkerSpec:
    return WorkerSpec(
        stack=wanted.stack,
        slot=wanted.slot,
        phase=wanted.phase,
        offers=wanted.gpus,
        places=wanted.places,
        image=wanted.image,
        volume_gb=wanted.volume_gb,
        container_disk_gb=wanted.container_disk_gb,
        lease=wanted.lease,
        cap=wanted.cap,
        manifest=wanted.manifest,
        store=wanted.store,
        access=wanted.access,
        worker_access=wanted.worker_access,
        token=token,
        comfyui=wanted.comfyui,
        rent=wanted.rent,
        ssh_public_keys=wanted.ssh_public_keys,
        cuda=wanted.cuda,
    )


def _prover(wanted: Inputs, token: Secret, call: Call) -> Prove[readiness.ReadyReport]:
    needed = _requirements(wanted.file, wanted.phase, wanted.workflows, wanted.manifest)

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
