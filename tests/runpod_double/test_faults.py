"""Each fault strikes whom it is meant for, as often as it shall, and no more."""

import time
from decimal import Decimal

import httpx
import pytest

from tests.doubles.runpod import FakeRunpod
from tests.runpod_double.conftest import client, wanted


def status(api: httpx.Client, name: str = "videogen-1", gpu: str = "NVIDIA L40S") -> int:
    """What a create of that name answers."""
    return api.post("/pods", json=wanted(name, gpu={"id": gpu})).status_code


def test_no_capacity(fake: FakeRunpod, api: httpx.Client) -> None:
    """Only one GPU is refused, twice, after it went well once; then all is as before."""
    fake.fault("no-capacity", gpu="NVIDIA L40S", skip=1, times=2)
    assert status(api, gpu="NVIDIA H200") == 201
    assert [status(api) for _ in range(4)] == [201, 400, 400, 201]


@pytest.mark.parametrize("refused", [402, 403, 409, 429, 500, 503])
def test_refused(fake: FakeRunpod, api: httpx.Client, refused: int) -> None:
    """A create is refused and nothing is there; other calls are not touched."""
    fake.fault("refuse", status=refused, name="bad", times=1, retry_after=7)
    assert status(api, "good") == 201
    answer = api.post("/pods", json=wanted("so-bad"))
    assert (answer.status_code, answer.json()["status"]) == (refused, refused)
    assert answer.headers.get("Retry-After") == ("7" if refused == 429 else None)
    assert "RateLimit" in answer.headers
    assert [pod.name for pod in fake.alive()] == ["good"]
    assert status(api, "so-bad") == 201


@pytest.mark.parametrize("done", [False, True])
def test_no_answer(fake: FakeRunpod, api: httpx.Client, done: bool) -> None:
    """The caller hears nothing, whether the pod was made or not."""
    fake.fault("drop", done=done, times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        status(api)
    fake.fault("hold", done=done, times=1)
    with pytest.raises(httpx.ReadTimeout):
        api.post("/pods", json=wanted(), timeout=0.2)
    assert len(fake.alive()) == 2 * done
    assert fake.calls == [("POST", "/v2/pods", 0)] * 2


def test_made_yet_refused(fake: FakeRunpod, api: httpx.Client) -> None:
    """A 500 after which the pod is there."""
    fake.fault("refuse", status=500, done=True, times=1)
    assert status(api) == 500
    assert [pod["name"] for pod in api.get("/pods").json()["pods"]] == ["videogen-1"]


def test_pods_gone_wrong(fake: FakeRunpod, api: httpx.Client) -> None:
    """One starts for ever, one vanishes, one exits, one costs more, one costs more later."""
    fake.fault("stuck", name="stuck")
    fake.fault("gone", name="gone", seconds=58)
    fake.fault("exit", name="exit", seconds=58)
    fake.fault("dearer", name="dear", dollars="3.60")
    fake.fault("price-change", name="later", seconds=58, dollars="3.60")
    for name in ("stuck", "gone", "exit", "dear", "later"):
        assert status(api, name) == 201
    fake.clock.advance(100)
    found = {pod["name"]: (pod["status"], pod["cost"]) for pod in api.get("/pods").json()["pods"]}
    assert found == {
        "stuck": ("STARTING", 0.86),
        "exit": ("EXITED", 0.0),
        "dear": ("RUNNING", 3.6),
        "later": ("RUNNING", 3.6),
    }
    dollars = {pod.name: pod.dollars for pod in fake.bill().pods}
    assert dollars["gone"] == dollars["exit"] == Decimal("0.86") * 60 / 3600
    assert dollars["dear"] == Decimal("0.1")
    assert dollars["later"] == Decimal("0.86") * 60 / 3600 + Decimal("0.04")


def test_lists_that_lie(fake: FakeRunpod, api: httpx.Client) -> None:
    """A list is empty, lacks a pod, or breaks off; a single pod can be asked for all the time."""
    ids = {name: api.post("/pods", json=wanted(name)).json()["id"] for name in ("a", "b")}
    fake.fault("empty-list", times=1)
    assert api.get("/pods").json() == {"pods": []}
    missing = fake.fault("missing", name="a")
    assert [pod["name"] for pod in api.get("/pods").json()["pods"]] == ["b"]
    assert api.get(f"/pods/{ids['a']}").status_code == 200
    fake.heal(missing)
    fake.fault("half-list", times=1)
    half = api.get("/pods").json()
    assert (len(half["pods"]), half["pagination"]["hasNextPage"]) == (1, True)
    assert api.get("/pods", params={"cursor": half["pagination"]["nextCursor"]}).status_code == 500
    assert len(api.get("/pods").json()["pods"]) == 2


def test_deletes_that_lie(fake: FakeRunpod, api: httpx.Client) -> None:
    """A pod is said to be gone, or never to have been, and lives on at a price."""
    pod = api.post("/pods", json=wanted()).json()["id"]
    fake.fault("refuse", on="delete", status=404, times=1)
    assert api.delete(f"/pods/{pod}").status_code == 404
    fake.fault("lives-on", reads=2, times=1)
    assert api.delete(f"/pods/{pod}").status_code == 204
    fake.clock.advance(3600)
    assert [api.get(f"/pods/{pod}").status_code for _ in range(3)] == [200, 200, 404]
    assert fake.bill().total == Decimal("0.86")


def test_never_gone(fake: FakeRunpod, api: httpx.Client) -> None:
    """A pod that lives on for ever needs another delete."""
    pod = api.post("/pods", json=wanted()).json()["id"]
    fake.fault("lives-on", times=1)
    assert api.post(f"/pods/{pod}/action", json={"action": "terminate"}).status_code == 204
    assert {api.get(f"/pods/{pod}").status_code for _ in range(20)} == {200}
    api.delete(f"/pods/{pod}")
    assert api.get(f"/pods/{pod}").status_code == 404


def test_pod_key_refused(fake: FakeRunpod, api: httpx.Client) -> None:
    """A pod's key may be good for nothing, while the account's works."""
    pod = api.post("/pods", json=wanted()).json()["id"]
    fake.fault("refuse", on="any", key="pod", status=403)
    with client(fake, fake.pod("videogen-1").key) as own:
        assert own.delete(f"/pods/{pod}").status_code == 403
    assert api.delete(f"/pods/{pod}").status_code == 204


def test_whole_api(fake: FakeRunpod, api: httpx.Client) -> None:
    """All calls fail, are retired or get no answer until that is over."""
    for answer in (503, 410):
        fault = fake.fault("refuse", on="any", status=answer)
        assert {api.get("/pods").status_code, status(api), api.get("/catalog/gpus").status_code} == {answer}
        fake.heal(fault)
    fake.fault("hold", on="any", seconds=0.2)
    began = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        api.get("/billing/pods")
    assert 0.1 < time.monotonic() - began < 3
    fake.heal()
    assert api.get("/pods").json() == {"pods": []}


def test_late_bill(fake: FakeRunpod, api: httpx.Client) -> None:
    """The bill names a pod only some time after its end."""
    pod = api.post("/pods", json=wanted()).json()["id"]
    fake.fault("late-bill", seconds=600)
    fake.clock.advance(600)
    api.delete(f"/pods/{pod}")
    assert not api.get("/billing/pods").json()["records"]
    fake.clock.advance(600)
    assert len(api.get("/billing/pods").json()["records"]) == 1


def test_strangers_and_balance(fake: FakeRunpod, api: httpx.Client) -> None:
    """Somebody else's pod stands in the same list, and not in our sum; an empty account rents nothing."""
    fake.plant("videogen-0badcafe-x", {"VIDEOGEN_WORKER": "y"})
    assert [pod["env"] for pod in api.get("/pods").json()["pods"]] == [{"VIDEOGEN_WORKER": "y"}]
    fake.clock.advance(3600)
    assert fake.bill().total == 0
    assert fake.bill().of("0badcafe") == Decimal("0.86")
    fake.balance("0.50")
    assert status(api) == 402


def test_control(fake: FakeRunpod, api: httpx.Client) -> None:
    """Another process has the same commands over HTTP, with a token that the API does not know."""
    headers = {"Authorization": f"Bearer {fake.control_token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{fake.port}/_control", headers=headers, trust_env=False) as control:
        assert httpx.post(str(control.base_url) + "bill", trust_env=False).status_code == 401
        assert control.post("fault", json={"kind": "no-capacity", "times": 1}).json()["times"] == 1
        assert control.post("fault", json={"kind": "invented"}).status_code == 400
        assert [status(api), status(api)] == [400, 201]
        control.post("price", json={"gpu": "NVIDIA L40S", "secure": "3.60"}).raise_for_status()
        assert status(api, "dear") == 201
        assert control.post("advance", json={"seconds": 100}).json() == {"now": "2026-11-10T12:01:40+00:00"}
        assert [pod["status"] for pod in control.post("alive").json()["pods"]] == ["RUNNING", "RUNNING"]
        assert control.post("bill").json()["pods"][1]["dollars"] == "0.10"
        control.post("set", json={"pages": 1, "balance": "0", "quota": {"minute": 1000}}).raise_for_status()
        assert api.get("/pods").json()["pagination"]["hasNextPage"]
        assert status(api) == 402
        assert control.post("stock", json={"gpu": "NVIDIA L40S", "free": 0}).status_code == 200
        control.post("plant", json={"name": "theirs"}).raise_for_status()
        control.post("heal").raise_for_status()
        assert ["POST", "/v2/pods", 400] in control.post("calls").json()["calls"]
