"""Pods and volumes by the clock, and what they cost."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.doubles.runpod import FakeRunpod
from tests.runpod_double.conftest import wanted

L40S = Decimal("0.86")


def created(api: httpx.Client, **more: Any) -> str:
    """The id of a new pod."""
    answer = api.post("/pods", json=wanted(**more))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_states(fake: FakeRunpod, api: httpx.Client) -> None:
    """A pod is allocated, starts and runs as time goes by; only one that runs has a runtime."""
    first = api.post("/pods", json=wanted(ports=["8080/http", "2222/tcp"], dataCenterIds=["EU-RO-1"])).json()
    assert (first["status"], first["runtime"], first["startedAt"]) == ("PROVISIONING", None, None)
    assert (first["cost"], first["dataCenterId"], first["createdAt"]) == (0.86, "EU-RO-1", "2026-11-10T12:00:00Z")
    fake.clock.advance(1)
    assert api.get(f"/pods/{first['id']}").json()["status"] == "STARTING"
    fake.clock.advance(1)
    running = api.get(f"/pods/{first['id']}").json()
    assert (running["status"], running["startedAt"]) == ("RUNNING", "2026-11-10T12:00:02Z")
    assert [port["type"] for port in running["runtime"]["ports"]] == ["http", "tcp"]


def test_bill(fake: FakeRunpod, api: httpx.Client) -> None:
    """Each second from creation to the end costs, exactly; the API's bill says the same."""
    pod = created(api)
    fake.clock.advance(1799.7)
    assert api.delete(f"/pods/{pod}").status_code == 204
    assert api.get(f"/pods/{pod}").status_code == 404
    fake.clock.advance(3600)
    assert (fake.bill().pods[0].seconds, fake.bill().total) == (1799, L40S * 1799 / 3600)
    records = api.get("/billing/pods", params={"podId": pod, "bucketSize": "hour"}).json()
    assert Decimal(str(records["metadata"]["totals"]["totalAmount"])) == pytest.approx(fake.bill().total)
    assert [record["startTime"] for record in records["records"]] == ["2026-11-10T12:00:00Z"]
    assert api.get("/billing/pods?podId=none").json()["metadata"]["recordCount"] == 0


def test_bill_in_buckets(fake: FakeRunpod, api: httpx.Client) -> None:
    """A bill over many hours has one record for each, and nothing is lost between them."""
    pod = created(api)
    fake.clock.advance(2.5 * 3600)
    hours = api.get("/billing/pods", params={"bucketSize": "hour", "lastN": 5}).json()
    assert [record["totalAmount"] for record in hours["records"]] == [0.86, 0.86, 0.43]
    assert {record["podId"] for record in hours["records"]} == {pod}
    month = api.get("/billing/pods?bucketSize=month").json()
    assert [record["totalAmount"] for record in month["records"]] == [2.15]


def test_stop_and_start(fake: FakeRunpod, api: httpx.Client) -> None:
    """A stopped pod costs nothing and keeps its place; actions that do not fit its state are refused."""
    pod = created(api)
    fake.clock.advance(1000)
    assert api.post(f"/pods/{pod}/action", json={"action": "start"}).status_code == 409
    stopped = api.post(f"/pods/{pod}/action", json={"action": "stop"}).json()
    assert (stopped["status"], stopped["cost"], stopped["actions"]) == ("EXITED", 0.0, ["start", "terminate"])
    fake.clock.advance(1000)
    assert api.post(f"/pods/{pod}/action", json={"action": "start"}).json()["status"] == "PROVISIONING"
    fake.clock.advance(800)
    assert api.post(f"/pods/{pod}/action", json={"action": "terminate"}).status_code == 204
    assert fake.bill().total == L40S * 1800 / 3600
    assert not fake.alive()


def test_patch(api: httpx.Client) -> None:
    """Only what is sent changes; a locked pod does not stop."""
    pod = created(api, env={"A": "1"}, ports=["8080/http"])
    changed = api.patch(f"/pods/{pod}", json={"env": {"B": "2"}, "locked": True, "name": "new"}).json()
    assert (changed["env"], changed["ports"], changed["name"]) == ({"B": "2"}, ["8080/http"], "new")
    assert api.post(f"/pods/{pod}/action", json={"action": "stop"}).status_code == 409
    assert api.patch(f"/pods/{pod}", json={"mounts": {"persistent": {"size": 10, "path": "/w"}}}).status_code == 400


def test_catalog(fake: FakeRunpod, api: httpx.Client) -> None:
    """Stock falls with every pod and rises with its end; without any left, a create has no capacity."""
    fake.stock("NVIDIA H200", 0)
    fake.stock("NVIDIA H200", 1, "EU-RO-1")

    def found() -> tuple[str, list[str]]:
        gpus = api.get("/catalog/gpus?include=AVAILABILITY&product=POD").json()["gpus"]
        (gpu,) = [one for one in gpus if one["id"] == "NVIDIA H200"]
        assert gpu["price"]["secure"] == 4.59
        return gpu["availability"], [place["id"] for place in gpu.get("dataCenters", [])]

    assert found() == ("LOW", ["EU-RO-1"])
    pod = created(api, gpu={"id": "NVIDIA H200"})
    assert found() == ("NONE", [])
    answer = api.post("/pods", json=wanted(gpu={"id": "NVIDIA H200"}))
    assert answer.status_code == 400
    assert "no longer any instances available" in answer.json()["detail"]
    api.delete(f"/pods/{pod}")
    assert found() == ("LOW", ["EU-RO-1"])
    places = api.get("/catalog/datacenters?regions=EUROPE&include=GPU_AVAILABILITY").json()["dataCenters"]
    romania = next(place for place in places if place["id"] == "EU-RO-1")
    assert {"id": "NVIDIA H200", "name": "H200 SXM", "availability": "LOW"} in romania["gpuAvailability"]
    assert {place["region"] for place in places} == {"EUROPE"}


def test_volumes(fake: FakeRunpod, api: httpx.Client) -> None:
    """A network volume grows but never shrinks, is only for pods of its place, costs by itself, and outlives pods."""
    body = {"name": "models", "size": 100, "dataCenter": "EU-RO-1"}
    volume = api.post("/network-volumes", json=body).json()
    assert volume == {"id": volume["id"], "type": "STANDARD", **body}
    mounts = {"network": [{"volumeId": volume["id"], "path": "/workspace/data"}]}
    assert api.post("/pods", json=wanted(mounts=mounts, dataCenterIds=["US-KS-2"])).status_code == 400
    assert api.post("/pods", json=wanted(mounts=mounts, cloud="COMMUNITY")).status_code == 400
    pod = api.post("/pods", json=wanted(mounts=mounts)).json()
    assert (pod["dataCenterId"], pod["mounts"]) == ("EU-RO-1", mounts)
    assert api.delete(f"/network-volumes/{volume['id']}").status_code == 400
    assert api.patch(f"/network-volumes/{volume['id']}", json={"size": 50}).status_code == 400
    fake.clock.advance(730 * 3600)
    assert api.patch(f"/network-volumes/{volume['id']}", json={"size": 2000}).json()["size"] == 2000
    fake.clock.advance(730 * 3600)
    bill = api.get("/billing/network-volumes?bucketSize=year&startTime=2026-01-01T00:00:00Z").json()
    assert bill["metadata"]["totals"]["standardAmount"] == 7 + 70 + 50
    api.delete(f"/pods/{pod['id']}")
    assert api.delete(f"/network-volumes/{volume['id']}").status_code == 204
    assert api.get("/network-volumes").json() == {"networkVolumes": []}


def test_templates_and_registries(api: httpx.Client) -> None:
    """A pod takes from its template what it does not say itself; a login in use stays; its password is never shown."""
    login = {"name": "hub", "username": "u", "password": "a-canary"}
    registry = api.post("/registries", json=login).json()
    assert registry == {"id": registry["id"], "name": "hub"}
    body = {"name": "worker", "image": "ours:2", "env": {"A": "1", "B": "1"}, "registry": registry["id"]}
    template = api.post("/templates", json=body).json()
    assert template["startSsh"]
    assert api.post("/templates", json=body).status_code == 400
    asked = {"name": "x", "gpu": {"id": "NVIDIA L40S"}, "templateId": template["id"], "env": {"B": "2"}}
    pod = api.post("/pods", json=asked).json()
    assert (pod["image"], pod["env"], pod["template"]) == ("ours:2", {"A": "1", "B": "2"}, None)
    assert api.delete(f"/registries/{registry['id']}").status_code == 400
    assert api.patch(f"/templates/{template['id']}", json={"image": "ours:3"}).json()["image"] == "ours:3"
    assert api.delete(f"/templates/{template['id']}").status_code == 204
    assert api.get(f"/templates/{template['id']}").status_code == 404
    assert api.post("/pods", json={**asked, "templateId": "none"}).status_code == 404
