"""The GraphQL double takes what RunPod's provider sends and nothing else, on the account that REST shows."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.doubles.runpod import FakeRunpod
from tests.doubles.runpod_graphql.server import RunpodGraphql
from tests.runpod_double.conftest import client

Ask = Callable[..., Any]
VOLUME = {"name": "models", "size": 50, "dataCenterId": "EU-RO-1"}
TEMPLATE = {
    "name": "worker",
    "imageName": "ours:1",
    "containerDiskInGb": 20,
    "volumeInGb": 0,
    "dockerArgs": "",
    "env": [{"key": "A", "value": "b"}],
    "portsConfig": None,
}


@pytest.fixture
def graphql(fake: FakeRunpod) -> Iterator[RunpodGraphql]:
    """The account's other API."""
    with RunpodGraphql(fake.account, fake.key) as double:
        yield double


@pytest.fixture
def ask(graphql: RunpodGraphql) -> Ask:
    """Sends an operation; its data, or the message of its error."""

    def send(operation: str, verb: str = "mutation", /, **variables: Any) -> Any:
        body = {"query": f"{verb} {operation} {{ id }}", "variables": variables or None, "operationName": operation}
        said = httpx.post(graphql.address, json=body, headers={"Authorization": f"Bearer {graphql.key}"}).json()
        return said["errors"][0]["message"] if said.get("errors") else said["data"]

    return send


def test_both_apis_have_one_account(ask: Ask, fake: FakeRunpod) -> None:
    """What GraphQL makes, REST shows, changes and ends; GraphQL then says that it is not there."""
    made = ask("CreateNetworkVolume", input=VOLUME)["createNetworkVolume"]
    with client(fake) as rest:
        shown = rest.get(f"/network-volumes/{made['id']}").json()
        rest.patch(f"/network-volumes/{made['id']}", json={"size": 60})
        (listed,) = ask("GetMyNetworkVolumes", "query")["myself"]["networkVolumes"]
        rest.delete(f"/network-volumes/{made['id']}")

    assert shown == {"id": made["id"], "name": "models", "size": 50, "dataCenter": "EU-RO-1", "type": "STANDARD"}
    assert listed["size"] == 60
    assert "not found" in ask("DeleteNetworkVolume", input={"id": made["id"]})


def test_templates_and_logins(ask: Ask, fake: FakeRunpod) -> None:
    """A template is saved anew under its id and deleted by its name; a login's password is told to nobody."""
    login = ask("SaveRegistryAuth", input={"name": "reg", "username": "me", "password": "secret"})["saveRegistryAuth"]
    made = ask("SaveTemplate", input=TEMPLATE | {"containerRegistryAuthId": login["id"]})["saveTemplate"]
    again = ask("SaveTemplate", input=TEMPLATE | {"id": made["id"], "imageName": "ours:2"})["saveTemplate"]
    with client(fake) as rest:
        assert rest.get(f"/templates/{made['id']}").json()["image"] == again["imageName"] == "ours:2"

    assert login == {"id": login["id"], "name": "reg"}
    assert ask("SaveTemplate", input=TEMPLATE) == "Template name must be unique."
    assert ask("UpdateRegistryAuth", input={"id": login["id"], "username": "me", "password": "next"})
    assert ask("GetMyRegistryAuths", "query") == {"myself": {"containerRegistryCreds": [login]}}
    assert ask("DeleteTemplate", templateName="worker") == {"deleteTemplate": None}
    assert ask("GetMyTemplates", "query") == {"myself": {"podTemplates": []}}
    assert ask("DeleteRegistryAuth", registryAuthId=login["id"]) == {"deleteRegistryAuth": None}


@pytest.mark.parametrize(
    ("operation", "variables"),
    [
        ("CreateNetworkVolume", {"input": VOLUME | {"type": "STANDARD"}}),
        ("CreateNetworkVolume", {"input": VOLUME | {"size": "50"}}),
        ("CreateNetworkVolume", VOLUME),
        ("SaveTemplate", {"input": {key: value for key, value in TEMPLATE.items() if key != "dockerArgs"}}),
        ("SaveRegistryAuth", {"input": {"name": "reg", "username": "me"}}),
        ("DeleteTemplate", {"id": "x"}),
        ("GetMyNetworkVolumes", {"input": {}}),
    ],
)
def test_odd_variables_are_refused(ask: Ask, operation: str, variables: dict[str, Any]) -> None:
    """Unknown, missing and wrongly typed ones: nothing is made."""
    assert "got an invalid value" in ask(operation, **variables)


def test_only_known_operations_for_the_right_key(ask: Ask, graphql: RunpodGraphql) -> None:
    """An operation that the provider does not send, one that its query does not name, and a stranger's key."""
    body = {"query": "query GetMyTemplates { id }", "variables": None, "operationName": "GetMyVolumes"}
    key = {"Authorization": f"Bearer {graphql.key}"}

    assert ask("CreatePod", input={}) == 'Unknown operation named "CreatePod".'
    assert httpx.post(graphql.address, json=body, headers=key).status_code == 400
    assert httpx.post(graphql.address, json=body).status_code == 401
    assert httpx.post(graphql.address, json=body, headers={"Authorization": "Bearer other"}).status_code == 401


def test_moods(ask: Ask, graphql: RunpodGraphql, fake: FakeRunpod) -> None:
    """No capacity strikes orders only; a key without an account sees no account; an API that ended answers 410."""
    graphql.mood = "no capacity"
    assert ask("CreateNetworkVolume", input=VOLUME).startswith("There are no longer any instances available")
    assert ask("GetMyNetworkVolumes", "query") == {"myself": {"networkVolumes": []}}
    assert fake.account.living_volumes() == []

    graphql.mood = "nobody"
    assert ask("GetMyNetworkVolumes", "query") == {"myself": None}

    graphql.mood = "ended"
    assert httpx.post(graphql.address, json={}).status_code == 410
