"""What a stack tells the command line: the one contract between `infra/outputs.py` and `videogen.stack`.

Fields named here are the stack's exports, no more and no fewer; those of `SECRET` are secrets in Pulumi.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from videogen.document import Schema
from videogen.manifest import PhaseName
from videogen.secret import Secret


def bucket(name: str) -> str:
    """The name, if a bucket may have it; else raises `ValueError`."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
        raise ValueError(
            f"{name!r} is no name of a bucket: 3 to 63 of a-z, 0-9, `.` and `-`, none of these two at an end"
        )
    return name


Bucket = Annotated[str, AfterValidator(bucket)]
"""A name that every S3-compatible store takes."""


class Store(Schema):
    """Where an S3-compatible store is; its keys are in `StoreAccess`."""

    endpoint: str
    """Empty for AWS itself."""
    region: str
    addressing: Literal["path", "virtual"] = "path"
    models: Bucket
    """Bucket of models and manifests."""
    outputs: Bucket
    """Bucket of outputs, receipts and logs."""
    checksums: Literal["content-md5", "none"] = "content-md5"
    """What goes along with each upload; `none` for a store that answers `Content-MD5` with an error."""
    floor_mbit: Annotated[float, Field(ge=0)] = 0
    """Megabits a second below which a worker's boot fails, instead of waiting for its models; 0, no floor."""


class StoreAccess(Schema):
    """Keys of a store."""

    key: Secret
    secret: Secret


class Queue(Schema):
    """Where jobs wait for a worker; addresses of SQS."""

    url: str
    dead: str
    """For those that failed too often."""


class OnRunpod(Schema):
    """What lasts on a RunPod account: its own ids; empty, there is none."""

    network_volume: str = Field(alias="networkVolume")
    place: str
    """The volume's data centre, in which alone it can be mounted."""
    template: str
    login: str
    """To the registry of the image."""


class Worker(Schema):
    """A worker that was proven ready."""

    name: str
    """Unique among all workers ever rented."""
    cloud: str
    gpu: str
    url: str
    """ComfyUI's address."""
    agent: str
    """The agent's address."""
    dollars_per_hour: str


class StackOutputs(Schema):
    """Everything that a stack exports."""

    contract: Literal[1] = 1
    stack: str
    phase: PhaseName
    manifest: str
    """Digest; the text is the object `manifests/<digest>.yaml` of the models bucket."""
    workflows: tuple[str, ...]
    store: Store
    store_access: StoreAccess = Field(alias="storeAccess")
    """The operator's keys: they mirror, submit, and write receipts."""
    worker_access: StoreAccess | None = Field(None, alias="workerAccess")
    """The workers' own keys, which may do less where the store can tell them apart."""
    queue: Queue | None = None
    runpod: OnRunpod | None = None
    workers: tuple[Worker, ...]
    tokens: dict[str, Secret]
    """Worker's name → token."""


class StoreOutputs(Schema):
    """The part of a stack's exports that leads to its store; stacks that rent nothing have it as well."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stack: str = ""
    """Its name, where it rents anything."""
    store: Store
    store_access: StoreAccess = Field(alias="storeAccess")
    manifest: str = ""
    """Digest of the manifest that its workers hold; empty for a stack without workers."""


SECRET = frozenset({"storeAccess", "workerAccess", "tokens"})
