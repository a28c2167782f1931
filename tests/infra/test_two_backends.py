"""Two Pulumi backends share a bucket: what one has rented the other does not end."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.provider.engine import Call
from infra.provider.phase import Handler
from tests.doubles.runpod import fake_runpod
from tests.doubles.s3_server import S3Server
from videogen import pulumi_backend, tag
from videogen.receipts import Receipts
from videogen.rent_record import RentRecord


def test_a_destroy_ends_only_what_its_own_backend_lost(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two machines that the state does not know, the other backend's lives on, with a warning that names it."""
    warnings: list[str] = []
    call = Call(print, warnings.append, threading.Event(), lambda _name, _undo: None)
    books = Receipts(tmp_path / "phase-a", s3.store())
    owner = tag.owner(s3.place)
    with fake_runpod() as runpod:
        for name, value in (runpod.environment | {"PULUMI_BACKEND_URL": f"file://{tmp_path}/pulumi"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("VIDEOGEN_STATE", str(tmp_path))
        for name, backend in (("phase-a-1-aa", pulumi_backend.identity()), ("phase-a-2-bb", "0123abcd")):
            pod = runpod.plant(tag.tagged(owner, name), {"VIDEOGEN_WORKER": name})
            about = {
                "machine": name, "id": pod.id, "cloud": "runpod", "owner": owner, "stack": "phase-a", "slot": name[8],
                "phase": "a", "gpu": "L40S", "dollars_per_hour": 1, "rented": datetime.now(UTC), "lease_minutes": 60,
                "boot_minutes": 5, "cap": {"run": 2, "month": 10}, "backend": backend,
            }  # fmt: skip
            books.open(RentRecord.model_validate(about))
        keys = {"key": s3.access.key.reveal(), "secret": s3.access.secret.reveal()}
        state = {"stack": "phase-a", "cloud": "runpod", "store": s3.place.model_dump(), "access": keys}
        Handler(warnings.append).delete(state, call)

        assert [pod.name for pod in runpod.alive()] == [tag.tagged(owner, "phase-a-2-bb")]
        assert any("phase-a-2-bb was rented through another Pulumi backend (0123abcd" in words for words in warnings)
        assert not any("phase-a-2-bb is not there" in words for words in warnings)
