"""Pods that run the image's entrypoint as processes of this machine, behind the proxy."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles.runpod import FakeRunpod, fake_runpod
from tests.doubles.runpod.pod import Pod
from tests.doubles.runpod.process_box import unable
from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import fill, manifest_text, settings
from tests.runpod_double.conftest import client, wanted
from videogen.comfy import Comfy
from videogen.secret import Secret

TOKEN = Secret("a-token-of-the-tests-0123456789")
INSIDE = {"comfyui_port": 8188, "agent_port": 8189, "gateway_port": 8080}

pytestmark = pytest.mark.skipif(bool(unable()), reason=unable() or "-")


@pytest.fixture
def runpod() -> Iterator[FakeRunpod]:
    """One whose pods are processes."""
    with fake_runpod(pods="processes") as fake:
        yield fake


def environment(s3: S3Server, **more: Any) -> dict[str, str]:
    """What a rented worker is told."""
    told = settings(s3, Path("/workspace"), fill(s3, manifest_text()), **INSIDE, token=TOKEN, **more)
    return told.variables()


def rent(runpod: FakeRunpod, **more: Any) -> Pod:
    """A pod of ours."""
    with client(runpod) as api:
        answer = api.post("/pods", json=wanted(ports=["8080/http"], **more))
    assert answer.status_code == 201, answer.text
    return runpod.pod(answer.json()["name"])


def until(true: Callable[[], Any], said: Callable[[], str], seconds: float = 20) -> Any:
    """Its first true answer."""
    end = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < end, said()
        time.sleep(0.05)
    return answer


def status(runpod: FakeRunpod, pod: Pod) -> dict[str, Any]:
    """What its agent says through proxy and gateway; nothing while nobody answers."""
    url = f"{runpod.proxy.format(pod=pod.id, port=8080)}/videogen/status"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN.reveal()}"}, trust_env=False)
    found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
    return found


def ready(runpod: FakeRunpod, pod: Pod) -> None:
    """Returns when the worker is."""
    until(lambda: status(runpod, pod).get("state") == "ready", lambda: runpod.box(pod).said())


def processes(pod: Pod) -> list[str]:
    """The command lines of all processes of this machine that speak of the pod."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [words] if pod.id in words else []
    return found


def test_reached(s3: S3Server, runpod: FakeRunpod) -> None:
    """A pod boots to its gateway; our client reaches ComfyUI through the proxy, its events too; then nothing is left."""
    pod = rent(runpod, env=environment(s3))
    assert status(runpod, pod) == {}
    ready(runpod, pod)
    assert processes(pod)

    async def ask() -> None:
        async with Comfy(runpod.proxy.format(pod=pod.id, port=8080), TOKEN) as comfy:
            assert (await comfy.system_stats())["system"]
            async with comfy.events("a-client") as events:
                assert events

    asyncio.run(ask())
    with client(runpod) as api:
        assert api.delete(f"/pods/{pod.id}").status_code == 204
    assert status(runpod, pod) == {}
    runpod.swept()
    assert not processes(pod)
    assert runpod.bill().total > 0
