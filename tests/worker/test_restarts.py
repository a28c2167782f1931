"""Where a container that exits is started again and costs on, a lease that is over stays over."""

import gzip
import json
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import WorkerProcess, bearer, fill, manifest_text, settings, ticks, worker

POD = {"RUNPOD_POD_ID": "p1", "RUNPOD_API_KEY": "key-of-a-pod-1234"}


def says(one: WorkerProcess, words: str) -> None:
    """Waits until it says so."""
    for _ in ticks(15):
        if words in one.said():
            return
    raise AssertionError(one.said())


def waits(one: WorkerProcess) -> None:
    """Proves that it lives and does nothing: no ComfyUI, nobody answers, no exit."""
    says(one, "this machine costs until it is ended; it does nothing any more")
    assert one.status() is None
    assert len(one.members()) == 2  # itself, and the watching shell
    assert one.process.poll() is None


def test_lease_over(s3: S3Server, tmp_path: Path) -> None:
    """A pod whose lease is over does not exit; started again by force, it starts nothing and says why."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), idle_minutes=0.02)
    with worker(wanted, tmp_path / "first", **POD) as one:
        waits(one)
        one.process.terminate()
        assert one.ends(5) == 0
    for again in ("second", "third"):
        with worker(wanted, tmp_path / again, **POD) as one:
            waits(one)
            assert "the lease of w1 is over: idle for 0.02 minutes" in one.said()
            assert "ComfyUI starts" not in one.said()
            one.process.terminate()
            assert one.ends(5) == 3


def test_failed(s3: S3Server, tmp_path: Path) -> None:
    """A failed pod says why for a while, then waits; so it does not fail again and again."""
    s3.store()
    wanted = settings(s3, tmp_path / "disk", "0" * 64, restarts_bill=True)
    with worker(wanted, tmp_path / "first") as one:
        assert one.failed().error
        waits(one)
        one.process.terminate()
        assert one.ends(5) == 1
    with worker(wanted, tmp_path / "second") as one:
        assert "the lease of w1 is over: bucket models has no manifest" in (one.failed().error or "")
        waits(one)


def test_wrong_environment(s3: S3Server, tmp_path: Path) -> None:
    """A pod whose environment cannot be read waits, too."""
    wanted = settings(s3, tmp_path / "disk", "0" * 64)
    with worker(wanted, tmp_path / "w", VIDEOGEN_LEASE_MINUTES="-1", **POD) as one:
        says(one, "does nothing any more: its environment is wrong")
        one.process.terminate()

        assert one.ends(5) == 2


def test_stopped_and_started(s3: S3Server, tmp_path: Path) -> None:
    """A pod that was stopped or killed, and not by its lease, goes on where it was; its lease goes on meanwhile."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), restarts_bill=True, lease_minutes=1.0)
    left = []
    for boot, number in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)):
        with worker(wanted, tmp_path / str(boot)) as one:
            left.append(one.ready().lease_seconds_left)
            one.process.send_signal(number)
            one.ends(6)
        time.sleep(0.5)

    assert left[0] < 60
    assert left[1] < left[0] - 1
    assert left[2] < left[1] - 1


def test_renewed_lease(s3: S3Server, tmp_path: Path) -> None:
    """A lease that was renewed is still so after a container was killed and started again with what it was told first."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), restarts_bill=True)
    with worker(wanted, tmp_path / "first") as one:
        one.ready()
        longer = {"total": 60, "idle": 30, "boot": 1}
        httpx.put(f"{one.agent}/lease", json=longer, headers=bearer(), trust_env=False).raise_for_status()
        one.process.kill()
        one.ends()
    with worker(wanted, tmp_path / "second") as one:
        assert 3500 < one.ready().lease_seconds_left < 3600


def test_logs_of_a_start_without_lease(s3: S3Server, tmp_path: Path) -> None:
    """What a start says whose lease is over takes the place of no earlier log."""
    wanted = settings(s3, tmp_path / "disk", "0" * 64, restarts_bill=True, log_ship_seconds=60)
    store = s3.store()
    found = []
    for boot in ("first", "second"):
        with worker(wanted, tmp_path / boot) as one:
            waits(one)
        found.append({log.key: store.get_bytes(store.outputs, log.key) for log in store.list(store.outputs, "logs/")})

    first, second = found
    assert all("/1-" in key for key in first)
    assert second.items() > first.items()
    assert b"the lease of w1 is over" in b"".join(gzip.decompress(second[key]) for key in second.keys() - first.keys())


@pytest.mark.parametrize(
    ("change", "code", "why"),
    [
        ({"lived": 600.0}, 1, "lease over: 10 minutes"),
        ({"wall": 0.0}, 1, "lease over: 10 minutes"),
        ({"over": "it was idle"}, 3, "the lease of w1 is over: it was idle"),
        ({"boots": 5}, 3, "started 6 times in one lease"),
        ({"boots": "many"}, 3, "does not say how long this worker has lived"),
    ],
)
def test_what_the_record_says_counts(
    s3: S3Server, tmp_path: Path, change: dict[str, object], code: int, why: str
) -> None:
    """What earlier boots lived, and a wall clock that says that it was long ago, end the lease; so does its word."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), restarts_bill=True)
    record = tmp_path / "disk" / "cache" / "leases" / "w1.json"
    with worker(wanted, tmp_path / "first") as one:
        one.ready()
        one.process.kill()
        one.ends()
    record.write_text(json.dumps({**json.loads(record.read_text()), **change}))
    with worker(wanted, tmp_path / "second") as one:
        waits(one)
        one.process.terminate()

        assert one.ends(5) == code
    assert why in one.said()
