"""What a stack file says of what lasts on RunPod."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from videogen.document import Schema
from videogen.secret import Secret


def _none(value: Any) -> Any:
    return None if value == "none" else value


class VolumeTerms(Schema):
    """A network volume: a disk that outlives every worker, and binds those that use it to one data centre."""

    gb: Annotated[int, Field(ge=10, le=4096)]
    """It can grow, not shrink; $0.07 a GB and month up to 1 TB, used or not."""
    place: Annotated[str, Field(min_length=1)]
    """Its data centre, such as EU-RO-1. Another one is another, empty volume."""
    type: Annotated[Literal["STANDARD", "HIGH_PERFORMANCE"] | None, BeforeValidator(_none)] = None
    """none, what the data centre has first; only `through: rest` can choose."""


class RegistryLogin(Schema):
    """A login for a container registry."""

    username: Annotated[str, Field(min_length=1)]
    password: Secret
    """A password, or better a token that may do nothing but read."""


class RunpodTerms(Schema):
    """What lasts on a RunPod account: a network volume, and a pod template."""

    through: Literal["rest", "provider"]
    """Who makes them. rest, our plugin over REST v2; provider, RunPod's own over GraphQL, for which `make runpod-sdk`.
    What the provider made is taken over by `rest`; the way back is closed."""
    volume: Annotated[VolumeTerms | None, BeforeValidator(_none)]
    """none, no network volume."""
    image: Annotated[str, Field(min_length=1)]
    """What the pod template starts: the reference of a pushed image."""
    disk_gb: Annotated[int, Field(ge=20, alias="diskGb")]
    """The container's disk in the pod template."""
