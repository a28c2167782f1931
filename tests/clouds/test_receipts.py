"""The first receipt of a machine counts, wherever it lies."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from videogen import local_store, receipts
from videogen.errors import ObjectMissing, StoreError
from videogen.lease import LeaseTerms
from videogen.local_store import LocalStore
from videogen.money import Cap, Receipt
from videogen.receipts import Receipts
from videogen.rent_record import LastWord, RentRecord
from videogen.stack_outputs import Store
from videogen.store import Store as StoreClient
from videogen.store import heartbeat_key, last_word_key

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


RENT = RentRecord(
    machine="dev-1-a", cloud="runpod", owner="0123abcd", stack="dev", slot="1", phase="a", run="r1", batch="walk",
    gpu="L40S", dollars_per_hour=Decimal("1.20"), rented=START, lease_minutes=60, boot_minutes=10,
    cap=Cap(run=Decimal(5), month=Decimal(50)),
)  # fmt: skip


def rent(machine: str, **more: object) -> RentRecord:
    """A record of that machine."""
    return RENT.model_copy(update={"machine": machine, **more})


def test_an_open_rent_is_a_record_without_a_receipt(tmp_path: Path, store: StoreClient) -> None:
    """Whoever shares the bucket sees it, until the receipt lies there."""
    mine, others = Receipts(tmp_path / "dev", store), Receipts(tmp_path / "other", store)
    for name in ("dev-1-a", "dev-2-b"):
        mine.open(rent(name))
    assert [one.machine for one in others.open_rents()] == ["dev-1-a", "dev-2-b"]

    mine.keep(receipt(1, "dev-1-a"))
    assert others.open_rents() == [rent("dev-2-b")]


def test_without_the_bucket_no_rent_is_opened(state: Path, store: StoreClient) -> None:
    """A record that the bucket did not take is an error, and an open rent on this machine."""
    kept = Receipts(state, store)
    LocalStore(state).end()
    with pytest.raises(StoreError):
        kept.open(rent("dev-1-a"))
    with pytest.raises(StoreError):
        kept.open_rents()
    access = local_store.new_access()
    again = StoreClient(local_store.place(LocalStore(state).start(access), WANTED), access, patience_seconds=2)

    assert Receipts(state, again).open_rents() == [rent("dev-1-a")]


def test_a_receipt_that_waits_closes_its_rent(state: Path, store: StoreClient) -> None:
    """A machine whose receipt is only on this machine yet is no open rent here, and its money counts."""
    in_the_way = state / "store" / "videogen-outputs" / "receipts" / "dev-1-a.json"
    in_the_way.mkdir(parents=True)
    kept = Receipts(state, store)
    kept.open(rent("dev-1-a"))
    kept.keep(receipt(1, "dev-1-a"))

    spent = kept.month(START + timedelta(hours=1))
    assert kept.waits("dev-1-a")
    assert not spent.open_rents
    assert [one.machine for one in spent.receipts] == ["dev-1-a"]


def test_a_renewal_is_in_the_record(tmp_path: Path, store: StoreClient) -> None:
    """Whoever looks next knows the new lease and cap; what is not on record cannot be renewed."""
    one, two = Receipts(tmp_path / "one", store), Receipts(tmp_path / "two", store)
    one.open(rent("dev-1-a"))
    lease, cap = LeaseTerms(total=240, idle=30, boot=20), Cap(run=Decimal(2), month=Decimal(20))

    assert two.renewed("dev-1-a", lease, cap).lease_minutes == 240
    assert one.record("dev-1-a") == rent("dev-1-a", lease_minutes=240, boot_minutes=20, cap=cap)
    with pytest.raises(ObjectMissing):
        two.renewed("dev-9-z", lease, cap)
    assert one.record("dev-9-z") is None


def test_the_own_copy_of_a_record_serves_while_the_store_is_away(state: Path, store: StoreClient) -> None:
    """Who rented a machine can still say whose it was; somebody else cannot."""
    Receipts(state, store).open(rent("dev-1-a"))
    LocalStore(state).end()

    assert Receipts(state, store).record("dev-1-a") == rent("dev-1-a")
    with pytest.raises(StoreError):
        Receipts(state / "elsewhere", store).record("dev-1-a")


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"schema": 1, "machine": "x"}', b'{"started": "yesterday"}'])
def test_garbage_is_one_fault_and_hides_nothing(tmp_path: Path, store: StoreClient, garbage: bytes) -> None:
    """A receipt and a record that cannot be read are named by their keys; all others count."""
    kept = Receipts(tmp_path, store)
    kept.keep(receipt(1, "dev-1-a"))
    kept.open(rent("dev-2-b"))
    for key in ("receipts/dev-3-c.json", "rented/dev-4-d.json"):
        store.put_bytes(store.outputs, key, garbage)

    spent = kept.month(START + timedelta(hours=1))
    assert [one.machine for one in spent.receipts] == ["dev-1-a"]
    assert spent.open_rents == (rent("dev-2-b"),)
    assert [fault.address for fault in spent.faults] == [
        "videogen-outputs/receipts/dev-3-c.json", "videogen-outputs/rented/dev-4-d.json",
    ]  # fmt: skip
    with pytest.raises(StoreError, match=r"rented/dev-4-d\.json"):
        kept.open_rents()


def test_what_a_worker_said_is_dated_by_the_store(tmp_path: Path, store: StoreClient) -> None:
    """A last word and a heartbeat come with the store's time; a worker that said nothing said nothing."""
    kept = Receipts(tmp_path, store)
    word = LastWord(machine="dev-1-a", why="idle", code=0, lived_seconds=10.0**9)
    store.put_bytes(store.outputs, last_word_key("dev-1-a"), word.model_dump_json(by_alias=True).encode())
    store.put_bytes(store.outputs, heartbeat_key("dev-1-a"), b"")

    said, beat = kept.last_word("dev-1-a"), kept.heartbeat("dev-1-a")
    assert said is not None
    assert beat is not None
    assert said[0] == word
    assert all(abs((datetime.now(UTC) - when).total_seconds()) < 60 for when in (said[1], beat))
    assert kept.last_word("dev-2-b") is None
    assert kept.heartbeat("dev-2-b") is None
