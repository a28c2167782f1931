"""Stack `phase-c` on the foundation of `prod` with the real engine, at a RunPod whose pods run the image's entrypoint.

The tests are stations of one life, in order; each leaves nothing rented that the next one does not expect.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.doubles.rented_phase import RentedPhase
from tests.doubles.runpod import fake_runpod
from tests.doubles.runpod.process_box import unable
from tests.doubles.s3_server import S3Server
from tests.infra.conftest import soon
from videogen.money import CENT, Receipt

pytestmark = pytest.mark.skipif(bool(unable()), reason=unable() or "-")

WORDS = """
phase c: 1 worker on runpod, for wan22-i2v
GPU: L40S up to $1.40/h, in any place; never A100-40GB, which runpod does not rent out
worst case: $1.40 (1 x 60 minutes at $1.40/h is $1.40; 1 x 0.1 GB of models from a store that is not known to charge \
for them); the cap of a run is $3
month to date: $0.00, without this; the cap of a month is $10
now: L40S at $0.86/h
"""


@pytest.fixture(scope="module")
def phase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RentedPhase]:
    """`prod` is up, nothing is rented yet."""
    folder = tmp_path_factory.mktemp("phase")
    (folder / "s3").mkdir()
    with S3Server(folder / "s3") as s3, fake_runpod(pods="processes") as runpod:
        made = RentedPhase(folder, s3, runpod)
        made.found()
        yield made


def plainly(text: str) -> str:
    """What the engine said, each line without its indent."""
    return "\n".join(line.strip() for line in text.splitlines())


def names(phase: RentedPhase) -> list[str]:
    """The machines that cost now."""
    return [pod.name.split("-", 2)[2] for pod in phase.runpod.alive()]


def booting(phase: RentedPhase) -> subprocess.Popen[str]:
    """A `pulumi up` whose machine has just been created."""
    running = phase.begin("up", "--yes", "--skip-preview", stack="phase-c")
    assert soon(lambda: phase.runpod.alive() or running.poll() is not None)
    assert phase.runpod.alive(), running.communicate()[0]
    return running


def receipts(phase: RentedPhase) -> dict[str, str]:
    """Machine → why it ended, of the stack's in the bucket."""
    return {one.machine: one.why for one in spent(phase)}


def spent(phase: RentedPhase) -> list[Receipt]:
    """The stack's receipts in the bucket."""
    return [one for one in phase.books().month(datetime.now(UTC)).receipts if one.stack == "phase-c"]


def test_a_preview_says_what_why_and_the_worst_case(phase: RentedPhase) -> None:
    """Everything that somebody wants to know before he rents, once for the stack; nothing is created."""
    done = phase.phase("preview")

    assert done.returncode == 0, done.stdout
    assert WORDS in plainly(done.stdout)
    assert phase.runpod.alive() == []


def test_a_key_that_runpod_does_not_know(phase: RentedPhase) -> None:
    """One error at preview, without the key."""
    right = phase.environment["RUNPOD_API_KEY"]
    phase.environment["RUNPOD_API_KEY"] = "rpa_of_somebody_else"
    done = phase.phase("preview")
    phase.environment["RUNPOD_API_KEY"] = right

    assert done.returncode != 0
    assert done.stdout.partition("Diagnostics:")[2].count("error:") == 1
    assert "401" in done.stdout
    assert "rpa_of_somebody_else" not in done.stdout


def test_a_month_that_other_stacks_have_spent(phase: RentedPhase) -> None:
    """The worst case does not fit into what is left of the month: refused at preview, with both numbers."""
    now = datetime.now(UTC)
    other = Receipt(
        machine="phase-a-1-0", stack="phase-a", phase="a", cloud="runpod", gpu="L40S", started=now, ended=now, seconds=0,
        dollars_per_hour=Decimal(1), dollars=Decimal("0.50"), why="x", ended_by="x",
    )  # fmt: skip
    phase.books().keep(other)
    phase.set("phase-c", "cap", "{run: 3, month: 1.80}")
    done = phase.phase()
    phase.set("phase-c", "cap", "{run: 3, month: 10}")

    assert done.returncode != 0
    assert "the month has cost $0.50 so far, its cap is $1.8" in done.stdout
    assert done.stdout.partition("Diagnostics:")[2].count("error:") == 1
    assert phase.runpod.alive() == []


def test_books_that_nobody_can_read(phase: RentedPhase) -> None:
    """While the store is down, it is said that the month is not known, and an `up` rents nothing."""
    phase.s3.kill()
    done = phase.phase()
    phase.s3.start()

    assert done.returncode != 0
    assert "month to date: not known; the cap of a month is $10" in done.stdout
    assert "what the month has cost is not known, so nothing is rented" in done.stdout
    assert phase.runpod.alive() == []


def test_up_proves_a_worker_and_a_second_operator_waits(phase: RentedPhase) -> None:
    """A worker that answers with its token; whoever runs `up` meanwhile reads who holds the stack, and rents nothing."""
    first = booting(phase)
    second = phase.phase()
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 0, said

    (worker,) = phase.exports()["workers"]
    token = phase.exports()["tokens"][worker["name"]]
    status = httpx.get(f"{worker['agent']}/status", headers={"Authorization": f"Bearer {token}"}, timeout=10).json()
    assert second.returncode != 0
    assert "the stack is currently locked" in second.stdout
    assert names(phase) == [worker["name"]]
    assert (status["state"], worker["gpu"], worker["dollars_per_hour"]) == ("ready", "L40S", "0.86")
    assert httpx.get(f"{worker['agent']}/status", timeout=10).status_code == 401
    assert phase.books().open_rents()[0].machine == worker["name"]


def test_no_key_of_the_account_is_left_anywhere(phase: RentedPhase) -> None:
    """Not in the state, not in the worker's environment, not in the store; the store's keys are encrypted in the state."""
    files = [path for folder in (phase.backend, phase.s3.folder) for path in folder.rglob("*") if path.is_file()]
    texts = [path.read_bytes() for path in files if path.stat().st_size < 1_000_000]
    state = b"".join(path.read_bytes() for path in phase.backend.rglob("phase-c*.json"))

    assert not [text for text in texts if phase.runpod.key.encode() in text]
    assert phase.runpod.key not in json.dumps(phase.runpod.alive()[0].env)
    assert state
    assert phase.s3.access.secret.reveal().encode() not in state


def test_a_longer_lease_is_in_the_books_too(phase: RentedPhase) -> None:
    """The same machine lives on, and whoever sweeps knows until when."""
    before = names(phase)
    phase.set("phase-c", "lease", "{total: 90, idle: 30, boot: 1}")
    done = phase.phase()

    assert done.returncode == 0, done.stdout
    assert names(phase) == before
    assert [rent.lease_minutes for rent in phase.books().open_rents()] == [90]


def test_unknown_is_never_gone(phase: RentedPhase) -> None:
    """While RunPod answers with errors, `refresh` fails and the worker stays in the state."""
    phase.runpod.fault("refuse", on="get", status=410)
    done = phase.phase("refresh")
    phase.runpod.heal()

    assert done.returncode != 0
    assert [worker["name"] for worker in phase.exports()["workers"]] == names(phase)


def test_a_lost_state_is_found_again_by_tag_and_books(phase: RentedPhase) -> None:
    """Without its state the next `up` ends what was rented before it rents anew, with a receipt."""
    (before,) = names(phase)
    for path in phase.backend.rglob("phase-c*"):
        if path.is_file():
            path.unlink()
    phase.init("phase-c")
    done = phase.phase()

    assert done.returncode == 0, done.stdout
    (after,) = names(phase)
    assert after == phase.exports()["workers"][0]["name"] != before
    assert receipts(phase) == {before: "left behind by an attempt that died"}


def test_destroy_ends_everything_and_the_receipts_are_the_bill(phase: RentedPhase) -> None:
    """Nothing costs any more, no rent is open, and what RunPod bills is what the receipts say, to the cent."""
    (last,) = names(phase)
    done = phase.phase("destroy")
    dollars = sum(one.dollars for one in spent(phase))

    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout
    assert phase.runpod.alive() == []
    assert (phase.books().open_rents(), receipts(phase)[last]) == ([], "destroyed")
    assert abs(dollars - phase.runpod.bill().total) < CENT / 100 * len(spent(phase))
    assert dollars > 0
    phase.runpod.swept()


@pytest.mark.parametrize("then", ["up", "destroy"])
def test_a_killed_engine_leaves_nothing_that_is_not_ended(phase: RentedPhase, then: str) -> None:
    """`kill -9` to engine and plugin while the worker boots: the next `up` or `destroy` ends it.

    Its receipt waits for the bill where nobody could note the price that it was rented at.
    """
    running = booting(phase)
    (left,) = names(phase)
    _kill(running.pid)
    running.communicate(timeout=30)
    assert names(phase) == [left]
    assert phase.pulumi("cancel", "--yes", stack="phase-c").returncode == 0
    done = phase.phase(then)

    assert done.returncode == 0, done.stdout
    assert left not in names(phase)
    assert len(phase.runpod.alive()) == (1 if then == "up" else 0)
    waiting = {one.machine: one.unbilled.why for one in phase.books().open_rents() if one.unbilled}
    assert (receipts(phase) | waiting)[left].startswith("left behind")
    if then == "destroy":
        assert f"{left} was unknown to the state, and is ended" in done.stdout
    else:
        assert phase.phase("destroy").returncode == 0
    phase.settle()
    assert receipts(phase)[left].startswith("left behind")


def test_a_foundation_that_is_not_there(phase: RentedPhase) -> None:
    """A preview names the stack that has to be brought up first, and how."""
    assert phase.pulumi("destroy", "--yes", "--skip-preview", stack="prod").returncode == 0
    done = phase.phase("preview")

    assert done.returncode != 0
    assert "stack prod has no store for it yet\nhint: pulumi up --stack prod" in plainly(done.stdout)
    assert done.stdout.partition("Diagnostics:")[2].count("error:") == 1


def _kill(engine: int) -> None:
    """The engine with everything that it has started, at once."""
    family, new = {engine}, {engine}
    while new:
        new = {child for one in new for child in _children(one)} - family
        family |= new
    for one in family:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def _children(parent: int) -> set[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        tasks = Path(f"/proc/{parent}/task").iterdir()
        return {int(child) for task in tasks for child in (task / "children").read_text().split()}
    return set()
