"""What a stack file may say, key by key."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from infra import runpod_terms, wanted_store
from infra.runpod_terms import RegistryLogin, RunpodTerms
from infra.wanted_store import WantedStore
from videogen.comfyui_source import ComfyuiSource
from videogen.document import Schema
from videogen.errors import InputError
from videogen.gpu import Offer
from videogen.lease import LeaseTerms, RentTerms
from videogen.manifest import PhaseName
from videogen.money import Cap
from videogen.stack_outputs import StoreAccess


def _none(value: Any) -> Any:
    return None if value == "none" else value


def _version(value: Any) -> Any:
    """`13.0` without quotes is a number to YAML."""
    return str(value) if isinstance(value, float) else _none(value)


def _public_key(line: str) -> str:
    if not re.match(r"(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]{20,}", line):
        raise ValueError("is no public key, such as the one line in ~/.ssh/id_ed25519.pub")
    return line.strip()


class Settings(Schema):
    """Everything that a stack file says; `none` in the file is `None` here."""

    foundation: Annotated[Literal["local", "aws", "s3"] | None, BeforeValidator(_none)]
    """Who keeps models and outputs. local, a store on this machine; aws; s3, buckets that you have in any store that
    speaks S3; none, the foundation of another stack."""
    foundation_stack: Annotated[str | None, BeforeValidator(_none)] = Field(alias="foundationStack")
    """The stack whose foundation is used, where foundation is none."""
    phase: Annotated[PhaseName | None, BeforeValidator(_none)]
    """What the workers are for. a, explore; b, pre-production; c, production; none, a foundation only."""
    cloud: Annotated[Literal["local", "runpod"] | None, BeforeValidator(_none)]
    """Who rents out the workers. local, this machine; runpod; none."""
    gpus: tuple[Offer, ...]
    """GPUs that will do, best first, each with the most that an hour may cost in dollars."""
    places: tuple[str, ...]
    """Data centres that will do, best first; none named, all."""
    workers: Annotated[int, Field(ge=0, le=4)]
    """How many workers, 1 to 4; 0 without a phase."""
    image: Annotated[str | None, BeforeValidator(_none)]
    """What a worker runs. On the local cloud a folder of images/, whose entrypoint is started as a process; elsewhere
    the reference of a pushed image with its tag or digest, such as `ghcr.io/me/video-gen-worker:1`.

    none without a phase, or while nobody has pushed one.
    """
    cuda: Annotated[Annotated[str, Field(pattern=r"^[0-9]{1,2}\.[0-9]$")] | None, BeforeValidator(_version)]
    """The least version of CUDA that a rented machine's driver must know: that of the image. none, any."""
    ssh_public_keys: tuple[Annotated[str, AfterValidator(_public_key)], ...] = Field(alias="sshPublicKeys")
    """Who may log in to rented workers; none named, nobody."""
    manifest: str
    """The models, a file of the checkout."""
    workflows: tuple[str, ...]
    """Workflows that each worker must be able to run."""
    volume_gb: Annotated[int, Field(ge=0, alias="volumeGb")]
    """A disk that outlives the worker, in GB; 0, none. On RunPod it is the foundation's network volume: GPUs are then
    looked for in its data centre alone."""
    container_disk_gb: Annotated[int, Field(ge=0, alias="containerDiskGb")]
    """The disk that goes with the worker, in GB."""
    lease: Annotated[LeaseTerms | None, BeforeValidator(_none)]
    """Minutes that a worker may live (total), be without work (idle), take to get ready (boot)."""
    rent: Annotated[RentTerms | None, BeforeValidator(_none)]
    """How hard to try: the most machines that may be created for one worker (creates), and the minutes to wait while
    no GPU is free (wait). none without a phase."""
    cap: Cap
    """The most that may be spent, in dollars, in a run and in a month."""
    store: Annotated[WantedStore | None, BeforeValidator(_none)]
    """The S3 store (endpoint, region, addressing) and its buckets of models and of outputs; none where foundation is
    none.

    On AWS `<account>` in a name is the number of the account, and `existingModels: true` takes a bucket that is there.
    """
    store_access: Annotated[StoreAccess | None, BeforeValidator(wanted_store.access)] = Field(alias="storeAccess")
    """Where foundation is s3: the keys of whoever mirrors and submits, as secrets of Pulumi."""
    worker_access: Annotated[StoreAccess | None, BeforeValidator(wanted_store.access)] = Field(alias="workerAccess")
    """Where foundation is s3: keys that may do less, for the workers; none, the same."""
    runpod_lasting: Annotated[RunpodTerms | None, BeforeValidator(_none)] = Field(alias="runpodLasting")
    """What lasts on a RunPod account, beside the store: a network volume, a pod template. none, nothing."""
    registry_login: Annotated[RegistryLogin | None, BeforeValidator(runpod_terms.login)] = Field(alias="registryLogin")
    """RunPod's login to the registry of an image that not everybody may pull, as a secret of Pulumi. none, no login."""


@dataclass(frozen=True)
class StackSettings:
    """A stack's settings and what they name."""

    stack: str
    settings: Settings
    comfyui: ComfyuiSource
    manifest_digest: str

    @property
    def store(self) -> WantedStore:
        """The store of a stack that has a foundation of its own."""
        if self.settings.store is None:
            raise InputError.of(f"Pulumi.{self.stack}.yaml: videogen:store", "is none: the foundation is elsewhere")
        return self.settings.store
