"""What each operation takes and answers. Names as the provider sends them; variables are closed and strict."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from tests.doubles.runpod.account import Account, StoredVolume
from tests.doubles.runpod.pod import identifier
from tests.doubles.runpod.problem import Problem
from tests.doubles.runpod.schemas import CreateVolume, UpdateVolume


class Variables(BaseModel):
    """Refuses unknown names and wrong types."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Nothing(Variables):
    pass


class NewVolume(Variables):
    name: str
    size: int
    data_center_id: str
    is_next_gen_storage: bool | None = None


class ChangedVolume(Variables):
    id: str
    name: str
    size: int


class OldVolume(Variables):
    id: str


class Variable(Variables):
    key: str
    value: str


class Template(Variables):
    """As the provider sends it: these fields always, the others when they have a value."""

    name: str
    image_name: str
    container_disk_in_gb: int
    volume_in_gb: int
    docker_args: str
    env: list[Variable]
    ports_config: None
    id: str | None = None
    ports: str | None = None
    volume_mount_path: str | None = None
    start_jupyter: bool | None = None
    start_ssh: bool | None = None
    is_serverless: bool | None = None
    is_public: bool | None = None
    container_registry_auth_id: str | None = None


class NewLogin(Variables):
    name: str
    username: str
    password: Annotated[str, Field(min_length=1)]


class ChangedLogin(Variables):
    id: str
    username: str
    password: Annotated[str, Field(min_length=1)]


class CreateVolumeInput(Variables):
    input: NewVolume


class UpdateVolumeInput(Variables):
    input: ChangedVolume


class DeleteVolumeInput(Variables):
    input: OldVolume


class SaveTemplateInput(Variables):
    input: Template


class DeleteTemplateInput(Variables):
    template_name: str


class SaveLoginInput(Variables):
    input: NewLogin


class UpdateLoginInput(Variables):
    input: ChangedLogin


class DeleteLoginInput(Variables):
    registry_auth_id: str


@dataclass
class Operations:
    """Answers operations on an account; raises `Problem`, whose detail becomes an error's message."""

    account: Account
    passwords: dict[str, str] = field(default_factory=dict)
    """Login → its password, which no answer tells."""

    def answer(self, name: str, variables: object) -> dict[str, Any]:
        """`data` of the answer."""
        known: dict[str, tuple[type[Variables], Callable[[Any], dict[str, Any]]]] = {
            "CreateNetworkVolume": (CreateVolumeInput, self._create_volume),
            "UpdateNetworkVolume": (UpdateVolumeInput, self._update_volume),
            "DeleteNetworkVolume": (DeleteVolumeInput, self._delete_volume),
            "GetMyNetworkVolumes": (Nothing, self._volumes),
            "SaveTemplate": (SaveTemplateInput, self._save_template),
            "DeleteTemplate": (DeleteTemplateInput, self._delete_template),
            "GetMyTemplates": (Nothing, self._templates),
            "SaveRegistryAuth": (SaveLoginInput, self._save_login),
            "UpdateRegistryAuth": (UpdateLoginInput, self._update_login),
            "DeleteRegistryAuth": (DeleteLoginInput, self._delete_login),
            "GetMyRegistryAuths": (Nothing, self._logins),
        }
        if name not in known:
            raise Problem(400, f'Unknown operation named "{name}".')
        schema, act = known[name]
        try:
            asked = schema.model_validate(variables or {})
        except ValidationError as error:
            raise Problem(400, f'Variable "$input" got an invalid value: {error}') from None
        with self.account.lock:
            return act(asked)

    def _create_volume(self, asked: CreateVolumeInput) -> dict[str, Any]:
        wanted = asked.input
        asks = {"name": wanted.name, "size": wanted.size, "dataCenter": wanted.data_center_id}
        return {"createNetworkVolume": _volume(self.account.create_volume(CreateVolume.model_validate(asks)))}

    def _update_volume(self, asked: UpdateVolumeInput) -> dict[str, Any]:
        change = UpdateVolume(name=asked.input.name, size=asked.input.size)
        return {"updateNetworkVolume": _volume(self.account.update_volume(asked.input.id, change))}

    def _delete_volume(self, asked: DeleteVolumeInput) -> dict[str, Any]:
        self.account.delete_volume(asked.input.id)
        return {"deleteNetworkVolume": None}

    def _volumes(self, _: Nothing) -> dict[str, Any]:
        return {"myself": {"networkVolumes": [_volume(one) for one in self.account.living_volumes()]}}

    def _save_template(self, asked: SaveTemplateInput) -> dict[str, Any]:
        wanted, templates = asked.input, self.account.templates
        if wanted.id is not None and wanted.id not in templates:
            raise Problem(404, "Template not found")
        login = wanted.container_registry_auth_id or None
        if login is not None and login not in self.account.registries:
            raise Problem(404, "Container registry auth not found")
        if any(one["name"] == wanted.name and known != wanted.id for known, one in templates.items()):
            raise Problem(400, "Template name must be unique.")
        key = wanted.id or identifier(10)
        templates[key] = {
            "id": key,
            "name": wanted.name,
            "image": wanted.image_name,
            "args": wanted.docker_args,
            "disk": wanted.container_disk_in_gb,
            "mounts": {},
            "ports": [port.strip() for port in (wanted.ports or "").split(",") if port.strip()],
            "env": {one.key: one.value for one in wanted.env},
            "registry": login,
            "serverless": bool(wanted.is_serverless),
            "public": bool(wanted.is_public),
            "category": "NVIDIA",
            "startSsh": wanted.start_ssh is not False,
            "startJupyter": wanted.start_jupyter is not False,
            "allowedCudaVersions": [],
        }
        return {"saveTemplate": _template(templates[key])}

    def _delete_template(self, asked: DeleteTemplateInput) -> dict[str, Any]:
        found = [key for key, one in self.account.templates.items() if one["name"] == asked.template_name]
        if not found:
            raise Problem(404, "Template not found")
        del self.account.templates[found[0]]
        return {"deleteTemplate": None}

    def _templates(self, _: Nothing) -> dict[str, Any]:
        return {"myself": {"podTemplates": [_template(one) for one in self.account.templates.values()]}}

    def _save_login(self, asked: SaveLoginInput) -> dict[str, Any]:
        key = identifier(10)
        self.account.registries[key] = {"id": key, "name": asked.input.name}
        self.passwords[key] = asked.input.password
        return {"saveRegistryAuth": dict(self.account.registries[key])}

    def _update_login(self, asked: UpdateLoginInput) -> dict[str, Any]:
        if asked.input.id not in self.account.registries:
            raise Problem(404, "Registry auth not found")
        self.passwords[asked.input.id] = asked.input.password
        return {"updateRegistryAuth": dict(self.account.registries[asked.input.id])}

    def _delete_login(self, asked: DeleteLoginInput) -> dict[str, Any]:
        if self.account.registries.pop(asked.registry_auth_id, None) is None:
            raise Problem(404, "Registry auth not found")
        return {"deleteRegistryAuth": None}

    def _logins(self, _: Nothing) -> dict[str, Any]:
        found = [{"id": key, "name": one["name"]} for key, one in self.account.registries.items()]
        return {"myself": {"containerRegistryCreds": found}}


def _volume(volume: StoredVolume) -> dict[str, Any]:
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "dataCenterId": volume.place,
        "storageClusterId": f"{volume.place}-storage",
        "storageType": "MOOSE_FS",
    }


def _template(shown: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": shown["id"],
        "name": shown["name"],
        "imageName": shown["image"],
        "dockerArgs": shown["args"],
        "env": [{"key": key, "value": value} for key, value in shown["env"].items()],
        "ports": ",".join(shown["ports"]),
        "portsConfig": [],
        "volumeMountPath": "",
        "volumeInGb": 0,
        "containerDiskInGb": shown["disk"],
        "startJupyter": shown["startJupyter"],
        "startSsh": shown["startSsh"],
        "startScript": "",
        "isServerless": shown["serverless"],
        "isPublic": shown["public"],
        "containerRegistryAuthId": shown["registry"],
        "readme": "",
        "advancedStart": False,
        "category": "NVIDIA",
    }
