"""A stand-in for the plugin `pulumi-resource-runpod` 0.1.5: its types, and for lasting things its calls and its traps.

The traps that it shares with the real one, each seen there: it writes the account's key into the state; any change of
its own configuration replaces whatever it made; a list that does not name the account counts as "gone".
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from pulumi.provider.experimental import provider as wire
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import main

from infra.provider.properties import Plain, is_unknown, plain, wrapped

VERSION = "0.1.5"
INTERFACE = Path(__file__).with_name("runpod-0.1.5.interface.json")
URL = "https://api.runpod.io/graphql"


class Thing:
    """One resource type by its operations."""

    def __init__(self, identity: str, change: str, end: str, listed: tuple[str, str], create: str) -> None:
        self.identity, self.change, self.end, self.listed, self.create = identity, change, end, listed, create


THINGS = {
    "NetworkVolume": Thing(
        "networkVolumeId",
        "UpdateNetworkVolume",
        "DeleteNetworkVolume",
        ("GetMyNetworkVolumes", "networkVolumes"),
        "CreateNetworkVolume",
    ),
    "Template": Thing(
        "templateId", "SaveTemplate", "DeleteTemplate", ("GetMyTemplates", "podTemplates"), "SaveTemplate"
    ),
    "ContainerRegistryAuth": Thing(
        "registryAuthId",
        "UpdateRegistryAuth",
        "DeleteRegistryAuth",
        ("GetMyRegistryAuths", "containerRegistryCreds"),
        "SaveRegistryAuth",
    ),
}


class Plugin(wire.Provider):
    """Answers the engine."""

    def __init__(self) -> None:
        self._interface = json.loads(INTERFACE.read_text())
        self._key, self._url = "", URL

    async def get_schema(self, _request: wire.GetSchemaRequest) -> wire.GetSchemaResponse:
        python = {"packageName": "pulumi_runpod", "pyproject": {"enabled": True}, "respectSchemaVersion": True}
        return wire.GetSchemaResponse(json.dumps(self._interface | {"language": {"python": python}}))

    async def check_config(self, request: wire.CheckRequest) -> wire.CheckResponse:
        given = dict(request.new_inputs)
        for name, variable in (("apiKey", "RUNPOD_API_KEY"), ("apiUrl", "RUNPOD_API_URL")):
            if not (name in given and given[name].value) and variable in os.environ:
                given[name] = PropertyValue(os.environ[variable])
        return wire.CheckResponse(given)

    async def diff_config(self, request: wire.DiffRequest) -> wire.DiffResponse:
        old, new = plain(request.old_state), plain(request.new_inputs)
        changed = sorted(key for key in {*old, *new} - {"version"} if old.get(key) != new.get(key))
        return wire.DiffResponse(changes=bool(changed), replaces=changed, diffs=changed)

    async def configure(self, request: wire.ConfigureRequest) -> wire.ConfigureResponse:
        given = plain(request.args)
        self._key = given.get("apiKey") or os.environ.get("RUNPOD_API_KEY", "")
        self._url = given.get("apiUrl") or os.environ.get("RUNPOD_API_URL") or URL
        if not self._key:
            raise ValueError("runpod:apiKey is required")
        return wire.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: wire.CheckRequest) -> wire.CheckResponse:
        inputs = self._described(request.urn)["inputProperties"]
        unknown = [wire.CheckFailure(key, "unknown property") for key in request.new_inputs if key not in inputs]
        missing = self._described(request.urn)["requiredInputs"]
        absent = [wire.CheckFailure(key, "is required") for key in missing if key not in request.new_inputs]
        return wire.CheckResponse(request.new_inputs, unknown + absent)

    async def diff(self, request: wire.DiffRequest) -> wire.DiffResponse:
        inputs = self._described(request.urn)["inputProperties"]
        old, new = plain(request.old_state), plain(request.new_inputs)
        changed = sorted(key for key in inputs if old.get(key) != new.get(key))
        replaces = [key for key in changed if inputs[key].get("replaceOnChanges")]
        return wire.DiffResponse(changes=bool(changed), replaces=replaces, diffs=changed)

    async def create(self, request: wire.CreateRequest) -> wire.CreateResponse:
        inputs, thing = plain(request.properties), THINGS[_class(request.urn)]
        if request.preview:
            return wire.CreateResponse("", self._wrapped(request.urn, inputs))
        answer = await self._ask(thing.create, {"input": _input(request.urn, inputs)})
        made = answer[thing.create[0].lower() + thing.create[1:]]
        return wire.CreateResponse(made["id"], self._wrapped(request.urn, inputs | _outputs(thing, made)))

    async def read(self, request: wire.ReadRequest) -> wire.ReadResponse:
        state, thing = plain(request.properties), THINGS[_class(request.urn)]
        operation, field = thing.listed
        mine = (await self._ask(operation)).get("myself") or {}
        for one in mine.get(field, []):
            if one["id"] == request.resource_id:
                found = self._wrapped(request.urn, state | _outputs(thing, one))
                return wire.ReadResponse(request.resource_id, found, request.inputs)
        return wire.ReadResponse()

    async def update(self, request: wire.UpdateRequest) -> wire.UpdateResponse:
        inputs, thing = plain(request.news), THINGS[_class(request.urn)]
        if not request.preview:
            fields = {"NetworkVolume": ("name", "size"), "ContainerRegistryAuth": ("username", "password")}
            changed = _input(request.urn, inputs)
            changed = {key: changed[key] for key in fields.get(_class(request.urn), changed)}
            await self._ask(thing.change, {"input": changed | {"id": request.resource_id}})
        kept = {key: value for key, value in plain(request.olds).items() if key == thing.identity}
        return wire.UpdateResponse(self._wrapped(request.urn, inputs | kept))

    async def delete(self, request: wire.DeleteRequest) -> None:
        named: dict[str, Mapping[str, Any]] = {
            "NetworkVolume": {"input": {"id": request.resource_id}},
            "Template": {"templateName": plain(request.properties)["name"]},
            "ContainerRegistryAuth": {"registryAuthId": request.resource_id},
        }
        await self._ask(THINGS[_class(request.urn)].end, named[_class(request.urn)], gone_is_fine=True)

    def _described(self, urn: str) -> dict[str, Any]:
        found = self._interface["resources"][f"runpod:index:{_class(urn)}"]
        assert isinstance(found, dict)
        return found

    def _wrapped(self, urn: str, values: Mapping[str, Any]) -> dict[str, PropertyValue]:
        secret = [key for key, one in self._described(urn)["inputProperties"].items() if one.get("secret")]
        return wrapped({key: value for key, value in values.items() if not is_unknown(value)}, secret)

    async def _ask(
        self, operation: str, variables: Mapping[str, Any] | None = None, *, gone_is_fine: bool = False
    ) -> dict[str, Any]:
        verb = "query" if operation.startswith("Get") else "mutation"
        body = {"query": f"{verb} {operation} {{ … }}", "variables": variables, "operationName": operation}
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            answer = await client.post(self._url, json=body, headers={"Authorization": f"Bearer {self._key}"})
        if answer.status_code != 200:
            raise RuntimeError(f"returned error {answer.status_code}: {answer.text}")
        said = answer.json()
        if errors := said.get("errors"):
            message = str(errors[0]["message"])
            if gone_is_fine and "not found" in message.lower():
                return {}
            raise RuntimeError(message)
        data = said["data"]
        assert isinstance(data, dict)
        return data


def _class(urn: str) -> str:
    return urn.split("::")[-2].rpartition(":")[2]


def _input(urn: str, inputs: Plain) -> Plain:
    """Empty ones are left out; a template's that are always sent are not."""
    if _class(urn) != "Template":
        return inputs
    env = [{"key": key, "value": value} for key, value in inputs.get("env", {}).items()]
    return {"dockerArgs": "", "portsConfig": None} | inputs | {"env": env}


def _outputs(thing: Thing, made: Mapping[str, Any]) -> Plain:
    known = {key: made[key] for key in ("storageClusterId", "storageType") if key in made}
    return known | {thing.identity: made["id"]}


if __name__ == "__main__":
    main(sys.argv[1:], VERSION, Plugin())
