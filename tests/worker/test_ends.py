"""A worker that is asked to end does so in order, whatever it is doing; asked twice, it does not wait."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles import studio
from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import WorkerProcess, fill, manifest_text, settings, ticks, worker


def heeds(number: signal.Signals, pid: int) -> bool:
    """Whether a process has a handler for the signal."""
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def first_moment(one: WorkerProcess) -> None:
    """Waits until the worker heeds a signal at all."""
    for _ in ticks(10):
        if heeds(signal.SIGTERM, one.process.pid):
            return
    raise AssertionError


@pytest.mark.parametrize("pause", [0.0, 0.25])
def test_first_moments(s3: S3Server, tmp_path: Path, pause: float) -> None:
    """From the first moment on, before most of it is even loaded, a signal is an end in order."""
    with worker(settings(s3, tmp_path / "disk", fill(s3, manifest_text())), tmp_path / "w") as one:
        first_moment(one)
        time.sleep(pause)
        one.process.terminate()

        assert one.ends(6) == 0
    assert "ending: SIGTERM" in one.said()


@pytest.mark.parametrize("step", ["repository", "manifest", "models", "ComfyUI answers"])
def test_each_step(s3: S3Server, tmp_path: Path, step: str) -> None:
    """A boot that waits for a silent store, a silent git server or a slow ComfyUI ends at once."""
    text = manifest_text()
    digest = fill(s3, text)
    kept = tmp_path / "disk" / "cache" / "manifests" / f"{digest}.yaml"
    with studio.deaf() as nobody:
        more: dict[str, Any] = {}
        variables = {}
        if step == "repository":
            more = {"repository": nobody.url.replace("http:", "ssh:") + "/x", "repository_ref": "main"}
        elif step == "ComfyUI answers":
            variables = {"STANDIN_FAULTS": json.dumps([{"name": "slow_start", "seconds": 30}])}
        else:
            more = {"store_endpoint": nobody.url}
        if step == "models":
            kept.parent.mkdir(parents=True)
            kept.write_text(text)
        with worker(settings(s3, tmp_path / "disk", digest, **more), tmp_path / "w", **variables) as one:
            one.until(lambda now: any(found.name == step and found.seconds is None for found in now.steps))
            time.sleep(1)  # until it really waits
            one.process.terminate()

            assert one.ends(6) == 0


def prompt(one: WorkerProcess, color: int) -> str:
    """Sends a job of three nodes; its id."""
    nodes = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": color}},
        "2": {"class_type": "ImageScaleBy", "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 1}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": f"x{color}"}},
    }
    answer = httpx.post(f"{one.url}/prompt", json={"prompt": nodes}, trust_env=False).raise_for_status()
    return str(answer.json()["prompt_id"])


@contextmanager
def rendering(s3: S3Server, folder: Path, drain: float, seconds: float) -> Iterator[tuple[WorkerProcess, list[str]]]:
    """A worker that renders one job of three slow nodes and has another one waiting; the jobs' ids."""
    wanted = settings(s3, folder / "disk", fill(s3, manifest_text()), drain_seconds=drain)
    slow = json.dumps([{"name": "slow", "seconds": seconds}])
    with worker(wanted, folder / "w", STANDIN_FAULTS=slow) as one:
        one.ready()
        jobs = [prompt(one, color) for color in (1, 2)]
        for _ in ticks(5):
            if httpx.get(f"{one.url}/queue", trust_env=False).json()["queue_running"]:
                break
        yield one, jobs


def test_the_job_that_runs_ends(s3: S3Server, tmp_path: Path) -> None:
    """Asked to end, the worker finishes the job that runs and lets it be fetched; the one that waits is returned."""
    with rendering(s3, tmp_path, drain=20, seconds=0.4) as (one, (first, second)):
        one.process.terminate()
        ending = one.until(lambda now: now.state == "ending")
        history: dict[str, Any] = {}
        for _ in ticks(10):
            history = httpx.get(f"{one.url}/history", trust_env=False).json()
            if history.get(first):
                break
        queue = httpx.get(f"{one.url}/queue", trust_env=False).json()
        picture = history[first]["outputs"]["3"]["images"][0]["filename"]
        fetched = httpx.get(f"{one.url}/view", params={"filename": picture}, trust_env=False)

        assert one.ends(8) == 0
    assert ending.state == "ending"
    assert history[first]["status"]["completed"]
    assert second not in history
    assert not queue["queue_pending"]
    assert fetched.status_code == 200
    assert "returned: 1 prompts that waited, 0 that ran" in one.said()


def test_the_job_takes_too_long(s3: S3Server, tmp_path: Path) -> None:
    """A job that is not done within the drain is returned: its ComfyUI ends under it."""
    with rendering(s3, tmp_path, drain=0.6, seconds=60) as (one, _):
        one.process.terminate()
        began = time.monotonic()

        assert one.ends(6) == 0
    assert time.monotonic() - began >= 0.6
    assert "returned: 1 prompts that waited, 1 that ran" in one.said()


def test_second_signal(s3: S3Server, tmp_path: Path) -> None:
    """A second signal is obeyed without any more waiting."""
    with rendering(s3, tmp_path, drain=60, seconds=60) as (one, _):
        one.process.terminate()
        one.until(lambda now: now.state == "ending")
        time.sleep(0.5)
        alive = one.process.poll() is None
        one.process.terminate()
        began = time.monotonic()

        assert one.ends(5) == 0
    assert alive
    assert time.monotonic() - began < 2
    assert "SIGTERM again: no more waiting" in one.said()


def test_second_signal_to_a_stubborn_comfyui(s3: S3Server, tmp_path: Path) -> None:
    """The second signal also cuts the grace of a program that does not heed the first one."""
    checkout = tmp_path / "checkout"
    (checkout / "comfy").mkdir(parents=True)
    (checkout / "comfy" / "cli_args.py").touch()
    (checkout / "main.py").write_text(
        "import asyncio, runpy\n"
        "asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler = lambda *words: None\n"
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "runpy.run_module('videogen.standin', run_name='__main__', alter_sys=False)\n"
    )
    python = Path(sys.executable)
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), comfyui_dir=checkout, comfyui_python=python)
    with worker(wanted, tmp_path / "w") as one:
        one.ready()
        one.process.terminate()
        one.until(lambda now: now.state == "ending")
        time.sleep(0.5)
        began = time.monotonic()
        one.process.terminate()

        assert one.ends(5) == 0
    assert time.monotonic() - began < 2


def test_killed_while_it_renders(s3: S3Server, tmp_path: Path) -> None:
    """`kill -9` in the middle of a job leaves nothing."""
    with rendering(s3, tmp_path, drain=60, seconds=60) as (one, _):
        one.process.kill()

        assert one.ends() == -signal.SIGKILL
