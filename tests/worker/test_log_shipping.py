"""What was said is in the bucket, without secrets and of bounded size; a dead store costs no time."""

import gzip
import json
import threading
import time
from pathlib import Path
from typing import Any

from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import fill, manifest_text, settings, ticks, worker
from videogen.log_shipping import LogShipping
from videogen.redaction import Redaction
from videogen.secret import Secret


def shipping(s3: S3Server, most: int = 1 << 30) -> LogShipping:
    """A shipping of worker `w1`; its buckets exist."""
    s3.store()
    return LogShipping(s3.place, s3.access, "w1", Redaction([Secret("s3cr3t-s3cr3t")]), most_shipped=most)


def shipped(s3: S3Server) -> list[dict[str, Any]]:
    """All lines in the bucket, in order."""
    store = s3.store()
    found = [gzip.decompress(store.get_bytes(store.outputs, one.key)) for one in store.list(store.outputs, "logs/w1/")]
    return [json.loads(line) for data in found for line in data.splitlines()]


def test_worker(s3: S3Server, tmp_path: Path) -> None:
    """A worker's steps and its ComfyUI's words come to the bucket while it lives, and the last ones at its end."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), log_ship_seconds=0.5)
    with worker(wanted, tmp_path / "w") as one:
        one.ready()
        for _ in ticks(10):
            if any(line.get("state") == "ready" for line in shipped(s3)):
                break
        one.process.terminate()
        assert one.ends(8) == 0

    lines = shipped(s3)
    assert {line["step"] for line in lines if "step" in line} >= {"manifest", "models"}
    assert any(line.get("from") == "ComfyUI" for line in lines)
    assert [line["state"] for line in lines if "state" in line] == ["ready", "ending"]


def test_worker_that_fails(s3: S3Server, tmp_path: Path) -> None:
    """Why a boot failed is in the bucket."""
    s3.store()
    with worker(settings(s3, tmp_path / "disk", "0" * 64, log_ship_seconds=60), tmp_path / "w") as one:
        assert one.ends() == 1

    assert any("has no manifest" in line.get("error", "") for line in shipped(s3))


def test_followed(s3: S3Server, tmp_path: Path) -> None:
    """A program's log is shipped from where it was left, also when it began anew; secrets are not."""
    one, path = shipping(s3), tmp_path / "x.log"
    path.write_text("first\nkey s3cr3t-s3cr3t\n")
    one.follow("x", path)
    one.ship()
    with path.open("a") as file:
        file.write("second\n")
    one.ship()
    path.write_text("anew\n")
    one.ship()
    one.ship()

    assert [line["line"] for line in shipped(s3)] == ["first", "key ***", "second", "anew"]
    assert len(list(s3.store().list("outputs", "logs/w1/"))) == 3


def test_bounded(s3: S3Server, tmp_path: Path) -> None:
    """The middle of a very long log is left out, and lines of which too many wait are lost."""
    one, path = shipping(s3), tmp_path / "x.log"
    path.write_text(f"{'a line' * 50}\n" * 10_000)
    one.follow("x", path)
    one.ship()
    for number in range(200_000):
        one.take(json.dumps({"number": number, "more": "x" * 20}))
    one.ship()
    lines = shipped(s3)

    assert lines[0]["line"].startswith("… ")
    assert lines[-1]["number"] == 199_999
    assert any("lines were lost" in line.get("message", "") for line in lines)


def test_bounded_in_all(s3: S3Server) -> None:
    """When there is too much of a log in the bucket, no more of it comes there."""
    one = shipping(s3, most=1)
    for number in range(3):
        one.take(json.dumps({"number": number}))
        one.ship()

    assert shipped(s3) == [{"number": 0}]


def test_dead_store(s3: S3Server, tmp_path: Path) -> None:
    """A store that is away costs the end no more than it was given; what was said meanwhile comes later."""
    one = shipping(s3)
    s3.kill()
    one.take('{"message": "kept"}')
    began = time.monotonic()
    one.finish(0.5, threading.Event())
    took = time.monotonic() - began
    one.finish(5, threading.Event())
    s3.start()

    assert 0.5 <= took < 1.5
    assert time.monotonic() - began < 3
    one.ship()
    assert any(line.get("message") == "kept" for line in shipped(s3))


def test_hurry(s3: S3Server) -> None:
    """Who is in a hurry does not wait for a store."""
    one, hurry = shipping(s3), threading.Event()
    s3.kill()
    one.take("{}")
    threading.Timer(0.2, hurry.set).start()
    began = time.monotonic()
    one.finish(20, hurry)

    assert time.monotonic() - began < 1
