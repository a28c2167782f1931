"""Dollars: worst cases to the cent, costs to a hundredth of one, receipts that are closed."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from videogen.money import Cap, Receipt, cost, over_cap, worst_case


def test_the_worst_case_counts_every_worker_and_the_whole_lease() -> None:
    """Two H100 at $4.40 for eight hours can cost $70.40."""
    assert worst_case(2, Decimal("4.40"), 480) == Decimal("70.40")
    assert worst_case(2, Decimal(0), 480) == Decimal(0)


def test_the_worst_case_is_rounded_up() -> None:
    """A part of a cent is a cent: a minute at $0.61 can cost $0.0101…, so a cap of one cent is too low."""
    assert worst_case(1, Decimal("0.61"), 1) == Decimal("0.02")
    assert over_cap(Cap(run=Decimal("0.01"), month=Decimal(1)), 1, Decimal("0.61"), 1) is not None


def test_a_cap_that_is_just_enough_is_enough() -> None:
    """The cap itself may be spent; a cent more may not, in a run or in a month."""
    exactly = Cap(run=Decimal("70.40"), month=Decimal(100))

    assert over_cap(exactly, 2, Decimal("4.40"), 480) is None
    assert "the cap of a run is $70.39" in str(
        over_cap(Cap(run=Decimal("70.39"), month=Decimal(100)), 2, Decimal("4.40"), 480)
    )
    assert "the cap of a month is $70" in str(
        over_cap(Cap(run=Decimal(100), month=Decimal(70)), 2, Decimal("4.40"), 480)
    )


@given(seconds=st.floats(0, 604_800), price=st.decimals(0, 100, places=2))
def test_a_worker_within_its_lease_costs_no_more_than_the_worst_case(seconds: float, price: Decimal) -> None:
    """What a time of rent costs is never above the worst case of that time, but for rounding to a hundredth of one."""
    assert cost(price, seconds) <= worst_case(1, price, seconds / 60) + Decimal("0.0001")


def test_a_receipt_reads_as_it_was_written() -> None:
    """Written and read, a receipt is the same; unknown keys and negative sums are refused."""
    now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    receipt = Receipt(
        machine="m", stack="dev", phase="a", cloud="local", gpu="none", started=now, ended=now, seconds=0,
        dollars_per_hour=Decimal("1.40"), dollars=Decimal("0.0000"), why="destroyed", ended_by="pulumi",
    )  # fmt: skip

    assert Receipt.model_validate_json(receipt.model_dump_json(by_alias=True)) == receipt
    for wrong in ({"dollars": Decimal(-1)}, {"price": 1}):
        with pytest.raises(ValidationError):
            Receipt.model_validate(receipt.model_dump(by_alias=True) | wrong)
