"""What a phase may still spend, by the books in a real store."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.provider.caps import require_money
from infra.provider.engine import Call
from infra.provider.gpu_worker import Handler
from infra.provider.wanted import WantedPhase
from tests.doubles.s3_server import S3Server
from videogen.errors import Stopped, StoreError, VideogenError
from videogen.money import Cap, Receipt
from videogen.receipts import Receipts
from videogen.rent_record import RentRecord

BEGAN = datetime.now(UTC)


def wanted(s3: S3Server, **other: Any) -> WantedPhase:
    """An L40S for an hour at $1.40; its models come from a store without a price."""
    keys = {"key": "k", "secret": "s"}
    return WantedPhase.model_validate(
        {
            "stack": "phase-a", "phase": "a", "cloud": "runpod", "gpus": [{"gpu": "L40S", "dollars_per_hour": 1.40}],
            "places": [], "workers": 1, "image": "me/worker:1", "volumeGb": 0, "containerDiskGb": 20, "cuda": "",
            "sshPublicKeys": "", "lease": {"total": 60, "idle": 30, "boot": 5}, "rent": {"creates": 3, "wait": 0},
            "cap": {"run": 1.80, "month": 10}, "manifest": "0" * 64, "file": "models_manifest.dev.yaml",
            "workflows": ["wan22-i2v"], "foundationStack": "prod", "store": s3.place.model_dump(), "access": keys,
            "workerAccess": keys, "comfyui": {},
        }
        | other
    )  # fmt: skip


def receipt(dollars: str, **other: Any) -> Receipt:
    """Of a machine of the stack that was just started, and ended."""
    about = {
        "machine": f"phase-a-1-{dollars}", "id": "x1", "stack": "phase-a", "phase": "a", "cloud": "runpod", "gpu": "L40S",
        "started": BEGAN, "ended": BEGAN, "seconds": 0, "dollars_per_hour": 1, "dollars": dollars, "why": "not ready",
        "ended_by": "pulumi",
    }  # fmt: skip
    return Receipt.model_validate(about | other)


def test_machines_that_failed_count_with_the_run(s3: S3Server, tmp_path: Path) -> None:
    """What this run has spent in vain is taken from its cap; what an earlier one or another stack spent is not."""
    books = Receipts(tmp_path / "state", s3.store())
    books.keep(receipt("0.41", started=BEGAN - timedelta(hours=1)))
    books.keep(receipt("0.42", stack="phase-b"))
    books.keep(receipt("0.40"))
    require_money(wanted(s3), books, BEGAN)
    books.keep(receipt("0.01"))

    with pytest.raises(Stopped, match=r"after \$0.41 for machines that did not get ready, the cap of a run is \$1.8"):
        require_money(wanted(s3), books, BEGAN)


def waits_for_its_bill(dollars: str, **other: Any) -> RentRecord:
    """An open rent of a machine that is gone."""
    one = receipt(dollars, **other)
    about = {
        "machine": one.machine, "id": one.id, "cloud": one.cloud, "owner": "0123abcd", "stack": one.stack, "slot": "1",
        "phase": one.phase, "gpu": one.gpu, "dollars_per_hour": 1, "rented": one.started, "lease_minutes": 60,
        "boot_minutes": 5, "cap": {"run": 1.80, "month": 10}, "unbilled": one,
    }  # fmt: skip
    return RentRecord.model_validate(about)


def test_machines_that_wait_for_their_bill_count(s3: S3Server, tmp_path: Path) -> None:
    """What a machine of this stack cost at the latest is taken from the cap of the run, and from the month's."""
    books = Receipts(tmp_path / "state", s3.store())
    books.open(waits_for_its_bill("0.41"))
    with pytest.raises(Stopped, match=r"after \$0.41 for machines that did not get ready, the cap of a run is \$1.8"):
        require_money(wanted(s3), books, BEGAN)

    books.keep(receipt("0.41", started=BEGAN - timedelta(hours=1)))
    books.open(waits_for_its_bill("8.61", started=BEGAN - timedelta(hours=1)))
    with pytest.raises(Stopped, match=r"the month has cost \$9.02 so far, its cap is \$10"):
        require_money(wanted(s3), books, BEGAN)


def test_a_new_cap_or_lease_is_in_the_books(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `up` that changes only a worker's caps tells it whoever sweeps; a run does so only where it goes on with it."""
    monkeypatch.setenv("VIDEOGEN_STATE", str(tmp_path))
    books = Receipts(tmp_path / "phase-a", s3.store())
    record = waits_for_its_bill("0").model_copy(update={"unbilled": None, "cloud": "local"})
    books.open(record)
    keys = {"key": s3.access.key.reveal(), "secret": s3.access.secret.reveal()}
    about = wanted(s3, cloud="local", gpus=[], access=keys).model_dump(mode="json", by_alias=True)
    before = about | {"slot": "1", "access": keys, "workerAccess": keys}
    machine = {
        "name": record.machine, "gpu": "L40S", "dollars_per_hour": "1", "started": BEGAN.isoformat(), "url": "",
        "agent": "", "log": "", "id": "x1", "place": "", "token": "t",
    }  # fmt: skip
    after = before | {"cap": {"run": 0.5, "month": 5}}
    call = Call(print, print, threading.Event(), lambda _name, _undo: None)
    monkeypatch.setenv("VIDEOGEN_RUN", "mine")
    with pytest.raises(VideogenError, match="was rented by a plain `up` meanwhile"):
        Handler().update(before | machine, after, call)
    assert books.open_rents() == [record]
    monkeypatch.setenv("VIDEOGEN_RUN_LEFT", f"phase-a-9-zz {record.machine}")
    Handler().update(before | machine, after, call)

    (found,) = books.open_rents()
    assert found == record.model_copy(update={"cap": Cap(run=Decimal("0.5"), month=Decimal(5))})


def test_the_month_counts_with_all_stacks(s3: S3Server, tmp_path: Path) -> None:
    """Other stacks' receipts, and the worst case of this one."""
    books = Receipts(tmp_path / "state", s3.store())
    books.keep(receipt("8.60", stack="phase-b", started=BEGAN - timedelta(hours=1)))
    require_money(wanted(s3), books, BEGAN)
    books.keep(receipt("0.01", stack="phase-c"))

    with pytest.raises(Stopped, match=r"the month has cost \$8.61 so far, its cap is \$10"):
        require_money(wanted(s3), books, BEGAN)


def test_what_is_not_known_is_not_spent(s3: S3Server, tmp_path: Path) -> None:
    """A receipt that cannot be read, or no store at all: nothing is rented; where nobody bills, nobody is asked."""
    store = s3.store(patience_seconds=1)
    books = Receipts(tmp_path / "state", store)
    store.put_bytes(store.outputs, "receipts/odd.json", b"{}", "application/json")
    with pytest.raises(StoreError, match=r"what the month has cost is not known, so nothing is rented: .*odd\.json"):
        require_money(wanted(s3), books, BEGAN)
    s3.kill()

    with pytest.raises(StoreError, match="what the month has cost is not known, so nothing is rented"):
        require_money(wanted(s3), books, BEGAN)
    require_money(wanted(s3, cloud="local", gpus=[]), books, BEGAN)
