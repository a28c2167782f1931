"""What the fake RunPod refuses, and in which words."""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.doubles.runpod import FakeRunpod
from tests.runpod_double.conftest import client, wanted


def test_bearer(fake: FakeRunpod) -> None:
    """Nobody is answered without a key that it knows."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {fake.key}"}):
        answer = httpx.get(f"{fake.url}/pods", headers=headers, trust_env=False)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert answer.json()["title"] == "Unauthorized"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (wanted(gpuTypeIds=["NVIDIA L40S"]), "gpuTypeIds"),
        (wanted(gpu={"id": "NVIDIA L40S", "interruptible": True}), "gpu/interruptible"),
        (wanted(disk="50"), "disk"),
        (wanted(env={"A": 1}), "env/A"),
        (wanted(mounts={"network": [{"volumeId": "v"}]}), "mounts/network/0/path"),
        (wanted(mounts={"persistent": {"size": 5, "path": "/w"}}), "mounts/persistent/size"),
        (wanted(args=None), "null is not allowed: args"),
        (wanted(name=""), "name"),
        ({"name": "x", "gpu": {"id": "NVIDIA L40S"}}, "image"),
        ([], "body"),
    ],
)
def test_unknown_and_mistyped(api: httpx.Client, body: Any, said: str) -> None:
    """Unknown keys and wrong types are 422, and each error names its place."""
    answer = api.post("/pods", json=body)
    assert answer.status_code == 422
    assert any(said in error for error in answer.json()["errors"]), answer.text


@pytest.mark.parametrize(
    "changed",
    [
        {"gpu": {"id": "H100"}},
        {"gpu": {"id": "NVIDIA L40S", "count": 9}},
        {"gpu": {"id": "NVIDIA L40S", "allowedCudaVersions": ["12.8"], "minCudaVersion": "12.4"}},
        {"cpu": {"id": "cpu3c", "vcpuCount": 2}},
        {"dataCenterIds": ["EU-RO-1", "MOON-1"]},
        {"ports": ["8080"]},
        {"env": {f"V{number}": "" for number in range(51)}},
        {"mounts": {"network": [{"volumeId": "v", "path": "/a"}], "persistent": {"size": 10, "path": "/b"}}},
    ],
)
def test_rules_between_fields(api: httpx.Client, fake: FakeRunpod, changed: dict[str, Any]) -> None:
    """A body in the right form that breaks a rule is 400, and nothing is created."""
    assert api.post("/pods", json=wanted(**changed)).status_code == 400
    assert not fake.alive()


def test_other_calls(api: httpx.Client) -> None:
    """Unknown paths, methods, parameters and words are refused as RunPod does."""
    assert api.get("/nothing").status_code == 404
    answer = api.put("/pods")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    assert api.get("/pods?status=RUNNING").status_code == 422
    assert api.post("/pods", content=b"{").status_code == 400
    assert api.get("/catalog/gpus?include=AVAILABILITY").status_code == 400
    assert api.get("/catalog/gpus?include=PRICE&product=POD").status_code == 422
    assert api.get("/billing/pods?lastN=1&startTime=2026-11-01T00:00:00Z").status_code == 400
    assert api.get("/billing/pods?startTime=yesterday").status_code == 422
    assert api.get("/pods/none").status_code == 404
    assert api.delete("/pods/none").status_code == 404
    assert api.patch("/network-volumes/none", json={}).status_code == 422


def test_rate_limit(fake: FakeRunpod, api: httpx.Client) -> None:
    """Every answer tells the quota; who is over it is told to wait, and may go on after that."""
    fake.quota(minute=2)
    assert '"minute";r=1;t=60' in api.get("/pods").headers["RateLimit"]
    assert '"minute";q=2;w=60' in api.get("/pods").headers["RateLimit-Policy"]
    answer = api.get("/pods")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    fake.clock.advance(60)
    assert api.get("/pods").status_code == 200


def test_own_clock(fake: FakeRunpod, api: httpx.Client) -> None:
    """The date of an answer is that of its own clock, of a refusal too."""
    before = parsedate_to_datetime(api.get("/pods").headers["Date"])
    fake.clock.advance(3600)
    for path in ("/pods", "/pods/none"):
        assert parsedate_to_datetime(api.get(path).headers["Date"]) == before + timedelta(hours=1)


def test_pod_key(fake: FakeRunpod, api: httpx.Client) -> None:
    """A pod's key ends its own pod, and is good for nothing else; it dies with the pod."""
    ours, other = (api.post("/pods", json=wanted(name)).json()["id"] for name in ("a", "b"))
    with client(fake, fake.pod("a").key) as own:
        assert own.get("/pods").status_code == 403
        assert own.get(f"/pods/{ours}").status_code == 403
        assert own.patch(f"/pods/{ours}", json={"name": "c"}).status_code == 403
        assert own.delete(f"/pods/{other}").status_code == 403
        assert own.post(f"/pods/{ours}/action", json={"action": "restart"}).status_code == 403
        assert own.post("/pods", json=wanted()).status_code == 403
        assert own.post(f"/pods/{ours}/action", json={"action": "terminate"}).status_code == 204
        assert own.delete(f"/pods/{ours}").status_code == 401
    assert [pod.name for pod in fake.alive()] == ["b"]


def test_pages(fake: FakeRunpod, api: httpx.Client) -> None:
    """A list comes in one piece, or in pages that together have everything once."""
    for name in "abc":
        api.post("/pods", json=wanted(name))
    assert set(api.get("/pods").json()) == {"pods"}
    fake.paged(2)
    first = api.get("/pods").json()
    assert first["pagination"]["hasNextPage"]
    second = api.get("/pods", params={"cursor": first["pagination"]["nextCursor"]}).json()
    assert second["pagination"] == {"nextCursor": None, "hasNextPage": False}
    assert [pod["name"] for pod in first["pods"] + second["pods"]] == ["a", "b", "c"]
    assert api.get("/pods?cursor=invented").status_code == 400
