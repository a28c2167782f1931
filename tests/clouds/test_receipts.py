"""The first receipt of a machine counts, wherever it lies."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from videogen import local_store, receipts
from videogen.errors import StoreError
from videogen.local_store import LocalStore
from videogen.money import Receipt
from videogen.receipts import Receipts
from videogen.stack_outputs import Store
from videogen.store import Store as StoreClient

WANTED = Store(endpoint="", region="us-east-1", models="videogen-models", outputs="videogen-outputs")
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def receipt(seconds: float, machine: str = "dev-1-a", stack: str = "dev") -> Receipt:
    """A receipt over that time."""
    return Receipt(
        machine=machine, stack=stack, phase="a", cloud="local", gpu="none", started=START,
        ended=START + timedelta(seconds=seconds), seconds=seconds, dollars_per_hour=Decimal(0), dollars=Decimal(0),
        why="destroyed", ended_by="test",
    )  # fmt: skip


@pytest.fixture
def store(state: Path) -> Iterator[StoreClient]:
    """A store with its buckets."""
    server, access = LocalStore(state), local_store.new_access()
    client = StoreClient(local_store.place(server.start(access), WANTED), access, patience_seconds=0.5)
    client.ensure_buckets()
    yield client
    server.end()


def test_the_first_one_on_this_machine_counts(state: Path, store: StoreClient) -> None:
    """While the store is down a second receipt of a machine does not touch the first."""
    LocalStore(state).end()
    kept = Receipts(state, store)

    assert not kept.keep(receipt(1))
    assert not kept.keep(receipt(2))
    (waiting,) = kept.waiting()
    assert receipts.parse(waiting.read_bytes()).seconds == 1


def test_each_machine_waits_for_itself(state: Path, store: StoreClient) -> None:
    """A receipt that the store does not take keeps nobody else's waiting, and is not taken for another's."""
    in_the_way = state / "store" / "videogen-outputs" / "receipts" / "dev-1-a.json"
    in_the_way.mkdir(parents=True)
    kept = Receipts(state, store)

    assert not kept.keep(receipt(1, "dev-1-a"))
    assert kept.keep(receipt(1, "dev-2-b"))
    assert kept.waits("dev-1-a") == state / "receipts" / "dev-1-a.json"
    assert kept.waits("dev-2-b") is None


def test_the_first_one_in_the_bucket_counts(tmp_path: Path, store: StoreClient) -> None:
    """A second machine that ends the same worker again does not change the receipt in the bucket."""
    assert Receipts(tmp_path / "one", store).keep(receipt(1))
    assert Receipts(tmp_path / "two", store).keep(receipt(2))

    assert [one.seconds for one in receipts.stored(store, "dev")[0]] == [1]


def test_receipts_are_listed_by_stack_and_time(tmp_path: Path, store: StoreClient) -> None:
    """The bucket's receipts of one stack come oldest first."""
    kept = Receipts(tmp_path, store)
    for one in (receipt(3, "dev-1-c"), receipt(1, "dev-1-b"), receipt(2, "other-1-a", "other")):
        kept.keep(one)

    assert [one.machine for one in receipts.stored(store, "dev")[0]] == ["dev-1-b", "dev-1-c"]


def test_what_is_no_receipt_says_so() -> None:
    """An object that is none is an error, not a receipt of nothing."""
    with pytest.raises(StoreError, match="not a Receipt: machine"):
        receipts.parse(b"{}")
