"""Which machine may live: every rule alone, at its limit, and all of them at random."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogen.money import Cap
from videogen.rent_record import RentRecord
from videogen.right_to_live import BOOT, Known, Right, Spending, right_to_live

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
RECORD = RentRecord(
    machine="phase-c-1-abcd",
    cloud="runpod",
    owner="0123abcd",
    stack="phase-c",
    slot="1",
    phase="c",
    gpu="H100-80GB",
    dollars_per_hour=Decimal("4.40"),
    rented=START,
    lease_minutes=60,
    boot_minutes=20,
    cap=Cap(run=Decimal(10), month=Decimal(100)),
)
HEALTHY = Known(
    running=True,
    started=START,
    dollars_per_hour=Decimal("2.99"),
    lease_minutes=60,
    record=RECORD,
    receipt=False,
    in_state=True,
    heard=START + timedelta(minutes=29),
    last_word=None,
    store_answers=True,
    spending=Spending(month=Decimal(50), run=Decimal(5)),
)


def after(minutes: float, known: Known = HEALTHY) -> Right:
    return right_to_live(known, START + timedelta(minutes=minutes))


def test_a_healthy_machine_may_live() -> None:
    """It is in its state, says each minute that it lives, and has a lease."""
    assert after(30) == Right(lives=True, why="its lease has 30 min left")


@pytest.mark.parametrize(
    ("known", "minutes", "why"),
    [
        (replace(HEALTHY, running=False), 1, "it exited by itself and may still cost"),
        (replace(HEALTHY, receipt=True), 1, "it has a receipt and lives all the same"),
        (replace(HEALTHY, in_state=False), 25, "no stack knows it"),
        (replace(HEALTHY, heard=START + timedelta(minutes=15)), 25, "silent for 10 min"),
        (replace(HEALTHY, heard=None), 30, "silent for 30 min"),
        (replace(HEALTHY, heard=START, last_word=("idle", START)), 2, "it wanted to end itself and could not: idle"),
        (
            replace(HEALTHY, spending=Spending(Decimal(50), Decimal(10))),
            30,
            "the cap of a run is reached: $10.00 of $10",
        ),
        (
            replace(HEALTHY, spending=Spending(Decimal(100), Decimal(1))),
            30,
            "the cap of a month is reached: $100.00 of $100",
        ),
    ],
)
def test_each_reason_to_end(known: Known, minutes: float, why: str) -> None:
    """Each rule alone is enough."""
    assert after(minutes, known) == Right(lives=False, why=why)


@pytest.mark.parametrize(
    ("known", "minutes"),
    [
        (replace(HEALTHY, in_state=False), 24.9),
        (replace(HEALTHY, heard=START + timedelta(minutes=15.1)), 25),
        (replace(HEALTHY, heard=None), 29.9),
        (replace(HEALTHY, heard=START), 19),
        (replace(HEALTHY, heard=START, last_word=("idle", START + timedelta(minutes=8))), 9.9),
        (replace(HEALTHY, last_word=("idle", START + timedelta(minutes=8))), 29.9),
        (replace(HEALTHY, spending=Spending(Decimal("99.99"), Decimal("9.99"))), 29),
    ],
)
def test_just_before_the_limit_it_may_live(known: Known, minutes: float) -> None:
    """No rule is early; while a machine boots it may be silent and in no state."""
    assert after(minutes, known).lives


def test_a_lease_has_two_minutes_of_grace() -> None:
    """The worker ends itself first."""
    heard = replace(HEALTHY, heard=START + timedelta(minutes=61))

    assert after(61.9, heard) == Right(lives=True, why="its lease has 0 min left")
    assert after(62, heard) == Right(lives=False, why="its lease of 60 minutes is over")


def test_a_renewed_lease_counts() -> None:
    """The record goes before what the cloud remembers; without a record the cloud's word counts."""
    heard = replace(HEALTHY, heard=START + timedelta(minutes=99))
    renewed = replace(heard, record=RECORD.model_copy(update={"lease_minutes": 120.0}))

    assert after(100, renewed).lives
    assert not after(100, replace(heard, record=None)).lives
    assert after(100, replace(heard, record=None, lease_minutes=0)) == Right(lives=True, why="its lease is not known")


def test_the_longer_lease_counts() -> None:
    """A record may be an old copy, read where the store did not answer; the stack's state knows of a renewal too."""
    heard = replace(HEALTHY, heard=START + timedelta(minutes=99))

    assert after(100, replace(heard, declared_minutes=120.0)).lives
    assert not after(100, replace(heard, declared_minutes=30.0)).lives


def test_what_is_unknown_ends_nothing() -> None:
    """State, store and sums that cannot be read are no reason; the lease is one all the same."""
    dark = replace(HEALTHY, record=None, in_state=None, heard=None, last_word=None, store_answers=False, spending=None)

    assert after(59, dark) == Right(lives=True, why="its lease has 1 min left; whether its stack knows it is not known")
    assert after(62, dark).why == "its lease of 60 minutes is over"


def test_a_machine_that_nobody_wrote_down() -> None:
    """Its boot is taken to be long; then no stack knows it."""
    stray = replace(HEALTHY, record=None, in_state=False, heard=None, lease_minutes=0)
    limit = BOOT.total_seconds() / 60 + 5

    assert after(limit - 0.1, stray).lives
    assert after(limit, stray).why == "no stack knows it"


def test_a_machine_that_costs_nothing_may_be_silent() -> None:
    """Heartbeats and caps are for machines that bill."""
    spending = Spending(Decimal(1000), Decimal(1000))

    free = RECORD.model_copy(update={"dollars_per_hour": Decimal(0)})
    assert after(50, replace(HEALTHY, dollars_per_hour=Decimal(0), record=free, heard=None, spending=spending)).lives


def test_a_machine_without_a_price_bills_by_its_record() -> None:
    """A cloud names no price for what is on its way; silence and caps count for it all the same."""
    unpriced = replace(HEALTHY, dollars_per_hour=Decimal(0))

    assert after(30, replace(unpriced, heard=None)).why == "silent for 30 min"
    assert "cap of a run" in after(30, replace(unpriced, spending=Spending(Decimal(50), Decimal(10)))).why


moments = st.floats(0, 300).map(lambda minutes: START + timedelta(minutes=minutes))
dollars = st.decimals(0, 200, places=2)
anything = st.builds(
    Known,
    running=st.booleans(),
    started=st.just(START),
    dollars_per_hour=st.sampled_from([Decimal(0), Decimal("2.99")]),
    lease_minutes=st.sampled_from([0.0, 60.0]),
    record=st.sampled_from([None, RECORD]),
    receipt=st.booleans(),
    in_state=st.sampled_from([None, True, False]),
    heard=st.none() | moments,
    last_word=st.none() | st.tuples(st.just("idle for 15 minutes"), moments),
    store_answers=st.booleans(),
    spending=st.none() | st.builds(Spending, dollars, dollars),
)


@given(anything, moments, st.floats(0, 300))
def test_time_never_gives_the_right_back(known: Known, now: datetime, later: float) -> None:
    """Once a machine has to end, it has to end at every later moment, if nothing else changes."""
    if not right_to_live(known, now).lives:
        assert not right_to_live(known, now + timedelta(minutes=later)).lives


@given(anything, moments)
def test_no_lease_outlasts_its_grace(known: Known, now: datetime) -> None:
    """Whatever else is known or unknown, two minutes after the lease a machine has no right to live."""
    minutes = known.record.lease_minutes if known.record else known.lease_minutes
    if minutes and now >= START + timedelta(minutes=minutes + 2):
        assert not right_to_live(known, now).lives


@given(anything, moments)
def test_less_knowledge_ends_less(known: Known, now: datetime) -> None:
    """A state or store that cannot be read never ends a machine that would live if it could; the record is apart."""
    dark = replace(known, in_state=None, heard=None, last_word=None, store_answers=False, spending=None)
    if right_to_live(known, now).lives:
        assert right_to_live(dark, now).lives
