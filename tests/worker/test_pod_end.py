"""A pod that has no right to live ends itself; where its key may not do that, it says so and does not give up."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.pod_api import PodApi
from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import WorkerProcess, fill, manifest_text, settings, ticks, worker
from videogen.rent_record import Heartbeat, LastWord
from videogen.store import heartbeat_key, last_word_key

TAKES = {"terminate": 204, "DELETE": 204, "stop": 200}


def last_word(s3: S3Server) -> LastWord:
    """What worker `w1` said last in the bucket."""
    store = s3.store()
    return LastWord.model_validate_json(store.get_bytes(store.outputs, last_word_key("w1")))


def until_asked(api: PodApi, one: WorkerProcess, count: int) -> None:
    """Waits until the API was asked so often."""
    for _ in ticks(20):
        if len(api.asked) >= count:
            return
    raise AssertionError(f"asked: {api.asked}; it said: {one.said()}")


@pytest.mark.parametrize(
    ("more", "variables", "code", "why"),
    [
        ({"lease_minutes": 0.2}, {}, 0, "lease over: 0.2 minutes"),
        ({"idle_minutes": 0.02}, {}, 0, "idle for 0.02 minutes"),
        ({"boot_minutes": 0.03}, {"STANDIN_FAULTS": '[{"name": "slow_start", "seconds": 30}]'}, 1, "not ready within"),
        ({"comfyui_arguments": "--no-such-flag"}, {}, 1, "ComfyUI"),
    ],
    ids=["lease", "idle", "boot", "ComfyUI never starts"],
)
def test_ends_itself(
    s3: S3Server, tmp_path: Path, more: dict[str, Any], variables: dict[str, str], code: int, why: str
) -> None:
    """Whatever takes its right to live: it says why in the bucket, asks once, and is ended with all that it started."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), **more)
    with PodApi(TAKES).serving() as api, worker(wanted, tmp_path / "w", **variables, **api.environment) as one:
        api.process = one.process.pid

        assert one.ends(30) == code
    assert api.asked == ["terminate"]
    said = last_word(s3)
    assert why in said.why
    assert (said.machine, said.code, said.refused) == ("w1", code, "")
    assert api.KEY not in one.said()


def test_crash_loop(s3: S3Server, tmp_path: Path) -> None:
    """A container that is started again and again asks for the end instead of starting anything."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()))
    record = {"worker": "w1", "started": 0, "boots": 5, "lived": 1, "wall": time.time(), "boot_id": "", "since_boot": 0}
    leases = tmp_path / "disk" / "cache" / "leases"
    leases.mkdir(parents=True)
    (leases / "w1.json").write_text(json.dumps(record))
    with PodApi(TAKES).serving() as api, worker(wanted, tmp_path / "w", **api.environment) as one:
        api.process = one.process.pid

        assert one.ends(20) == 3
    assert api.asked == ["terminate"]
    assert "started 6 times in one lease" in last_word(s3).why


def test_refused(s3: S3Server, tmp_path: Path) -> None:
    """A key that may not end its pod: nothing runs any more, the bucket knows why, and it asks again and again."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), idle_minutes=0.02)
    refusing = PodApi(dict.fromkeys(TAKES, 403))
    with refusing.serving() as api, worker(wanted, tmp_path / "w", **api.environment) as one:
        until_asked(api, one, 6)
        for _ in ticks(5):
            if "end refused: terminate: 403" in last_word(s3).refused:
                break
        members = len(one.members())
        api.process, api.answers = one.process.pid, TAKES

        assert one.ends(20) == 0
    assert members == 2  # itself, and the watching shell
    assert last_word(s3).why == "idle for 0.02 minutes"
    assert "end refused: terminate: 403" in last_word(s3).refused
    assert "RunPod does not end this pod, which costs" in one.said()
    assert api.KEY not in one.said() + last_word(s3).model_dump_json()


def test_stopped_instead(s3: S3Server, tmp_path: Path) -> None:
    """Where the key may only stop the pod, it is stopped, and the bucket says that somebody must end it."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), idle_minutes=0.02)
    api = PodApi({"terminate": 403, "DELETE": 403, "stop": 200})
    with api.serving(), worker(wanted, tmp_path / "w", **api.environment) as one:
        api.process = one.process.pid

        assert one.ends(20) == 0
    assert api.asked == ["terminate", "DELETE", "stop"]
    assert "stop: 200" in last_word(s3).refused


def test_taken_and_not_done(s3: S3Server, tmp_path: Path) -> None:
    """An API that takes the end and does nothing is asked again."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), idle_minutes=0.02)
    with PodApi(TAKES).serving() as api, worker(wanted, tmp_path / "w", **api.environment) as one:
        until_asked(api, one, 2)

        assert one.process.poll() is None


def test_store_gone(s3: S3Server, tmp_path: Path) -> None:
    """A bucket that is gone keeps no pod alive."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), idle_minutes=0.05)
    with PodApi(TAKES).serving() as api, worker(wanted, tmp_path / "w", **api.environment) as one:
        api.process = one.process.pid
        one.ready()
        s3.kill()

        assert one.ends(40) == 0
    assert api.asked == ["terminate"]


def test_wrong_environment(s3: S3Server, tmp_path: Path) -> None:
    """A pod whose environment cannot be read ends itself, though it has no bucket to say why."""
    wanted = settings(s3, tmp_path / "disk", "0" * 64)
    with (
        PodApi(TAKES).serving() as api,
        worker(wanted, tmp_path / "w", VIDEOGEN_LEASE_MINUTES="-1", **api.environment) as one,
    ):
        api.process = one.process.pid

        assert one.ends(20) == 2
    assert api.asked == ["terminate"]


def test_killed(s3: S3Server, tmp_path: Path) -> None:
    """A worker that is killed asks nobody for anything; its heartbeat, which stood in the bucket, is all there is."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()))
    store = s3.store()
    with PodApi(TAKES).serving() as api, worker(wanted, tmp_path / "w", **api.environment) as one:
        one.ready()
        for _ in ticks(10):
            if store.head(store.outputs, heartbeat_key("w1")):
                break
        one.process.kill()

        assert one.ends() == -signal.SIGKILL
    assert api.asked == []
    beat = json.loads(store.get_bytes(store.outputs, heartbeat_key("w1")))
    assert Heartbeat.model_validate(beat).machine == "w1"
    assert store.head(store.outputs, last_word_key("w1")) is None
