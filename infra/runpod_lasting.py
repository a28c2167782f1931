"""What lasts on RunPod, by either of two ways with the same names, properties and ids.

The ways differ in the resources' types alone, and each type names the other one as its alias: so a change of the way
is nothing but a change of who looks after a thing that stays. docs/decisions/0017-runpod-lasting.md has the reasons.
"""

import importlib
import os
from collections.abc import Mapping
from typing import Any, Literal

import pulumi
from pydantic.alias_generators import to_camel

from infra.runpod_terms import RegistryLogin, RunpodTerms
from videogen.tag import tagged

Thing = Literal["volume", "template", "login"]

OURS: Mapping[Thing, str] = {
    "volume": "videogen:index:RunpodVolume",
    "template": "videogen:index:RunpodTemplate",
    "login": "videogen:index:RunpodLogin",
}
"""What it is; `provider/runpod_*.py` carry them out."""
THEIRS: Mapping[Thing, str] = {"volume": "NetworkVolume", "template": "Template", "login": "ContainerRegistryAuth"}
"""Classes of `pulumi_runpod`; their types are `runpod:index:<class>`."""

PORTS = "8080/http,2222/tcp"
"""The worker's gateway and its sshd."""


class RunpodLasting(pulumi.ComponentResource):
    """A network volume, a pod template and a registry login, each if it is wanted."""

    volume: pulumi.Output[str | None]
    """The volume's id; protected, as it holds data."""
    template: pulumi.Output[str]
    """The template's id."""
    login: pulumi.Output[str | None]
    """The login's id."""
    on_runpod: pulumi.Output[dict[str, str]]
    """All of it, as `videogen.stack_outputs.OnRunpod`."""

    def __init__(self, name: str, wanted: RunpodTerms, login: RegistryLogin | None, owner: pulumi.Input[str]) -> None:
        """`owner`: of `videogen.tag`. Everything is called `videogen-<owner>-<name of the stack>`."""
        super().__init__("videogen:infra:RunpodLasting", name)
        called = pulumi.Output.from_input(owner).apply(lambda owner: tagged(owner, pulumi.get_stack()))
        declare = _Declare(self, wanted.through, called)
        self.volume = self.login = pulumi.Output.from_input(None)
        if wanted.volume:
            size = {"size": wanted.volume.gb, "data_center_id": wanted.volume.place}
            kind = {"type": wanted.volume.type} if wanted.volume.type else {}
            self.volume = declare("volume", size | kind, protect=True)
        if login:
            password = pulumi.Output.secret(login.password.reveal())
            self.login = declare("login", {"username": login.username, "password": password})
        template = {
            "image_name": wanted.image,
            "container_disk_in_gb": wanted.disk_gb,
            "volume_in_gb": 0,
            "ports": PORTS,
            "container_registry_auth_id": self.login.apply(lambda login: login or ""),
            "start_ssh": False,
            "start_jupyter": False,
        }
        self.template = declare("template", template)
        about = {"networkVolume": self.volume, "template": self.template, "login": self.login}
        place = wanted.volume.place if wanted.volume else ""
        self.on_runpod = pulumi.Output.all(**about).apply(
            lambda ids: {"place": place} | {key: found or "" for key, found in ids.items()}
        )
        self.register_outputs({"volume": self.volume, "template": self.template, "login": self.login})


class _Declare:
    """Declares resources by one way."""

    def __init__(self, parent: pulumi.Resource, through: str, called: pulumi.Output[str]) -> None:
        self._parent, self._through, self._called = parent, through, called
        self._made: list[pulumi.CustomResource] = []
        self._sdk: Any = None
        self._provider: pulumi.ProviderResource | None = None
        if through == "provider":
            self._sdk = _sdk()
            # Given to it in no other way, RunPod's provider writes the key into the state in clear.
            key = pulumi.Output.secret(os.environ.get("RUNPOD_API_KEY", ""))
            self._provider = self._sdk.Provider("runpod", api_key=key, opts=pulumi.ResourceOptions(parent=parent))

    def __call__(self, thing: Thing, inputs: Mapping[str, Any], *, protect: bool = False) -> pulumi.Output[Any]:
        """The new resource's id, which is RunPod's."""
        named = {"name": self._called} | dict(inputs)
        ours, theirs = OURS[thing], f"runpod:index:{THEIRS[thing]}"
        options = pulumi.ResourceOptions(
            parent=self._parent,
            provider=self._provider,
            aliases=[pulumi.Alias(type_=theirs if self._through == "rest" else ours)],
            protect=protect,
            depends_on=self._made[:1],  # the one with data is the first: what it refuses happens to none
        )
        if self._through == "rest":
            properties = {to_camel(key): value for key, value in named.items()} | dict.fromkeys(MADE[thing])
            self._made.append(pulumi.CustomResource(ours, thing, properties, options))
        else:
            self._made.append(getattr(self._sdk, THEIRS[thing])(thing, **named, opts=options))
        return self._made[-1].id


MADE: Mapping[Thing, tuple[str, ...]] = {
    "volume": ("networkVolumeId",),
    "template": ("templateId",),
    "login": ("registryAuthId",),
}
"""Outputs that are no inputs."""


def _sdk() -> Any:
    try:
        return importlib.import_module("pulumi_runpod")
    except ModuleNotFoundError:
        raise pulumi.RunError(
            "videogen:runpodLasting/through: the Python package of RunPod's Pulumi provider is not installed\n"
            "hint: `make runpod-sdk` makes it; or say `through: rest`, which needs nothing"
        ) from None
