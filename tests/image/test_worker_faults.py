"""What goes wrong around a worker in a real engine: its bucket, its keys, its programs, the machine that stops it."""

import contextlib
import json
import subprocess
import time

import pytest

from tests.doubles.docker_engine import Start, docker
from tests.doubles.worker_container import S3Container, WorkerContainer, rent, wanted
from videogen.secret import Secret

SLOW = json.dumps([{"name": "slow", "seconds": 60}])


@pytest.mark.parametrize("endpoint", ["http://nobody:9000", S3Container.inside])
def test_bucket_unreachable(container: Start, bucket: S3Container, digest: str, endpoint: str) -> None:
    """A bucket that is not there, or takes connections and is silent, fails the boot when its minutes are over."""
    settings = wanted(bucket, digest, store_endpoint=endpoint, boot_minutes=0.03)
    with bucket.silent() if endpoint == bucket.inside else contextlib.nullcontext():
        worker = rent(container, bucket, settings)
        status = worker.failed()

        assert worker.container.stop(10) == 1
    assert status.error == "not ready within 0.03 minutes"
    assert status.steps[-1].name == "manifest"


def test_wrong_key(container: Start, bucket: S3Container, digest: str) -> None:
    """A store that refuses the key fails the boot at once, and the hint names what to look at."""
    worker = rent(container, bucket, wanted(bucket, digest, store_secret=Secret("another")))
    status = worker.failed()

    assert "403 Forbidden" in (status.error or "")
    assert status.hint == "the keys are wrong or may not do this, or the clock is wrong"
    assert status.steps[-1].seconds is not None
    assert status.steps[-1].seconds < 5
    assert worker.container.stop() == 1


@pytest.mark.parametrize("step", ["manifest", "ComfyUI answers"])
def test_stopped_while_it_boots(container: Start, bucket: S3Container, digest: str, step: str) -> None:
    """`docker stop` ends a boot in order within Docker's 10 seconds, also while a bucket is silent or ComfyUI starts."""
    late = json.dumps([{"name": "slow_start", "seconds": 60}])
    with bucket.silent() if step == "manifest" else contextlib.nullcontext():
        worker = rent(container, bucket, wanted(bucket, digest), STANDIN_FAULTS=late)
        worker.until(lambda now: any(one.name == step and one.seconds is None for one in now.steps))
        time.sleep(0.5)  # until it really waits
        code, seconds = _stopped(worker)

    assert code == 0
    assert seconds < 8


def test_stopped_while_it_renders(container: Start, bucket: S3Container, digest: str) -> None:
    """`docker stop` returns the jobs, ships the last words, and ends in order."""
    worker = rent(container, bucket, wanted(bucket, digest, worker="w2", drain_seconds=1), STANDIN_FAULTS=SLOW)
    _render(worker)
    code, seconds = _stopped(worker)
    shipped = bucket.folder / "outputs" / "logs" / "w2"

    assert code == 0
    assert 1 <= seconds < 8
    assert "returned: 1 prompts that waited, 1 that ran" in worker.container.logs()
    last = subprocess.run(["zcat", max(shipped.iterdir())], capture_output=True, text=True, check=True, timeout=10)
    assert '"why": "SIGTERM"' in last.stdout


def test_second_signal(container: Start, bucket: S3Container, digest: str) -> None:
    """A second SIGTERM is obeyed at once."""
    worker = rent(container, bucket, wanted(bucket, digest, drain_seconds=60), STANDIN_FAULTS=SLOW)
    _render(worker)
    docker("kill", "--signal", "TERM", worker.container.id)
    worker.until(lambda now: now.state == "ending")
    time.sleep(0.5)
    waiting = worker.container.state()["Running"]
    docker("kill", "--signal", "TERM", worker.container.id)
    began = time.monotonic()

    assert int(docker("wait", worker.container.id)) == 0
    assert time.monotonic() - began < 3
    assert waiting


def _render(worker: WorkerContainer) -> None:
    """Has it render a job, with another one waiting."""
    worker.ready()
    for color in (1, 2):
        picture = {"width": 16, "height": 16, "batch_size": 1, "color": color}
        nodes = {
            "1": {"class_type": "EmptyImage", "inputs": picture},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
        }
        assert worker.ask("/prompt", "POST", json={"prompt": nodes}).status_code == 200
    worker.container.until(lambda: worker.ask("/queue").json()["queue_running"])


def _stopped(worker: WorkerContainer) -> tuple[int, float]:
    """Exit code and seconds of `docker stop`."""
    began = time.monotonic()
    return worker.container.stop(10), time.monotonic() - began


@pytest.fixture(scope="module")
def steady(shared_container: Start, bucket: S3Container, digest: str, public_key: str) -> WorkerContainer:
    """A worker with all of its programs."""
    return rent(shared_container, bucket, wanted(bucket, digest, ssh_public_keys=public_key))


@pytest.mark.parametrize("program", ["ComfyUI", "gateway", "sshd"])
def test_killed_program(steady: WorkerContainer, program: str) -> None:
    """A program of the worker that is killed is started again as the same user, and the gate opens again."""
    steady.ready()
    before = steady.processes()[program]
    steady.kill(program)
    steady.container.until(lambda: f"{program} died and was started again" in steady.container.logs())
    now = steady.ready()
    after = steady.processes()[program]

    assert {"ComfyUI": now.comfyui_restarts, **now.restarts}[program] == 1
    assert [user for _, user in after] == [user for _, user in before]
    assert after != before


def test_killed_entrypoint(container: Start, bucket: S3Container, digest: str) -> None:
    """With its entrypoint killed the container ends, with a code that says so; nothing of it goes on."""
    worker = rent(container, bucket, wanted(bucket, digest))
    worker.ready()
    worker.kill("entrypoint")

    assert int(docker("wait", worker.container.id)) == 137
    assert worker.status() is None
