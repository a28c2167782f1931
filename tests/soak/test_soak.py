"""A thousand random faults while two operators rent, render and destroy: nothing lives on, and every cent is in the books.

`SOAK_SEED=7 SOAK_FAULTS=10000 pytest tests/soak` plays another one, or a longer one.
"""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from tests.doubles.runpod import Clock, fake_runpod
from tests.doubles.soak import Drill
from tests.doubles.soak.strikes import STRIKES
from videogen.money import CENT

SEED = int(os.environ.get("SOAK_SEED", "6"))
FAULTS = int(os.environ.get("SOAK_FAULTS", "1000"))


@pytest.mark.parametrize("seed", [SEED])
@pytest.mark.timeout(120 + FAULTS // 2)
def test_a_thousand_faults(tmp_path: Path, seed: int) -> None:
    """At the end no machine lives, each that ever billed has its receipt, and the receipts are RunPod's bill, to the cent."""
    with fake_runpod(clock=Clock.quick(), provisioning=20, starting=40) as fake, Drill(seed, fake, tmp_path) as drill:
        drill.run(FAULTS)
        drill.settle()
        receipts, bill = drill.receipts(), fake.bill()

        assert [pod.name for pod in fake.alive() if not pod.planted] == []
        assert drill.open_rents() == []
        billed = {drill.name(pod.name): pod for pod in bill.pods if not pod.planted}
        assert len(billed) == sum(not pod.planted for pod in bill.pods), "two pods of one name"
        assert [name for name in billed if name not in receipts] == []
        wrong = {
            name: (receipt.dollars, receipt.basis)
            for name, receipt in receipts.items()
            if abs(receipt.dollars - (billed[name].dollars if name in billed else Decimal(0))) >= CENT
        }
        assert wrong == {}
        paid = sum((receipt.dollars for receipt in receipts.values()), Decimal(0))
        assert abs(paid - bill.total) < CENT * max(1, FAULTS // 1000)
        assert bill.total > FAULTS // 50, "nothing much was rented"
        assert drill.struck.keys() == {name for name, _ in STRIKES} or FAULTS < 1000
        assert all(pod.ended is None for pod in bill.pods if pod.planted), "a stranger's machine was ended"
        assert drill.swept[-1].alarms == ()


def test_the_same_seed_does_the_same(tmp_path: Path) -> None:
    """Two drills of one seed make the same machines at the same moments, for the same money."""
    seen = []
    for turn in ("once", "again"):
        quick = fake_runpod(clock=Clock.quick(), provisioning=20, starting=40)
        with quick as fake, Drill(SEED, fake, tmp_path / turn) as drill:
            drill.run(40)
            drill.settle()
            seen.append([(pod.created, pod.ended, pod.dollars, pod.planted) for pod in fake.bill().pods])

    assert seen[0] == seen[1]
    assert seen[0]
