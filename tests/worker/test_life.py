"""A worker keeps its ComfyUI running and ends when it must, wholly."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import WorkerProcess, bearer, fill, manifest_text, settings, ticks, worker
from videogen.boot_report import WorkerStatus


@pytest.fixture
def one(s3: S3Server, tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker that is ready."""
    with worker(settings(s3, tmp_path / "disk", fill(s3, manifest_text())), tmp_path / "w") as started:
        started.ready()
        yield started


def test_comfyui_is_started_again(one: WorkerProcess) -> None:
    """A ComfyUI that dies is started again, and the agent says so; meanwhile the worker is not ready."""
    one.kill_comfyui()
    gone = one.until(lambda status: status.comfyui_restarts == 1)
    back = one.until(lambda status: status.comfyui_restarts == 1 and status.state == "ready")

    assert gone.state in {"booting", "ready"}
    assert back.steps[-1].name == "ComfyUI answers again"
    assert httpx.get(f"{one.url}/system_stats", trust_env=False).status_code == 200


def _ready_after(restarts: int, status: WorkerStatus) -> bool:
    return status.comfyui_restarts == restarts and status.state == "ready"


def test_comfyui_dies_too_often(one: WorkerProcess) -> None:
    """The fourth death within ten minutes ends the worker, which says why."""
    for restarts in range(1, 4):
        one.kill_comfyui()
        one.until(partial(_ready_after, restarts))
    one.kill_comfyui()
    status = one.failed()

    assert status.error == "ComfyUI died 4 times within 10 minutes, at last by signal 9"
    assert one.ends() == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal(one: WorkerProcess, number: int) -> None:
    """A signal ends the whole tree in order, with code 0."""
    one.process.send_signal(number)

    assert one.ends(5) == 0
    assert f"ending: {signal.Signals(number).name}" in one.said()


def test_signal_to_the_group(one: WorkerProcess) -> None:
    """A signal that reaches ComfyUI too is an end, not a death to recover from."""
    os.killpg(one.process.pid, signal.SIGTERM)

    assert one.ends(5) == 0
    assert "started again" not in one.said()


def test_killed(one: WorkerProcess) -> None:
    """`kill -9` of the entrypoint leaves no process behind and nobody with the lock."""
    before = one.members()
    assert one.holds_lock()
    one.process.kill()
    code = one.ends()

    assert code == -signal.SIGKILL
    assert len(before) == 3  # itself, the watching shell, ComfyUI


def test_children_of_comfyui(s3: S3Server, tmp_path: Path) -> None:
    """What ComfyUI itself started ends with the worker, even if it ignores signals."""
    checkout = tmp_path / "checkout"
    (checkout / "comfy").mkdir(parents=True)
    (checkout / "comfy" / "cli_args.py").write_text('("--offline")')
    (checkout / "main.py").write_text(
        "import subprocess, runpy, sys\n"
        "subprocess.Popen(['/bin/sh', '-c', \"trap '' TERM; while true; do sleep 1; done\"])\n"
        "sys.argv = [word for word in sys.argv if not word.startswith('--offline')]\n"
        "runpy.run_module('videogen.standin', run_name='__main__', alter_sys=False)\n"
    )
    wanted = settings(
        s3, tmp_path / "disk", fill(s3, manifest_text()), comfyui_dir=checkout, comfyui_python=Path(sys.executable)
    )
    with worker(wanted, tmp_path / "w") as one:
        one.ready()
        assert len(one.members()) >= 4
        one.process.terminate()

        assert one.ends(5) == 0


def test_asked_through_the_agent(one: WorkerProcess) -> None:
    """`POST /stop` with the token ends the worker; without it nothing happens."""
    refused = httpx.post(f"{one.agent}/stop", trust_env=False)
    still = one.status()
    httpx.post(f"{one.agent}/stop", headers=bearer(), trust_env=False).raise_for_status()

    assert refused.status_code == 401
    assert still
    assert still.state == "ready"
    assert one.ends(5) == 0


def test_lease_over(s3: S3Server, tmp_path: Path) -> None:
    """The worker ends by itself when its lease is over, although it works."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), lease_minutes=0.1, idle_minutes=0.1)
    with worker(wanted, tmp_path / "w") as one:
        status = one.ready()
        code = one.ends(12)

    assert code == 0
    assert 0 < status.lease_seconds_left < 6
    assert "ending: lease over: 0.1 minutes" in one.said()


def test_idle(s3: S3Server, tmp_path: Path) -> None:
    """A worker for which nobody has work ends; one at work does not."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), idle_minutes=0.05)
    slow = json.dumps([{"name": "slow", "seconds": 1.3, "times": 1}])
    with worker(wanted, tmp_path / "w", STANDIN_FAULTS=slow) as one:
        one.ready()
        nodes = {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0}},
            "2": {"class_type": "ImageScaleBy", "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 1}},
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
        }
        httpx.post(f"{one.url}/prompt", json={"prompt": nodes}, trust_env=False).raise_for_status()
        began = time.monotonic()
        code = one.ends(20)

    assert code == 0
    assert time.monotonic() - began > 5
    assert "ending: idle for 0.05 minutes" in one.said()


def test_new_lease(one: WorkerProcess) -> None:
    """A new lease holds at once; an impossible one changes nothing."""
    url = f"{one.agent}/lease"
    wrong = httpx.put(url, json={"total": -1, "idle": 1, "boot": 1}, headers=bearer(), trust_env=False)
    longer = httpx.put(url, json={"total": 60, "idle": 60, "boot": 1}, headers=bearer(), trust_env=False)

    assert wrong.status_code == 400
    left = WorkerStatus.model_validate_json(longer.content).lease_seconds_left
    assert 3500 < left < 3600

    httpx.put(url, json={"total": 0.001, "idle": 1, "boot": 1}, headers=bearer(), trust_env=False)
    assert one.ends(5) == 0


def test_samples_and_heartbeat(one: WorkerProcess) -> None:
    """The status holds samples of the machine, and when ComfyUI was looked at last."""
    status = one.until(lambda status: bool(status.samples) and status.answered_seconds is not None)

    assert 0 < status.samples[-1].memory_used < status.samples[-1].memory_total
    assert status.samples[-1].disk_free > 0
    assert status.peak.memory_used >= status.samples[-1].memory_used
    assert status.looked_seconds is not None
    assert status.looked_seconds <= (status.answered_seconds or 0) < 5


def test_hanging_comfyui(one: WorkerProcess) -> None:
    """A ComfyUI that does not answer is looked at all the same, and the status says since when."""
    os.kill(one.comfyui(), signal.SIGSTOP)
    one.until(lambda status: (status.answered_seconds or 0) > (status.looked_seconds or 0) + 2)
    os.kill(one.comfyui(), signal.SIGCONT)
    one.until(lambda status: status.answered_seconds == status.looked_seconds)


def test_disk_floor(s3: S3Server, tmp_path: Path) -> None:
    """A disk with less free than the floor fails the worker before its jobs fail, and the status says so."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), disk_floor_gb=10**6)
    with worker(wanted, tmp_path / "w") as one:
        status = one.failed()
        code = one.ends()

    assert code == 1
    assert status.error
    assert "the floor is 1000.0 TB" in status.error
    assert status.hint == "take a larger disk, or free space"


def test_failed_worker_lingers(s3: S3Server, tmp_path: Path) -> None:
    """A failed worker answers as long as it was told to, and no longer once somebody asks it to end."""
    wanted = settings(s3, tmp_path / "disk", "0" * 64, linger_seconds=30)
    s3.store()
    with worker(wanted, tmp_path / "w") as one:
        one.failed()
        for _ in ticks(1):
            assert one.status()
        one.process.terminate()

        assert one.ends(5) == 1
