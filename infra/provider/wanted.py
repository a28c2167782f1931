"""What the program says of a phase and of each of its workers."""

import os

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from infra.provider.properties import Plain
from videogen import project, readiness
from videogen.clouds import WorkerSpec
from videogen.comfyui_source import ComfyuiSource
from videogen.document import Schema
from videogen.forecast import Plan
from videogen.gpu import Offer
from videogen.lease import LeaseTerms, RentTerms
from videogen.manifest import Manifest, PhaseName
from videogen.money import Cap
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess


class WantedPhase(Schema):
    """A phase that is rented."""

    stack: str
    phase: PhaseName
    cloud: str
    gpus: tuple[Offer, ...]
    places: tuple[str, ...]
    workers: int
    """How many the stack has: the cap holds for all together."""
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
    network_volume: str = Field("", alias="networkVolume")
    """Its id, where `volumeGb` asks for one."""
    registry: str = ""
    """The id of the login to the image's registry; empty, none."""

    @field_validator("network_volume")
    @classmethod
    def _there(cls, volume: str, about: ValidationInfo) -> str:
        if about.data.get("cloud") == "runpod" and about.data.get("volume_gb") and not volume:
            raise ValueError(
                "volumeGb asks for a network volume, and the foundation has none: `runpodLasting` makes it"
            )
        return volume

    def models(self) -> Manifest:
        """The models of the phase; raises `InputError`."""
        return project.read_manifest(project.root() / self.file).select(self.phase)

    def requirements(self) -> readiness.Requirements:
        """What each worker must have; raises `InputError` with what the workflows need and the manifest lacks."""
        found = [project.read_workflow(name) for name in self.workflows]
        return readiness.requirements(found, self.models(), self.manifest)

    def plan(self) -> Plan:
        """What it can cost."""
        return Plan(
            phase=self.phase,
            workflows=self.workflows,
            cloud=self.cloud,
            workers=self.workers,
            gpus=self.gpus,
            places=self.places,
            lease_minutes=self.lease.total,
            cap=self.cap,
            model_bytes=sum(model.expected_bytes for model in self.models().models),
            store_endpoint=self.store.endpoint,
        )

    def spec(self, slot: str, token: Secret) -> WorkerSpec:
        """One worker of it, rented in the name of the run and the batch that the environment names."""
        return WorkerSpec(
            stack=self.stack,
            slot=slot,
            phase=self.phase,
            offers=self.gpus,
            places=self.places,
            image=self.image,
            volume_gb=self.volume_gb,
            container_disk_gb=self.container_disk_gb,
            lease=self.lease,
            cap=self.cap,
            manifest=self.manifest,
            store=self.store,
            access=self.access,
            worker_access=self.worker_access,
            token=token,
            comfyui=self.comfyui,
            rent=self.rent,
            ssh_public_keys=self.ssh_public_keys,
            cuda=self.cuda,
            network_volume_id=self.network_volume,
            registry_id=self.registry,
            run=os.environ.get("VIDEOGEN_RUN", ""),
            batch=os.environ.get("VIDEOGEN_BATCH", ""),
        )


class WantedWorker(WantedPhase):
    """One worker of a phase."""

    slot: str


def faults(schema: type[WantedPhase], inputs: Plain) -> dict[str, str]:
    """Input → what is wrong with it; also those that are not known yet and therefore missing here."""
    found: dict[str, str] = {}
    try:
        schema.model_validate(inputs)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            where = "/".join(map(str, detail["loc"][1:]))
            found.setdefault(str(detail["loc"][0]), f"{where} {detail['msg']}".strip())
    return found
