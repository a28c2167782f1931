"""Receipts and the cloud's bill: what the bill has so far is never taken for all that a machine cost."""

import dataclasses
from decimal import Decimal
from pathlib import Path

from tests.clouds.conftest import Quick
from tests.clouds.test_rent_runpod import assert_nothing_is_left
from videogen import port
from videogen.receipts import Receipts
from videogen.store import Store


def test_a_bill_of_the_first_hours_is_not_taken(quick: Quick) -> None:
    """A pod exited hours ago, and the bill has only its first hour yet: its receipt waits until it has all."""
    quick.fake.fault("exit", seconds=3 * 3600)
    quick.fake.fault("half-bill", seconds=3 * 3600)
    machine = quick.rent()
    quick.fake.clock.advance(4 * 3600)

    assert quick.renter.look(machine) is None
    (rent,) = quick.books.open_rents()
    assert rent.unbilled
    quick.fake.clock.advance(4 * 3600)
    assert quick.renter.closed(rent)
    assert [one.basis for one in quick.receipts.values()] == ["billing"]
    assert_nothing_is_left(quick)


def test_a_bill_that_is_dearer_than_what_was_seen_waits_for_its_end(quick: Quick) -> None:
    """Its price rose when nobody looked: the bill has more than was reckoned, and still not all."""
    quick.fake.fault("price-change", seconds=600, dollars="19.95")
    quick.fake.fault("half-bill", seconds=3600)
    machine = quick.rent()
    pod = quick.fake.pod(machine.name)
    quick.fake.clock.advance(3 * 3600)
    pod.prices.append((quick.fake.clock(), Decimal("3.99")))
    quick.renter.end(machine, "destroyed")

    (rent,) = quick.books.open_rents()
    quick.fake.clock.advance(3 * 3600)
    assert quick.renter.closed(rent)
    assert_nothing_is_left(quick)


def test_nothing_is_free_because_the_store_is_silent(quick: Quick, tmp_path: Path) -> None:
    """A pod that exited tells no price; while its record cannot be read either, it gets no receipt of nothing."""
    quick.fake.fault("exit", seconds=900)
    machine = quick.rent()
    quick.fake.clock.advance(7200)
    (listed,) = quick.cloud.machines()
    nowhere = quick.spec.store.model_copy(update={"endpoint": f"http://127.0.0.1:{port.free(['s3'])['s3']}"})
    silent = Receipts(tmp_path / "elsewhere", Store(nowhere, quick.spec.access, patience_seconds=0.2))
    elsewhere = dataclasses.replace(quick.renter, receipts=silent)

    assert (listed.id, listed.dollars_per_hour) == (machine.id, Decimal(0))
    for why in ("it exited by itself and may still cost", "found gone"):
        elsewhere.end(listed, why)
        assert silent.waiting() == ()
    assert quick.fake.alive() == []
