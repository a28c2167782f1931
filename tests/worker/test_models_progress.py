"""How far a worker's models are can be read while they come, and a link that is too slow ends its boot."""

import json
from pathlib import Path

from tests.doubles.bad_s3 import BadS3, Fault
from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import fill, manifest_text, settings, worker
from videogen.standin import weights

SIZE = 4_000_000
SLOW = weights.sha256("high", SIZE)


def test_fields(s3: S3Server, tmp_path: Path) -> None:
    """While a file comes slowly the status has its name, bytes, rate and the time to go; at the end all is done."""
    digest = fill(s3, manifest_text(SIZE))
    with BadS3(s3, Fault("slow", times=99, key=SLOW, rate=SIZE // 2)) as bad:
        wanted = settings(s3, tmp_path / "disk", digest, store_endpoint=bad.store().place.endpoint)
        with worker(wanted, tmp_path / "w") as one:
            early = one.until(lambda status: bool(status.models and status.models.done_bytes > SIZE)).models
            late = one.ready().models

    assert early
    assert late
    assert early.file == "wan2.2/high.safetensors"
    assert SIZE < early.done_bytes < early.total_bytes == 2 * SIZE
    assert early.bytes_per_second > 0
    assert early.eta_seconds
    assert abs(early.eta_seconds - (early.total_bytes - early.done_bytes) / early.bytes_per_second) < 0.01
    assert (late.done_bytes, late.total_bytes, late.eta_seconds) == (2 * SIZE, 2 * SIZE, 0)


def test_floor(s3: S3Server, tmp_path: Path) -> None:
    """A store below its floor fails the boot at once, with both rates; the log of the sync ends with it."""
    digest = fill(s3, manifest_text(SIZE))
    with BadS3(s3, Fault("slow", times=99, key=SLOW, rate=SIZE // 20)) as bad:
        floor = {"store_floor_mbit": 8.0, "floor_seconds": 1.0}
        wanted = settings(s3, tmp_path / "disk", digest, store_endpoint=bad.store().place.endpoint, **floor)
        with worker(wanted, tmp_path / "w") as one:
            failed = one.failed()
    last = json.loads((tmp_path / "disk/cache/sync.jsonl").read_text().splitlines()[-1])

    assert "in the last 1 s, the floor is 1.0 MB/s" in (failed.error or "")
    assert last["error"] == "LinkTooSlow"
