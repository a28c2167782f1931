"""What RunPod answers, as far as we read it; whatever else comes along is ignored, for its API grows."""

from decimal import Decimal
from typing import TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from videogen.errors import CloudUnknown


class Part(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class PodGpu(Part):
    """The GPU of a pod."""

    id: str


class Pod(Part):
    """A pod."""

    id: str
    name: str
    status: str
    """PROVISIONING, STARTING, RUNNING, EXITED, ERROR, TERMINATED; words to come count as running, for they may bill."""
    cost: Decimal
    """Dollars an hour now: 0 where it exited, though its disk may bill on."""
    created_at: AwareDatetime
    data_center_id: str | None = None
    gpu: PodGpu | None = None
    env: dict[str, str] | None = Field(None, repr=False)
    """With the worker's secrets."""


class Level(Part):
    """How many of a GPU a place has."""

    id: str
    availability: str = "NONE"


class Price(Part):
    """Dollars an hour, by tier."""

    secure: Decimal | None = None


class GpuType(Part):
    """A GPU in the catalog."""

    id: str
    secure: bool
    price: Price = Price()
    availability: str = "NONE"
    data_centers: tuple[Level, ...] = ()

    def free(self, place: str | None) -> bool:
        """Whether the catalog has one in stock there."""
        if place is None:
            return self.availability != "NONE"
        return any(one.id == place and one.availability != "NONE" for one in self.data_centers)


class NetworkVolume(Part):
    """A disk that outlives pods."""

    id: str
    name: str
    size: int
    data_center: str


AnyPart = TypeVar("AnyPart", bound=Part)


def parsed(kind: type[AnyPart], item: object) -> AnyPart:
    """What RunPod said, as far as we read it; raises `CloudUnknown` when it is something else."""
    try:
        return kind.model_validate(item)
    except ValidationError as error:
        raise CloudUnknown(f"RunPod: an odd answer: {first_fault(error)}") from None


def first_fault(error: ValidationError) -> str:
    """Where and what, without the value: a pod's environment has secrets."""
    fault = error.errors(include_url=False, include_input=False)[0]
    return f"{'/'.join(map(str, fault['loc']))}: {fault['msg']}"
