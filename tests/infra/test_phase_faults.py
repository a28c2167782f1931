"""RunPod misbehaves while the real engine rents and ends: what comes of it is said, nothing is left, every cent is known.

Every test begins and ends with nothing rented.
"""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.doubles.rented_phase import RentedPhase
from tests.doubles.runpod import fake_runpod
from tests.doubles.runpod.process_box import unable
from tests.doubles.s3_server import S3Server
from tests.infra.conftest import soon
from videogen.money import CENT

pytestmark = pytest.mark.skipif(bool(unable()), reason=unable() or "-")

L40S, SXM, PCIE = "NVIDIA L40S", "NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe"
SHORT = "{total: 0.25, idle: 0.2, boot: 0.2}"
LONG = "{total: 60, idle: 30, boot: 1}"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RentedPhase]:
    """`prod` is up; one L40S is wished for, else an A100."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "s3").mkdir()
    with S3Server(folder / "s3") as s3, fake_runpod(pods="processes") as runpod:
        made = RentedPhase(folder, s3, runpod)
        made.set("phase-c", "gpus", "[{gpu: L40S, dollars_per_hour: 1.40}, {gpu: A100-80GB, dollars_per_hour: 2.20}]")
        made.set("phase-c", "rent", "{creates: 2, wait: 0}")
        made.found()
        yield made


@pytest.fixture
def phase(office: RentedPhase) -> Iterator[RentedPhase]:
    """Nothing is wrong yet; afterwards everything is destroyed and paid."""
    yield office
    office.runpod.heal()
    done = office.phase("destroy")
    assert done.returncode == 0, done.stdout
    assert office.runpod.alive() == []
    office.settle()
    assert office.books().open_rents() == []
    paid = sum((one.dollars for one in office.books().month(datetime.now(UTC)).receipts), Decimal(0))
    assert abs(paid - office.runpod.bill().total) < CENT


@dataclass
class Trouble:
    """A fault, and what an `up` says of it."""

    kind: str
    scope: dict[str, Any] = field(default_factory=dict)
    said: str = ""


FATAL = {
    "no capacity anywhere": Trouble("no-capacity", said="no worker could be rented"),
    "dearer than the ceiling": Trouble("dearer", {"dollars": "9.99"}, "costs $9.99/h"),
    "402": Trouble("refuse", {"status": 402}, "too little money"),
    "gone while it boots": Trouble("gone", {"seconds": 0}, "is ended"),
}
HARMLESS = {
    "500 after the machine was made": Trouble("refuse", {"status": 500, "done": True, "times": 1}),
    "silence, then it exists": Trouble("drop", {"done": True, "times": 1}),
}
AT_THE_END = {
    "lives on for a while": Trouble("lives-on", {"reads": 3, "times": 1}),
    "done and not said": Trouble("refuse", {"on": "delete", "status": 500, "done": True, "times": 1}),
}


def rented(phase: RentedPhase) -> list[str]:
    """GPUs that cost now."""
    return [pod.gpu for pod in phase.runpod.alive()]


@pytest.mark.parametrize("name", FATAL)
def test_an_up_that_cannot_rent(phase: RentedPhase, name: str) -> None:
    """It fails with words that say why, and nothing costs afterwards."""
    phase.runpod.account.provisioning = timedelta(seconds=1.2)  # so that one that goes at once has still cost something
    phase.runpod.fault(FATAL[name].kind, **FATAL[name].scope)
    done = phase.phase()

    assert done.returncode != 0
    assert FATAL[name].said in done.stdout
    assert rented(phase) == []


@pytest.mark.parametrize("name", HARMLESS)
def test_an_up_that_rents_all_the_same(phase: RentedPhase, name: str) -> None:
    """One machine, never two."""
    phase.runpod.fault(HARMLESS[name].kind, **HARMLESS[name].scope)
    before = len(phase.runpod.bill().pods)
    done = phase.phase()

    assert done.returncode == 0, done.stdout
    assert (len(rented(phase)), len(phase.runpod.bill().pods)) == (1, before + 1)


def test_capacity_for_the_third_candidate_only(phase: RentedPhase) -> None:
    """The first two are asked for and refused; the third is rented."""
    first, second = [name for name in (L40S, PCIE, SXM) if name != PCIE]
    for gpu in (first, second):
        phase.runpod.fault("no-capacity", gpu=gpu)
    done = phase.phase()

    assert done.returncode == 0, done.stdout
    assert rented(phase) == [PCIE]


def test_lists_that_hide_what_lives(phase: RentedPhase) -> None:
    """RunPod lists nothing: `refresh` and `up` believe what it says of the one machine, and rent no other."""
    assert phase.phase().returncode == 0
    before = phase.runpod.bill().pods
    phase.runpod.fault("empty-list")
    done = phase.phase()

    assert done.returncode == 0, done.stdout
    assert [pod.id for pod in phase.runpod.bill().pods] == [pod.id for pod in before]
    assert len(rented(phase)) == 1


def test_a_stranger_with_our_tag_stays(phase: RentedPhase) -> None:
    """Its environment says that it is somebody else's: neither `up` nor `destroy` ends it."""
    assert phase.phase().returncode == 0
    (pod,) = phase.runpod.alive()
    stranger = phase.runpod.plant(f"{pod.name}0", env={"VIDEOGEN_WORKER": "not-this-one"})
    done = phase.phase("destroy")

    assert done.returncode == 0, done.stdout
    assert [one.id for one in phase.runpod.alive()] == [stranger.id]
    phase.runpod.account.delete(stranger.id)


@pytest.mark.parametrize("name", AT_THE_END)
def test_an_end_that_goes_wrong(phase: RentedPhase, name: str) -> None:
    """`destroy` insists until RunPod knows the machine no more."""
    phase.runpod.fault("price-change", seconds=1, dollars="1.30")
    assert phase.phase().returncode == 0
    phase.runpod.fault(AT_THE_END[name].kind, **AT_THE_END[name].scope)
    done = phase.phase("destroy")

    assert done.returncode == 0, done.stdout
    assert rented(phase) == []


@pytest.mark.parametrize("moment", ["it is ordered", "it boots"])
def test_ctrl_c_in_each_phase_of_a_create(phase: RentedPhase, moment: str) -> None:
    """While RunPod has not answered yet, and while the worker boots: `up` fails, and what was made is ended."""
    if moment == "it is ordered":
        phase.runpod.fault("hold", done=True, times=1, seconds=2)
    running = phase.begin("up", "--yes", "--skip-preview", stack="phase-c")
    assert soon(phase.runpod.alive, seconds=60)
    os.killpg(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=60)

    assert running.returncode != 0, said
    assert rented(phase) == [], said


def test_a_closed_laptop_leaves_the_end_to_the_lease(phase: RentedPhase) -> None:
    """Nobody is there any more: the worker ends its own pod when its lease is over, and the next `destroy` finds it."""
    phase.set("phase-c", "lease", SHORT)
    done = phase.phase()
    phase.set("phase-c", "lease", LONG)

    assert done.returncode == 0, done.stdout
    assert soon(lambda: not phase.runpod.alive(), seconds=40)
