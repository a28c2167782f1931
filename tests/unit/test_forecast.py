"""What an `up` will rent and can cost, in numbers and in words."""

from dataclasses import replace
from decimal import Decimal

import pytest

from videogen.forecast import Plan, forecast
from videogen.gpu import Offer
from videogen.money import Cap

PLAN = Plan(
    phase="c",
    workflows=("scail-uni3c-wan22", "wan22-i2v"),
    cloud="runpod",
    workers=2,
    gpus=(
        Offer(gpu="H100-80GB", dollars_per_hour=Decimal("4.40")),
        Offer(gpu="H200-141GB", dollars_per_hour=Decimal("5.10")),
    ),
    places=(),
    lease_minutes=480,
    cap=Cap(run=Decimal(120), month=Decimal(400)),
    model_bytes=60_000_000_000,
    store_endpoint="",
)


def test_the_words_say_what_why_where_and_how_much() -> None:
    """Workers, reasons, prices, the parts of the worst case, both caps, the month."""
    assert forecast(PLAN, Decimal("12.345")).words() == (
        "phase c: 2 workers on runpod, for scail-uni3c-wan22, wan22-i2v",
        "GPU: H100-80GB up to $4.40/h, H200-141GB up to $5.10/h, in any place",
        "worst case: $92.40 (2 x 480 minutes at $5.10/h is $81.60; 2 x 60.0 GB of models from AWS at $0.09/GB is $10.80)"
        "; the cap of a run is $120",
        "month to date: $12.35, without this; the cap of a month is $400",
    )


def test_a_gpu_that_the_cloud_lacks_costs_nothing_and_is_named() -> None:
    """A list may serve more than one cloud: what this one does not rent out is left out, and said."""
    plan = replace(PLAN, gpus=(Offer(gpu="A100-40GB", dollars_per_hour=Decimal(9)), PLAN.gpus[0]), places=("EU-RO-1",))
    found = forecast(plan, None)

    assert (found.rent, found.left_out) == (Decimal("70.40"), ("A100-40GB",))
    assert found.words()[1] == (
        "GPU: H100-80GB up to $4.40/h, in EU-RO-1; never A100-40GB, which runpod does not rent out"
    )


@pytest.mark.parametrize(
    ("endpoint", "dollars"),
    [
        ("", "10.80"),
        ("https://s3.eu-central-1.amazonaws.com", "10.80"),
        ("https://0123.r2.cloudflarestorage.com", "0"),
        ("https://notamazonaws.com", "0"),
        (None, "0"),
    ],
)
def test_traffic_is_charged_by_aws(endpoint: str | None, dollars: str) -> None:
    """Models that leave AWS cost money at each boot, those of other stores are not known to."""
    assert forecast(replace(PLAN, store_endpoint=endpoint), None).traffic == Decimal(dollars)


def test_this_machine_sends_no_bill() -> None:
    """A local stack is said in one line."""
    plan = replace(
        PLAN, phase="a", cloud="local", gpus=(), workers=1, workflows=("wan22-i2v",), cap=Cap(run=0, month=0)
    )
    found = forecast(plan, None)

    assert (found.worst, found.refusal()) == (Decimal(0), None)
    assert found.words() == ("phase a: 1 worker on local, for wan22-i2v; at most 480 minutes; no bill",)


def test_a_worst_case_over_the_cap_of_a_run_is_refused() -> None:
    """Traffic counts, and so does what the run has spent on machines that did not get ready."""
    exact = replace(PLAN, cap=Cap(run=Decimal("92.40"), month=Decimal(400)))

    assert forecast(exact, None).refusal() is None
    assert str(forecast(replace(PLAN, cap=Cap(run=Decimal(90), month=Decimal(400))), None).refusal()).endswith(
        "$10.80), the cap of a run is $90"
    )
    assert "after $0.01 for machines that did not get ready, the cap of a run is $92.40" in str(
        forecast(exact, None).refusal(Decimal("0.001"))
    )


def test_a_month_that_is_nearly_spent_refuses() -> None:
    """The month so far and the worst case together stay within the cap of the month; an unknown month refuses nothing."""
    assert forecast(PLAN, Decimal("307.60")).refusal() is None
    assert str(forecast(PLAN, Decimal("307.61")).refusal()).endswith(
        "the month has cost $307.61 so far, its cap is $400"
    )
    assert forecast(PLAN, None).refusal() is None
    assert forecast(PLAN, None).words()[-1] == "month to date: not known; the cap of a month is $400"
