"""A pod of the fake RunPod as a container of the image: rented, reached, crashed, ended by itself, gone."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.doubles.docker_engine import docker
from tests.doubles.runpod import FakeRunpod, fake_runpod
from tests.doubles.runpod.pod import Pod
from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import fill, manifest_text, settings
from videogen.secret import Secret

TOKEN = Secret("a-token-of-the-tests-0123456789")
INSIDE = {"comfyui_port": 8188, "agent_port": 8189, "gateway_port": 8080}


def until(true: Callable[[], Any], said: Callable[[], str]) -> None:
    """Returns when it is true."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, said()
        time.sleep(0.1)


def state(runpod: FakeRunpod, pod: Pod) -> str:
    """What its agent says through proxy and gateway."""
    url = f"{runpod.proxy.format(pod=pod.id, port=8080)}/videogen/status"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN.reveal()}"}, trust_env=False)
    return str(answer.json()["state"]) if answer.status_code == 200 else f"HTTP {answer.status_code}"


def test_life(image: str, s3: S3Server) -> None:
    """It boots to its gateway, again after a kill, ends its own pod when its lease is over, and leaves no container."""
    with fake_runpod(pods="containers", image=image) as runpod:
        told = settings(
            s3,
            Path("/workspace"),
            fill(s3, manifest_text()),
            **INSIDE,
            token=TOKEN,
            lease_minutes=0.5,
            runpod_url=runpod.url,
        )
        body = {"name": "in-docker", "image": "ours:1", "gpu": {"id": "NVIDIA L40S"}, "ports": ["8080/http"]}
        headers = {"Authorization": f"Bearer {runpod.key}"}
        asked = {**body, "env": told.variables()}
        httpx.post(f"{runpod.url}/pods", json=asked, headers=headers, trust_env=False).raise_for_status()
        pod = runpod.pod("in-docker")
        until(lambda: state(runpod, pod) == "ready", lambda: runpod.box(pod).said())
        runpod.box(pod).kill()
        until(lambda: state(runpod, pod) == "ready", lambda: runpod.box(pod).said())
        until(lambda: not runpod.alive(), lambda: runpod.box(pod).said())
        runpod.swept()
        assert not docker("ps", "--all", "--quiet", "--filter", f"name={pod.id}")
