"""What RunPod's REST v2 takes in the body of a request: closed and strict."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

Text = Annotated[str, StringConstraints(min_length=1)]
Cuda = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+$")]
Tier = Literal["SECURE", "COMMUNITY"]
Action = Literal["start", "stop", "restart", "terminate"]
VolumeType = Literal["STANDARD", "HIGH_PERFORMANCE"]


class Body(BaseModel):
    """Refuses unknown keys, wrong types and nulls where none are meant."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _nulls(cls, given: object) -> object:
        nulls = [key for key, value in given.items() if value is None] if isinstance(given, dict) else []
        if wrong := [key for key in nulls if key != "registry"]:
            raise ValueError(f"null is not allowed: {', '.join(wrong)}")
        return given

    def given(self) -> dict[str, Any]:
        """What was sent, by the API's names."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class PersistentMount(Body):
    size: Annotated[int, Field(ge=10)]
    path: str


class NetworkMount(Body):
    volume_id: str
    path: str


class Mounts(Body):
    persistent: PersistentMount | None = None
    network: Annotated[list[NetworkMount], Field(max_length=1)] | None = None


class TemplateMounts(Body):
    persistent: PersistentMount | None = None


class Gpu(Body):
    id: str
    count: Annotated[int, Field(ge=1)] = 1
    allowed_cuda_versions: list[Cuda] = []
    min_cuda_version: Cuda | None = None


class Cpu(Body):
    id: str
    vcpu_count: Annotated[int, Field(ge=1)]


class Container(Body):
    args: str | None = None
    disk: Annotated[int, Field(ge=1)] | None = None
    env: dict[str, str] | None = None
    image: str | None = None
    ports: list[str] | None = None
    registry: str | None = None


class CreatePod(Container):
    name: Text
    cloud: Tier = "SECURE"
    gpu: Gpu | None = None
    cpu: Cpu | None = None
    data_center_ids: list[str] = []
    global_networking: bool = False
    mounts: Mounts = Mounts()
    start_jupyter: bool = False
    start_ssh: bool = False
    template_id: Text | None = None

    @model_validator(mode="after")
    def _image(self) -> Self:
        if self.image is None and self.template_id is None:
            raise ValueError("`image` is required unless `templateId` is set")
        return self


class UpdatePod(Container):
    name: Text | None = None
    global_networking: bool | None = None
    locked: bool | None = None
    mounts: Mounts | None = None
    template_id: str | None = None


class PodAction(Body):
    action: Action


class CreateTemplate(Container):
    name: Text
    image: str
    allowed_cuda_versions: list[Cuda] = []
    category: Literal["CPU", "NVIDIA", "AMD"] = "NVIDIA"
    mounts: TemplateMounts = TemplateMounts()
    public: bool = False
    serverless: bool = False
    start_jupyter: bool = True
    start_ssh: bool = True


class UpdateTemplate(Container):
    name: Text | None = None
    allowed_cuda_versions: list[Cuda] | None = None
    category: Literal["CPU", "NVIDIA", "AMD"] | None = None
    mounts: TemplateMounts | None = None
    public: bool | None = None
    serverless: bool | None = None
    start_jupyter: bool | None = None
    start_ssh: bool | None = None


class CreateVolume(Body):
    name: Text
    size: Annotated[int, Field(ge=10, le=4096)]
    data_center: Text
    type: VolumeType = "STANDARD"


class UpdateVolume(Body):
    name: Text | None = None
    size: Annotated[int, Field(ge=10, le=4096)] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("at least one field must be present")
        return self


class CreateRegistry(Body):
    name: Text
    username: Text
    password: Text
