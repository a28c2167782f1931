"""A worker started as RunPod starts a pod: its environment, a volume, and a container that is started again for ever."""

import json
import time
from collections.abc import Mapping
from typing import Any

from tests.doubles.docker_engine import Start, docker
from tests.doubles.worker_container import CANARY, S3Container, WorkerContainer, rent, wanted

RUNPOD = {
    "RUNPOD_POD_ID": "p1x2y3z4",
    "RUNPOD_API_KEY": f"{CANARY}-pod",
    "RUNPOD_DC_ID": "EU-RO-1",
    "RUNPOD_POD_HOSTNAME": "p1x2y3z4-64411f1a",
    "RUNPOD_GPU_COUNT": "1",
    "RUNPOD_CPU_COUNT": "16",
    "RUNPOD_PUBLIC_IP": "203.0.113.7",
    "RUNPOD_TCP_PORT_22": "10341",
    "RUNPOD_TCP_PORT_2222": "10342",
    "RUNPOD_VOLUME_ID": "v1",
    "PUBLIC_KEY": "",
    "CUDA_VERSION": "13.0",
    "PYTORCH_VERSION": "2.9",
}
AGAIN = ["--restart", "always"]
VOLUME = "type=volume,destination=/workspace/data"
IDLE = {"tini", "entrypoint", "guard"}
WAITS = "this machine costs until it is ended; it does nothing any more"
DAY = 86_400.0


def starts_again(pod: WorkerContainer, times: int) -> None:
    """Waits until the engine has started it again so often."""
    count = ("inspect", "--format", "{{.RestartCount}} {{.State.Running}}", pod.container.id)
    pod.container.until(lambda: docker(*count) == f"{times} true")


def test_life_of_a_pod(container: Start, bucket: S3Container, digest: str) -> None:
    """A killed pod goes on with its lease; one whose lease is over stays up and does nothing, also when started again."""
    settings = wanted(bucket, digest, volume=True, linger_seconds=1)
    pod = rent(container, bucket, settings, mounts=[VOLUME], options=AGAIN, **RUNPOD)
    first = pod.ready()
    pod.kill("entrypoint")
    starts_again(pod, 1)
    second = pod.ready()
    assert second.lease_seconds_left < first.lease_seconds_left
    assert "2 present" in next(step.detail for step in second.steps if step.name == "models")

    assert pod.ask("/videogen/stop", "POST").status_code < 300
    pod.says(WAITS)
    assert pod.processes().keys() == IDLE
    assert pod.status() is None
    pod.kill("entrypoint")
    starts_again(pod, 2)
    pod.says("the lease of w1 is over: ")
    pod.says(WAITS, times=4)  # twice each: for people, and as JSON
    time.sleep(1)
    assert pod.processes().keys() == IDLE
    assert pod.container.logs().count("ComfyUI starts: ") == 2
    starts_again(pod, 2)


def test_failed_pod(container: Start, bucket: S3Container) -> None:
    """A pod that cannot boot says why for a while and then stays up; it does not fail again and again."""
    pod = rent(container, bucket, wanted(bucket, "0" * 64, linger_seconds=1), options=AGAIN, **RUNPOD)
    assert "has no manifest" in (pod.failed().error or "")
    pod.says(WAITS)
    time.sleep(1)

    starts_again(pod, 0)
    assert pod.processes().keys() == IDLE


def test_wrong_environment(container: Start, bucket: S3Container, digest: str) -> None:
    """So does one whose environment is wrong."""
    settings = wanted(bucket, digest)
    pod = rent(container, bucket, settings, options=AGAIN, **RUNPOD, VIDEOGEN_LEASE_MINUTES="soon")
    pod.says(WAITS)

    starts_again(pod, 0)
    assert "environment: VIDEOGEN_LEASE_MINUTES" in pod.container.logs()


def _record(**change: Any) -> Mapping[str, Any]:
    """What an earlier boot, on another machine, wrote down."""
    now = time.time()
    record = {
        "worker": "w1",
        "started": now,
        "boots": 1,
        "lived": 60,
        "wall": now,
        "boot_id": "another",
        "since_boot": 9,
    }
    return {**record, **change}


def _write(record: Mapping[str, Any]) -> str:
    """The shell line that puts it onto the worker's disk."""
    return f"mkdir -p /workspace/cache/leases && echo '{json.dumps(record)}' > /workspace/cache/leases/w1.json"


def test_clock_went_back(container: Start, bucket: S3Container, digest: str) -> None:
    """With a record from the future, what was lived by then counts, and nothing is given back."""
    before = _write(_record(wall=time.time() + DAY))
    pod = rent(container, bucket, wanted(bucket, digest), before=before, options=AGAIN, **RUNPOD)

    assert 480 < pod.ready().lease_seconds_left < 541


def test_clock_went_on(container: Start, bucket: S3Container, digest: str) -> None:
    """With a record from a day ago the lease is over, whether the clock is right or not; the pod stays up, idle."""
    before = _write(_record(wall=time.time() - DAY))
    pod = rent(container, bucket, wanted(bucket, digest, linger_seconds=1), before=before, options=AGAIN, **RUNPOD)
    pod.says(WAITS)

    assert "lease over: 10 minutes" in pod.container.logs()
    assert pod.processes().keys() == IDLE
