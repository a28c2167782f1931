"""A month's sum: each receipt once, what lives until now, and shares that add up."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from videogen.money import Cap, Receipt, cost
from videogen.rent_record import RentRecord
from videogen.spending import KEYS, Key, Video, month_of, shares, so_far, spent

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def receipt(machine: str, ended: datetime, dollars: str = "1.0000", **more: str) -> Receipt:
    """A receipt over an hour."""
    words = {"stack": "phase-c", "phase": "c", "gpu": "H100-80GB", "batch": "walk"} | more
    return Receipt(
        machine=machine, cloud="runpod", started=ended - HOUR, ended=ended, seconds=3600, why="destroyed",
        dollars_per_hour=Decimal(dollars), dollars=Decimal(dollars), ended_by="test",
        stack=words["stack"], phase=words["phase"], gpu=words["gpu"], batch=words["batch"],
    )  # fmt: skip


def rent(machine: str, rented: datetime, price: str = "2.00") -> RentRecord:
    """An open rent."""
    return RentRecord.model_validate(
        {
            "machine": machine, "cloud": "runpod", "owner": "0123abcd", "stack": "phase-c", "slot": "1", "phase": "c",
            "batch": "walk", "gpu": "H100-80GB", "dollars_per_hour": Decimal(price), "rented": rented,
            "lease_minutes": 60, "boot_minutes": 10, "cap": Cap(run=Decimal(5), month=Decimal(50)),
        }
    )  # fmt: skip


def test_a_receipt_counts_in_the_month_in_which_it_ended() -> None:
    """In UTC, whole, and in no other month; what its clock's zone says does not matter."""
    tokyo = timezone(timedelta(hours=9))
    first = datetime(2026, 12, 1, 0, 0, tzinfo=UTC)
    ends = [first - timedelta(seconds=1), first, first.astimezone(tokyo), first + 40 * 24 * HOUR]
    found = [receipt(f"m{number}", end) for number, end in enumerate(ends)]
    sums = {month: spent(found, (), (), NOW, month).dollars for month in ("2026-11", "2026-12", "2027-01", "2027-02")}

    assert list(sums.values()) == [1, 2, 1, 0]
    assert month_of(datetime(2026, 12, 1, 8, 59, tzinfo=tokyo)) == "2026-11"


def test_what_lives_counts_until_now_and_only_now() -> None:
    """At the price of its record; a month that is over has only receipts; a clock that ran back costs nothing."""
    living = [rent("m1", NOW - 3 * HOUR), rent("m2", NOW + HOUR)]

    assert spent((), living, (), NOW).dollars == Decimal("6.0000")
    assert spent((), living, (), NOW).hourly == 4
    assert spent((), living, (), NOW, "2026-10").dollars == 0
    assert so_far(living[1], NOW) == 0


WORDS = st.sampled_from(["a", "b", "c"])


@st.composite
def books(draw: st.DrawFn) -> tuple[list[Receipt], list[RentRecord], list[Video]]:
    """Any receipts, rents and videos."""
    receipts = [
        receipt(f"r{number}", NOW - HOUR * draw(st.integers(0, 900)), str(draw(st.decimals(0, 50, places=4))),
                stack=draw(WORDS), phase=draw(WORDS), gpu=draw(WORDS), batch=draw(WORDS))
        for number in range(draw(st.integers(0, 8)))
    ]  # fmt: skip
    rents = [rent(f"o{number}", NOW - HOUR * draw(st.integers(0, 90))) for number in range(draw(st.integers(0, 3)))]
    machines = [one.machine for one in receipts] + [one.machine for one in rents] + ["somebody else's"]
    videos = [
        Video(draw(st.sampled_from(machines)), "b", str(number), draw(st.decimals(0, 10, places=3)))
        for number in range(draw(st.integers(0, 8)))
    ]
    return receipts, rents, videos


@given(books(), st.sets(st.sampled_from(KEYS)))
def test_shares_add_up(made: tuple[list[Receipt], list[RentRecord], list[Video]], keys: set[Key]) -> None:
    """Whatever it is told by, the shares are the month's dollars, machines and videos, none of them twice."""
    receipts, rents, videos = made
    month = spent(receipts, rents, (), NOW)
    found = shares(month, videos, sorted(keys))
    counted = {one.machine for one in month.receipts} | {one.machine for one in rents}

    assert sum(one.dollars for one in found) == month.dollars
    assert sum(one.machines for one in found) == len(counted)
    assert sum(one.video_seconds for one in found) == sum(one.seconds for one in videos if one.machine in counted)
    assert len({one.of for one in found}) == len(found)


def test_dollars_a_second_of_video() -> None:
    """$1 and 1 min 20 s of video are a cent and a quarter a second; without a video there is no such price."""
    month = spent([receipt("m1", NOW), receipt("m2", NOW, gpu="L40S")], (), (), NOW)
    videos = [
        Video("m1", "walk", "1", Decimal(75)),
        Video("m1", "walk", "2", Decimal(5)),
        Video("x", "y", "3", Decimal(9)),
    ]

    assert {one.of: one.dollars_per_second for one in shares(month, videos, ["gpu"])} == {
        ("H100-80GB",): Decimal("0.0125"),
        ("L40S",): None,
    }


def _by_hand(objects: list[bytes], month: str) -> Iterator[Fraction]:
    """The sum as anybody can make it who has only the objects: JSON and fractions."""
    for data in objects:
        found = json.loads(data)
        if datetime.fromisoformat(found["ended"]).astimezone(UTC).isoformat().startswith(month):
            yield Fraction(found["dollars"])


@given(st.lists(st.tuples(st.integers(0, 100_000), st.integers(1, 500_000), st.decimals(0, 9, places=2)), max_size=20))
def test_the_sum_can_be_made_from_the_objects_alone(made: list[tuple[int, int, Decimal]]) -> None:
    """JSON, dates and fractions are enough: the sum is the same to the last digit."""
    receipts = [
        receipt(f"m{number}", NOW - timedelta(minutes=ago), str(cost(price, seconds)))
        for number, (ago, seconds, price) in enumerate(made)
    ]
    objects = [one.model_dump_json(by_alias=True).encode() for one in receipts]

    for month in ("2026-11", "2026-10", "2026-09"):
        assert Fraction(spent(receipts, (), (), NOW, month).dollars) == sum(_by_hand(objects, month), Fraction(0))
