"""A pod's own end against RunPod's rules: its key, its API, a container that is started again whenever it exits."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.doubles.runpod import FakeRunpod, fake_runpod
from tests.doubles.runpod.pod import Pod
from tests.doubles.runpod.process_box import unable
from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import fill, manifest_text, settings
from tests.runpod_double.conftest import client, wanted
from videogen.rent_record import Heartbeat, LastWord
from videogen.secret import Secret
from videogen.store import heartbeat_key, last_word_key

TOKEN = Secret("a-token-of-the-tests-0123456789")

pytestmark = pytest.mark.skipif(bool(unable()), reason=unable() or "-")


@pytest.fixture
def runpod() -> Iterator[FakeRunpod]:
    """One whose pods are processes."""
    with fake_runpod(pods="processes") as fake:
        yield fake


def rent(runpod: FakeRunpod, s3: S3Server, **lease: float) -> Pod:
    """A pod of ours."""
    ports = {"comfyui_port": 8188, "agent_port": 8189, "gateway_port": 8080}
    more = {**ports, **lease, "token": TOKEN, "runpod_url": runpod.url}
    told = settings(s3, Path("/workspace"), fill(s3, manifest_text()), **more)
    with client(runpod) as api:
        answer = api.post("/pods", json=wanted(ports=["8080/http"], env=told.variables()))
    assert answer.status_code == 201, answer.text
    return runpod.pod(answer.json()["name"])


def until(true: Callable[[], object], runpod: FakeRunpod, pod: Pod, seconds: float = 40) -> None:
    """Waits for it."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, runpod.box(pod).said()
        time.sleep(0.05)


@pytest.mark.parametrize("fault", ["refused", "silent"])
def test_not_ended_at_first(s3: S3Server, runpod: FakeRunpod, fault: str) -> None:
    """It asks until it is gone; meanwhile it costs, does nothing, and the bucket says why it is there."""
    if fault == "refused":
        met, said = runpod.fault("refuse", on="any", key="pod", status=403), "terminate: 403"
    else:
        met, said = runpod.fault("hold", on="any", key="pod"), "terminate: TimeoutError"
    pod = rent(runpod, s3, idle_minutes=0.05)
    store = s3.store()

    def word() -> LastWord | None:
        key = last_word_key("w1")
        found = store.head(store.outputs, key)
        return LastWord.model_validate_json(store.get_bytes(store.outputs, key)) if found else None

    until(lambda: (last := word()) and said in last.refused, runpod, pod, 60)
    assert [one.id for one in runpod.alive()] == [pod.id]
    assert Heartbeat.model_validate_json(store.get_bytes(store.outputs, heartbeat_key("w1"))).machine == "w1"
    url = runpod.proxy.format(pod=pod.id, port=8080)
    assert httpx.get(f"{url}/videogen/status", trust_env=False).status_code == 502

    runpod.heal(met)
    until(lambda: not runpod.alive(), runpod, pod, 100)
    runpod.swept()
    last = word()
    assert last
    assert last.why == "idle for 0.05 minutes"


def test_killed(s3: S3Server, runpod: FakeRunpod) -> None:
    """Who is killed cannot ask; RunPod starts the container again, and its lease goes on where it was."""
    bearer = {"Authorization": f"Bearer {TOKEN.reveal()}"}
    pod = rent(runpod, s3, lease_minutes=0.3)
    store = s3.store()
    url = f"{runpod.proxy.format(pod=pod.id, port=8080)}/videogen/status"
    until(lambda: httpx.get(url, headers=bearer, trust_env=False).status_code == 200, runpod, pod)
    time.sleep(2)
    runpod.box(pod).kill()
    until(lambda: not runpod.alive(), runpod, pod, 60)

    runpod.swept()
    word = LastWord.model_validate_json(store.get_bytes(store.outputs, last_word_key("w1")))
    assert word.why == "lease over: 0.3 minutes"
    assert word.lived_seconds < 18  # of its second boot
