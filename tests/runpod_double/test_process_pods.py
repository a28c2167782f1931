"""Pods that run the image's entrypoint as processes of this machine, behind the proxy."""

import asyncio
import hashlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles.runpod import FakeRunpod, fake_runpod
from tests.doubles.runpod.pod import Pod
from tests.doubles.runpod.process_box import ENTRYPOINT, ProcessBox, unable
from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import fill, manifest_text, settings
from tests.runpod_double.conftest import client, wanted
from videogen import manifest
from videogen.comfy import Comfy, RemoteFile
from videogen.readiness import Requirements, wait_until_ready
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
        answer = api.post("/pods", json=wanted(ports=["8080/http", "2222/tcp"], **more))
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


def processes(pod: Pod, word: str = "") -> list[Path]:
    """`/proc/<number>` of all processes of this machine that know the pod, by a word of their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            known, words = ((path / name).read_bytes() for name in ("environ", "cmdline"))
        except OSError:  # gone meanwhile, or no business of ours
            continue
        found += [path] if pod.id.encode() in known + words and word.encode() in words else []
    return found


def test_reached(s3: S3Server, runpod: FakeRunpod, tmp_path: Path) -> None:
    """A pod is proven ready through the proxy, and our client works there, its events too; then nothing is left."""
    pod = rent(runpod, env=environment(s3))
    assert status(runpod, pod) == {}
    url = runpod.proxy.format(pod=pod.id, port=8080)
    said: list[str] = []
    proof = Requirements(manifest.digest(manifest_text()), frozenset({"KSampler"}), frozenset())
    wait_until_ready(
        url,
        f"{url}/videogen",
        TOKEN,
        proof,
        deadline=time.monotonic() + 20,
        alive=lambda: True,
        progress=said.append,
        cancelled=threading.Event(),
    )
    assert processes(pod)
    picture = tmp_path / "a.png"
    picture.write_bytes(os.urandom(3_000_000))

    async def ask() -> None:
        async with Comfy(url, TOKEN) as comfy, comfy.events("a-client") as events:
            assert await events.opened(5)
            assert await comfy.upload("a.png", picture)
            assert not await comfy.upload("a.png", picture)
            got = await comfy.download(RemoteFile("1", "a.png", "", "input"), tmp_path / "b.png")
            assert got.sha256 == hashlib.sha256(picture.read_bytes()).hexdigest()

    asyncio.run(ask())
    with client(runpod) as api:
        assert api.delete(f"/pods/{pod.id}").status_code == 204
    assert status(runpod, pod) == {}
    runpod.swept()
    assert not processes(pod)
    assert runpod.bill().total > 0


def test_exits(s3: S3Server, runpod: FakeRunpod) -> None:
    """A container that ends is started again on the same disk, and costs on; a restart gives it an empty one."""
    pod = rent(runpod, env=environment(s3))
    ready(runpod, pod)
    box = runpod.box(pod)
    assert isinstance(box, ProcessBox)
    mark = box.workspace / "mark"
    mark.touch()
    box.kill()
    until(lambda: status(runpod, pod).get("state") == "ready", box.said)
    assert mark.exists()
    assert [one.name for one in runpod.alive()] == [pod.name]
    with client(runpod) as api:
        assert api.post(f"/pods/{pod.id}/action", json={"action": "restart"}).status_code == 200
    until(lambda: not mark.exists(), box.said)
    ready(runpod, pod)


def test_inside(s3: S3Server, runpod: FakeRunpod) -> None:
    """A pod knows its own variables and what RunPod adds; its key, not the account's; its volume outlives it."""
    with client(runpod) as api:
        body = {"name": "data", "size": 10, "dataCenter": "EU-RO-1"}
        volume = api.post("/network-volumes", json=body).json()["id"]
    mounts = {"network": [{"volumeId": volume, "path": "/workspace/data"}]}
    told = {**environment(s3, volume=True), "RUNPOD_API_KEY": "shadowed"}
    pod = rent(runpod, env=told, mounts=mounts)
    ready(runpod, pod)
    known = (processes(pod, f"{sys.executable}\0{ENTRYPOINT}")[-1] / "environ").read_text()
    variables = dict(line.split("=", 1) for line in known.split("\0") if "=" in line)
    assert variables["RUNPOD_API_KEY"] == pod.key
    assert (variables["RUNPOD_POD_ID"], variables["RUNPOD_VOLUME_ID"]) == (pod.id, volume)
    assert runpod.key not in known
    with client(runpod) as api:
        http, tcp = api.get(f"/pods/{pod.id}").json()["runtime"]["ports"]
    assert (http["private"], http["public"]) == (8080, None)
    assert variables["RUNPOD_TCP_PORT_2222"] == variables["VIDEOGEN_SSH_PORT"] == str(tcp["public"])
    models = runpod.volume(volume) / "models"
    assert list(models.rglob("*.safetensors"))
    with client(runpod) as api:
        api.delete(f"/pods/{pod.id}")
    runpod.swept()
    assert list(models.rglob("*.safetensors"))


def test_worker_ends_its_pod(s3: S3Server, runpod: FakeRunpod) -> None:
    """A worker whose lease is over has its own pod ended: with the pod's key, at the address that it was told."""
    pod = rent(runpod, env=environment(s3, lease_minutes=0.1, runpod_url=runpod.url))
    until(lambda: not runpod.alive(), lambda: runpod.box(pod).said(), 30)
    runpod.swept()
    assert pod.ended


def test_proxy(s3: S3Server) -> None:
    """Nobody is reached at a port that is not exposed, or in a pod that does not run; silence has a limit."""
    with fake_runpod(proxy_seconds=0.3, starting=0.5) as runpod, socket.create_server(("127.0.0.1", 0)) as silent:
        pod = rent(runpod, env={})
        runpod.answers_at(pod, 8080, silent.getsockname()[1])
        runpod.answers_at(pod, 8188, s3.port)

        def asked(inner: int) -> int:
            return httpx.get(f"{runpod.proxy.format(pod=pod.id, port=inner)}/a", trust_env=False).status_code

        assert asked(8080) == 502
        until(lambda: pod.status(runpod.clock()) == "RUNNING", str)
        assert asked(8080) == 524
        assert asked(8188) == 502
        runpod.answers_at(pod, 8080, s3.port)
        assert asked(8080) == httpx.get(f"http://127.0.0.1:{s3.port}/a", trust_env=False).status_code
        with client(runpod) as api:
            api.delete(f"/pods/{pod.id}")
        assert asked(8080) == 502
