"""What a stack file says of what lasts on RunPod."""

from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from videogen.document import Path, Schema
from videogen.secret import Secret

_HOW = 'pulumi config set --secret videogen:registryLogin < FILE, which says {"username": "…", "password": "…"}'


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


def login(value: Any) -> Any:
    """A login as a stack file has it, or none; what is wrong is said without it."""
    if value == "none":
        return None
    texts = isinstance(value, dict) and value.keys() == {"username", "password"}
    if texts and all(isinstance(text, str) and text for text in value.values()):
        return value
    raise ValueError("should be none, or a `username` and a `password`, both texts")


def impossible(
    foundation: str | None, wanted: RunpodTerms | None, login: RegistryLogin | None, clear: Collection[str]
) -> Iterator[tuple[Path, str, str | None]]:
    """What does not fit: key, fault, cure. `clear`: keys that the file has for all to read."""
    if wanted is not None and foundation not in ("aws", "s3"):
        hint = "what lasts on RunPod goes with a store that its workers reach: foundation aws or s3"
        yield ("runpodLasting",), f"should be none where foundation is {foundation or 'none'}", hint
    if wanted is not None and wanted.through == "provider" and wanted.volume is not None and wanted.volume.type:
        yield ("runpodLasting", "volume", "type"), "the provider cannot choose it", "`through: rest` can"
    if login is not None and wanted is None:
        yield ("registryLogin",), "should be none where runpodLasting is none", None
    elif login is not None and "registryLogin" in clear:
        yield ("registryLogin",), "stands in clear, and should be a secret of Pulumi; make a new password", _HOW
