"""Renting from a RunPod that misbehaves: one worker or none, nothing left behind, and receipts that equal its bill."""

import dataclasses
import errno
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.clouds.conftest import Quick
from tests.clouds.test_process import soon
from tests.doubles.s3_server import S3Server
from videogen.clouds import Machine
from videogen.errors import (
    CloudError,
    CloudUnknown,
    Interrupted,
    NoCapacity,
    NotReady,
    Stopped,
    StoreError,
    VideogenError,
    WorkerError,
)
from videogen.gpu import Offer
from videogen.lease import RentTerms
from videogen.money import Cap
from videogen.receipts import Receipts
from videogen.rent import Renter
from videogen.rent_record import Heartbeat, RentRecord
from videogen.store import heartbeat_key

SXM, NVL, PCIE = "NVIDIA H100 80GB HBM3", "NVIDIA H100 NVL", "NVIDIA H100 PCIe"
ALL = (SXM, NVL, PCIE, "NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe")

Alive = Callable[[], bool]


def assert_nothing_is_left(quick: Quick) -> None:
    """No pod lives, every rent has its receipt, and the receipts are the bill."""
    assert not quick.fake.alive()
    quick.settle()
    assert quick.books.open_rents() == []
    assert abs(quick.paid - quick.fake.bill().total) < Decimal("0.001")


def takes(quick: Quick, seconds: float) -> Callable[[Machine, Alive], str]:
    """A proof that comes after so long."""

    def prove(_machine: Machine, _alive: Alive) -> str:
        quick.fake.clock.advance(seconds)
        return "ready"

    return prove


def stop_in_the_create(quick: Quick) -> None:
    """Ctrl-C while a pod is ordered."""
    assert soon(quick.creates)
    quick.cancelled.set()


def test_a_rent_and_its_end_are_in_the_books(quick: Quick) -> None:
    """It is written down with the cloud's id and price, and the receipt is the cloud's bill to the second."""
    quick.wants(run="run-7", batch="week-47")
    machine = quick.rent(takes(quick, 300))
    (rent,) = quick.books.open_rents()
    quick.fake.clock.advance(1500)
    quick.renter.end(machine, "destroyed")
    (receipt,) = quick.receipts.values()

    assert (rent.machine, rent.id, rent.dollars_per_hour) == (machine.name, machine.id, Decimal("3.99"))
    assert (receipt.run, receipt.batch, receipt.slot, receipt.place) == ("run-7", "week-47", "1", machine.place)
    assert (receipt.seconds, receipt.dollars, receipt.basis) == (1800, Decimal("1.995"), "ended")
    assert (receipt.id, receipt.why, receipt.ended_by) == (machine.id, "destroyed", "test")
    assert_nothing_is_left(quick)


def test_nothing_is_created_that_is_not_written_down(quick: Quick, bucket_server: S3Server) -> None:
    """When the bucket does not take the record, no pod is ordered; what this machine wrote down is closed again."""
    bucket_server.file(quick.store.outputs, "rented").write_text("no folder")

    with pytest.raises(StoreError, match=r"phase-c-1-\w+ cannot be written down"):
        quick.rent()
    assert quick.creates() == 0
    assert quick.books.open_rents() == []


def test_only_the_third_candidate_has_capacity(quick: Quick) -> None:
    """The first two are tried in order and refused; one machine is made, and one record."""
    for gpu in (SXM, NVL):
        quick.fake.fault("no-capacity", gpu=gpu)
    machine = quick.rent()

    assert quick.fake.pod(machine.name).gpu == PCIE
    assert (quick.creates(), len(quick.fake.alive())) == (3, 1)
    assert [rent.machine for rent in quick.books.open_rents()] == [machine.name]


def test_no_capacity_anywhere_backs_off_and_ends(quick: Quick) -> None:
    """Rounds come after 15, 30, 60, 60 … seconds until patience is over; the error has the last words of the cloud."""
    quick.fake.fault("no-capacity")
    quick.wants(rent=RentTerms(creates=6, wait=4))

    with pytest.raises(NoCapacity, match="within 4 minutes; the last answer was: A100-80GB at") as caught:
        quick.rent()
    assert quick.waits == [15, 30, 60, 60, 60, 15]
    assert quick.creates() == 7 * len(ALL)
    assert "the order may be wrong" in (caught.value.hint or "")
    (receipt,) = quick.receipts.values()
    assert (receipt.dollars, receipt.why) == (Decimal(0), "nothing was created")
    assert_nothing_is_left(quick)


def test_capacity_that_comes_back_is_taken(quick: Quick) -> None:
    """A GPU that becomes free while it waits is rented in the next round."""
    for gpu in ALL:
        quick.fake.stock(gpu, 0)
    quick.on_wait = lambda: quick.fake.stock(SXM, 1)

    assert quick.fake.pod(quick.rent().name).gpu == SXM
    assert quick.waits == [15]


def test_dearer_than_the_ceiling_is_ended(quick: Quick) -> None:
    """What the cloud really takes decides: the machine is ended, and the next candidate tried."""
    quick.fake.fault("dearer", gpu=SXM, dollars="4.41")
    machine = quick.rent()

    assert machine.dollars_per_hour == Decimal("3.19")
    assert [one.why for one in quick.receipts.values()] == ["dearer than allowed"]
    quick.renter.end(machine, "destroyed")
    assert_nothing_is_left(quick)


def test_a_price_that_comes_late_is_required_too(quick: Quick) -> None:
    """What a pod costs is looked at again when it is ready: a dear one is ended, the price of another is in the books."""
    quick.fake.fault("late-price")
    quick.fake.fault("dearer", gpu=SXM, dollars="4.41")
    quick.fake.fault("dearer", gpu=NVL, dollars="3.25")
    machine = quick.rent(takes(quick, 300))
    rent = quick.books.record(machine.name)

    assert rent
    assert (machine.dollars_per_hour, rent.dollars_per_hour) == (Decimal("3.25"), Decimal("3.25"))
    quick.renter.end(machine, "destroyed")
    quick.settle()
    assert {quick.fake.pod(one.machine).gpu: one.why for one in quick.receipts.values()} == {
        SXM: "dearer than allowed",
        NVL: "destroyed",
    }
    assert_nothing_is_left(quick)


def test_a_cap_holds_with_the_real_price(quick: Quick) -> None:
    """A lease that would break the run's or the month's cap is not begun; the exit code is that of a cap."""
    quick.wants(cap=Cap(run=Decimal("2.00"), month=Decimal(100)))
    machine = quick.rent()
    assert machine.dollars_per_hour == Decimal("1.79")  # 60 minutes of an H100 cost more
    quick.fake.clock.advance(3600)
    quick.renter.end(machine, "destroyed")

    quick.wants(cap=Cap(run=Decimal("2.00"), month=Decimal("3.50")))
    with pytest.raises(Stopped, match=r"this month has cost \$1.79") as caught:
        quick.rent()
    assert caught.value.exit_code == 3
    assert_nothing_is_left(quick)


def test_no_money_stops_at_once(quick: Quick) -> None:
    """402: no other candidate is tried."""
    quick.fake.balance("0.50")

    with pytest.raises(CloudError, match="too little money"):
        quick.rent()
    assert quick.creates() == 1
    assert_nothing_is_left(quick)


def test_a_refusal_is_not_taken_at_its_word(quick: Quick) -> None:
    """A pod that came to be though its create was refused is ended."""
    quick.fake.fault("refuse", status=422, done=True, times=1)

    with pytest.raises(CloudError, match="does not understand"):
        quick.rent()
    assert_nothing_is_left(quick)


@pytest.mark.parametrize("kind", ["refuse", "drop", "hold"])
def test_a_pod_that_a_failed_create_left_is_found(quick: Quick, kind: str) -> None:
    """500, a broken line or silence after the pod was made: it is found by its name and used; there is never a second."""
    quick.fake.fault(kind, done=True, times=1, seconds=1)
    machine = quick.rent()

    assert quick.creates() == 1
    assert [pod.id for pod in quick.fake.alive()] == [machine.id]
    quick.renter.end(machine, "destroyed")
    assert_nothing_is_left(quick)


def test_a_create_that_failed_for_nothing_goes_on_elsewhere(quick: Quick) -> None:
    """After several complete lists without it, the next candidate is tried; the first one never again."""
    quick.fake.fault("refuse", status=500, times=1)
    machine = quick.rent()

    assert quick.fake.pod(machine.name).gpu == NVL
    assert sum(method == "GET" and path == "/v2/pods" for method, path, _ in quick.fake.calls) > 4
    assert len(quick.books.open_rents()) == 2  # nobody knows for certain what became of the first


def test_a_candidate_whose_create_failed_is_not_tried_again(quick: Quick) -> None:
    """With no other one left it ends, and says that a machine may be there."""
    quick.wants(offers=(Offer(gpu="H200-141GB", dollars_per_hour=Decimal(5)),))
    quick.fake.fault("refuse", status=500, times=1)

    with pytest.raises(CloudUnknown, match="may have been created"):
        quick.rent()
    assert (quick.creates(), quick.fake.alive()) == (1, [])


def test_a_machine_that_was_not_ready_is_not_rented_twice(quick: Quick) -> None:
    """Each candidate gets one machine, however many creates are left."""
    quick.wants(offers=(Offer(gpu="H200-141GB", dollars_per_hour=Decimal(5)),))

    def refuse(_machine: Machine, _alive: Alive) -> str:
        raise WorkerError("wrong hash of model uni3c")

    with pytest.raises(NotReady, match="wrong hash"):
        quick.rent(refuse)
    assert quick.creates() == 1
    assert_nothing_is_left(quick)


def test_a_pod_that_comes_late_is_ended(quick: Quick) -> None:
    """A create that failed, whose pod no list shows at first: it is ended when the rent is done."""
    quick.fake.fault("refuse", status=500, done=True, times=1)
    hidden = quick.fake.fault("missing", name="phase-c", times=5)
    machine = quick.rent()

    assert hidden.times == 0
    assert [pod.id for pod in quick.fake.alive()] == [machine.id]
    quick.settle()
    assert "came to be after its create had failed" in [one.why for one in quick.receipts.values()]


def test_without_lists_a_failed_create_stops_all(quick: Quick) -> None:
    """While lists cannot be had, nothing else is created, and the open rent stays in the books."""
    quick.fake.fault("refuse", status=500, done=True, times=1)
    quick.fake.fault("refuse", on="list", status=503, skip=1)

    with pytest.raises(CloudUnknown, match=r"phase-c-1-\w+ may have been created"):
        quick.rent()
    assert quick.creates() == 1
    assert len(quick.books.open_rents()) == 1

    quick.fake.heal()
    machine = quick.rent()  # the next `up` finds it by its tag
    assert [pod.id for pod in quick.fake.alive()] == [machine.id]


def test_a_rate_limit_is_waited_for(quick: Quick) -> None:
    """429: the same order again after the seconds that RunPod names; nothing else is asked meanwhile."""
    quick.fake.fault("refuse", status=429, retry_after=7, times=2)
    machine = quick.rent()

    assert quick.fake.pod(machine.name).gpu == SXM
    assert quick.waits == [7, 7]


def test_a_record_that_was_closed_meanwhile_is_not_used(quick: Quick) -> None:
    """Turned away for so long that a sweep took its record for a failed create: the machine gets another one."""
    closed: list[str] = []

    def sweep() -> None:
        (rent,) = quick.books.open_rents()
        if not closed:
            closed.append(rent.machine)
            quick.renter.ending.nothing_came_of(rent, "found gone")

    quick.fake.fault("refuse", status=429, retry_after=700, times=2)
    quick.on_wait = sweep
    machine = quick.rent()
    quick.fake.clock.advance(600)
    quick.renter.end(machine, "destroyed")

    assert machine.name not in closed
    assert set(quick.receipts) == {machine.name, *closed}
    assert_nothing_is_left(quick)


def test_a_used_up_quota_is_not_asked(quick: Quick) -> None:
    """When the last answer said that no request is left, the next one waits for the new window."""
    quick.fake.quota(minute=2)
    machine = quick.rent()
    quick.renter.end(machine, "destroyed")

    assert 429 not in [status for _, _, status in quick.fake.calls]
    assert any(wait > 20 for wait in quick.waits)
    assert_nothing_is_left(quick)


def test_stuck_in_starting_goes_to_the_next(quick: Quick) -> None:
    """A machine that does not get ready is ended, and the next candidate gets its chance."""
    quick.fake.fault("stuck", gpu=SXM)

    def prove(machine: Machine, _alive: Alive) -> str:
        quick.fake.clock.advance(60)
        if quick.fake.pod(machine.name).status(quick.fake.clock()) != "RUNNING":
            raise NotReady("not ready in time; the last of it: nothing")
        return "ready"

    machine = quick.rent(prove)
    assert quick.fake.pod(machine.name).gpu == NVL
    assert [one.why for one in quick.receipts.values()] == ["not ready"]
    quick.renter.end(machine, "destroyed")
    assert_nothing_is_left(quick)


def test_never_more_machines_than_allowed(quick: Quick) -> None:
    """At the ceiling it gives up, with the reason of each machine."""
    quick.wants(rent=RentTerms(creates=2, wait=20))
    reasons = iter(("wrong hash of model uni3c", "no CUDA"))

    def refuse(_machine: Machine, _alive: Alive) -> str:
        raise WorkerError(next(reasons))

    with pytest.raises(NotReady, match=r"(?s)uni3c; .* is ended.*no CUDA; .* is ended.*2 machines were created"):
        quick.rent(refuse)
    assert quick.creates() == 2
    assert_nothing_is_left(quick)


def test_a_machine_that_cannot_be_ended_stops_all(quick: Quick) -> None:
    """While one that was not ready lives on, no second one is made."""
    quick.fake.fault("lives-on")

    def refuse(_machine: Machine, _alive: Alive) -> str:
        raise WorkerError("no CUDA")

    with pytest.raises(NotReady, match=r"no CUDA; phase-c-1-\w+ may still run"):
        quick.rent(refuse)
    assert quick.creates() == 1
    assert len(quick.books.open_rents()) == 1


def test_dead_while_it_boots_is_seen_and_a_silent_cloud_is_not_dead(quick: Quick) -> None:
    """`alive` follows the cloud, asks it every ten seconds, at first more often, and takes silence for nothing."""
    quick.fake.fault("gone", gpu=SXM, seconds=100)
    seen: list[bool] = []

    def prove(machine: Machine, alive: Alive) -> str:
        if quick.fake.pod(machine.name).gpu != SXM:
            return "ready"
        asked = len(quick.fake.calls)
        seen.extend(alive() for _ in range(20))
        assert len(quick.fake.calls) == asked + 1
        quick.fake.clock.advance(50)
        away = quick.fake.fault("refuse", on="any", status=403)
        seen.append(alive())
        quick.fake.heal(away)
        quick.fake.clock.advance(100)
        seen.append(alive())
        raise NotReady("the worker died")

    machine = quick.rent(prove)
    assert seen == [True] * 21 + [False]
    quick.renter.end(machine, "destroyed")
    assert_nothing_is_left(quick)
    assert "billing" in [one.basis for one in quick.receipts.values()]


@pytest.mark.parametrize(("fault", "why"), [("gone", "found gone"), ("exit", "found ended")])
def test_ready_then_gone_is_found_and_billed(quick: Quick, fault: str, why: str) -> None:
    """A machine that vanished, or a pod that stopped and is no worker any more: the bill says what it cost till then."""
    quick.fake.fault(fault, seconds=900)
    machine = quick.rent()
    quick.fake.clock.advance(7200)

    assert quick.renter.look(machine) is None
    quick.settle()
    (receipt,) = quick.receipts.values()
    assert (receipt.why, receipt.basis) == (why, "billing")
    assert_nothing_is_left(quick)


def test_a_receipt_waits_for_the_bill(quick: Quick) -> None:
    """Nothing says when it ended: the rent stays open, counts until it was found gone, and closes with the bill."""
    quick.fake.fault("gone", seconds=900)
    late = quick.fake.fault("late-bill", seconds=10**6)
    machine = quick.rent()
    quick.fake.clock.advance(7200)
    quick.renter.look(machine)
    quick.fake.clock.advance(7200)
    (rent,) = quick.books.open_rents()
    month = quick.books.month(quick.fake.clock())

    assert (quick.receipts, rent.unbilled and rent.unbilled.basis) == ({}, "at the latest")
    assert (month.dollars, month.hourly) == (Decimal("7.98"), Decimal(0))
    assert not quick.renter.closed(rent)
    quick.fake.heal(late)
    assert quick.renter.closed(rent)
    (receipt,) = quick.receipts.values()
    assert receipt.basis == "billing"
    assert receipt.seconds == pytest.approx(900, abs=1)
    assert_nothing_is_left(quick)


def test_without_a_bill_for_a_day_the_latest_end_counts(quick: Quick) -> None:
    """It cost this or less."""
    quick.fake.fault("gone", seconds=900)
    quick.fake.fault("late-bill", seconds=10**6)
    machine = quick.rent()
    quick.fake.clock.advance(7200)
    quick.renter.look(machine)
    quick.fake.clock.advance(24 * 3600)
    quick.renter.look(machine)
    (receipt,) = quick.receipts.values()

    assert (receipt.basis, receipt.seconds) == ("at the latest", 7200)
    assert quick.paid > quick.fake.bill().total


def test_an_end_whose_answer_was_lost_is_billed(quick: Quick) -> None:
    """RunPod ended it and said nothing, and is silent for a while: what it cost, its bill says, not the delay."""
    machine = quick.rent()
    quick.fake.clock.advance(3600)
    quick.fake.fault("drop", on="delete", done=True, times=1)
    quick.fake.fault("drop", on="get", times=4, skip=1)
    quick.renter.end(machine, "destroyed")
    (receipt,) = quick.receipts.values()

    assert (receipt.basis, receipt.dollars) == ("billing", Decimal("3.99"))
    assert_nothing_is_left(quick)


def test_an_end_closes_no_rent_of_what_it_never_saw(quick: Quick) -> None:
    """A pod that an empty list hides, and whose create gave no answer: its rent stays open until it is found."""
    quick.fake.fault("drop", done=True, times=1)
    quick.fake.fault("empty-list", times=20)
    quick.wants(offers=(Offer(gpu="H200-141GB", dollars_per_hour=Decimal(5)),))
    with pytest.raises(CloudUnknown):
        quick.rent()
    (rent,) = quick.books.open_rents()

    assert not quick.renter.closed(rent)
    quick.fake.heal()
    assert not quick.renter.closed(rent)  # it is ended now; what it cost before anybody saw its price, the bill knows
    assert_nothing_is_left(quick)


def test_a_worker_says_what_its_pod_is_called(quick: Quick) -> None:
    """The answer to its create was lost and lists hide it: its heartbeat tells the id by which it is ended and billed."""
    quick.fake.fault("drop", done=True, times=1)
    quick.fake.fault("empty-list")
    quick.wants(offers=(Offer(gpu="H200-141GB", dollars_per_hour=Decimal(5)),))
    with pytest.raises(CloudUnknown):
        quick.rent()
    (rent,) = quick.books.open_rents()
    (pod,) = quick.fake.alive()
    beat = Heartbeat(machine=rent.machine, id=pod.id, state="ready", idle_seconds=0, lease_seconds_left=60)
    quick.store.put_bytes(
        quick.store.outputs, heartbeat_key(rent.machine), beat.model_dump_json(by_alias=True).encode()
    )

    assert not quick.renter.closed(rent)
    assert_nothing_is_left(quick)


@pytest.mark.parametrize("price", ["9.99", "0.50"])
def test_a_price_that_changes_is_billed(quick: Quick, price: str) -> None:
    """Up or down, also when it was seen in between: the bill counts, or the higher price while there is none."""
    quick.fake.fault("price-change", seconds=1000, dollars=price)
    machine = quick.rent()
    quick.fake.clock.advance(3600)
    looked = quick.renter.look(machine)
    assert looked is not None
    quick.renter.end(looked, "destroyed")

    quick.settle()
    (receipt,) = quick.receipts.values()
    assert receipt.basis == "billing"
    assert_nothing_is_left(quick)


@pytest.mark.parametrize("price", ["4.30", "1.00"])
def test_a_price_that_changes_while_it_boots_is_billed(quick: Quick, price: str) -> None:
    """When it changed only the bill knows, for what is in the books is looked at once it is ready."""
    quick.fake.fault("price-change", seconds=800, dollars=price)
    machine = quick.rent(takes(quick, 1000))
    assert quick.books.open_rents()[0].dollars_per_hour == Decimal(price)
    quick.fake.clock.advance(600)
    quick.renter.end(machine, "destroyed")
    quick.settle()
    assert_nothing_is_left(quick)


def test_a_price_that_rose_when_nobody_looked_is_billed(quick: Quick) -> None:
    """It changed and changed back: only the bill knows."""
    quick.fake.fault("price-change", seconds=1000, dollars="9.99")
    machine = quick.rent()
    pod = quick.fake.pod(machine.name)
    quick.fake.clock.advance(3600)
    pod.prices.append((quick.fake.clock(), Decimal("3.99")))
    quick.fake.clock.advance(600)
    quick.renter.end(machine, "destroyed")

    assert_nothing_is_left(quick)
    assert [one.basis for one in quick.receipts.values()] == ["billing"]


def test_a_price_that_changed_unbilled_counts_at_its_highest(quick: Quick) -> None:
    """Without a bill for a day the whole time costs the higher price."""
    quick.fake.fault("price-change", seconds=1000, dollars="9.99")
    quick.fake.fault("late-bill", seconds=10**6)
    machine = quick.rent()
    quick.fake.clock.advance(3600)
    quick.renter.end(machine, "destroyed")
    quick.fake.clock.advance(24 * 3600)
    quick.renter.look(machine)
    (receipt,) = quick.receipts.values()

    assert (receipt.basis, receipt.dollars) == ("at the latest", Decimal("9.99"))


def test_an_attempt_that_died_is_found_though_lists_are_empty(quick: Quick) -> None:
    """The books know the cloud's id of what an earlier run left, so that an empty list hides nothing."""
    left = quick.rent()  # and nobody wrote it into a state
    quick.fake.fault("empty-list")
    machine = quick.rent()

    assert [pod.id for pod in quick.fake.alive()] == [machine.id]
    assert quick.receipts[left.name].why == "left behind by an attempt that died"


def test_what_another_backend_has_rented_is_not_left_behind(quick: Quick) -> None:
    """Two places of state that share a bucket: the second is refused, and the first one's machine lives on."""
    first, second = (dataclasses.replace(quick.renter, backend=name) for name in ("aaaaaaaa", "bbbbbbbb"))

    def rent(renter: Renter) -> Machine:
        return renter.rent(quick.spec, lambda _machine, _alive: "ready", quick.cancelled, quick.said.append)[0]

    machine = rent(first)
    with pytest.raises(VideogenError, match=rf"{machine.name} was rented through another Pulumi backend \(aaaaaaaa"):
        rent(second)
    assert [pod.id for pod in quick.fake.alive()] == [machine.id]
    again = rent(first)
    assert list(quick.receipts) == [machine.name]

    quick.fake.fault("empty-list")
    other = rent(second)
    assert {pod.id for pod in quick.fake.alive()} == {again.id, other.id}
    assert {rent.backend for rent in quick.books.open_rents()} == {"aaaaaaaa", "bbbbbbbb"}


def test_strangers_stay(quick: Quick) -> None:
    """A pod with our tag that is not ours is neither ended nor in the way."""
    stranger = quick.fake.plant(quick.tagged("phase-c-1-x"), env={"VIDEOGEN_WORKER": "phase-c-1-y"})
    machine = quick.rent()
    quick.renter.end(machine, "destroyed")

    assert [pod.id for pod in quick.fake.alive()] == [stranger.id]


@pytest.mark.parametrize("phase", ["before", "busy", "back-off", "create", "lost create", "boot"])
def test_ctrl_c_ends_what_was_made(quick: Quick, phase: str) -> None:
    """In each phase of a create: it stops, nothing lives on, and the books are closed."""

    def prove(_machine: Machine, _alive: Alive) -> str:
        assert phase == "boot"
        quick.cancelled.set()
        raise Interrupted("stopped while the worker booted")

    if phase == "before":
        quick.cancelled.set()
    elif phase == "busy":
        quick.fake.fault("refuse", status=429, retry_after=30)
        quick.on_wait = quick.cancelled.set
    elif phase == "back-off":
        quick.fake.fault("no-capacity")
        quick.on_wait = quick.cancelled.set
    elif phase == "create":
        quick.fake.fault("hold", done=True, times=1, seconds=2)
        threading.Thread(target=stop_in_the_create, args=(quick,)).start()
    elif phase == "lost create":
        quick.fake.fault("drop", done=True, times=1)
        quick.fake.fault("missing", name="phase-c", times=1)
        quick.on_wait = quick.cancelled.set

    with pytest.raises(Interrupted) as caught:
        quick.rent(prove)
    assert_nothing_is_left(quick)
    made = {"create", "lost create", "boot"}
    assert ("is ended" in caught.value.message) == (phase in made)
    assert len(quick.waits) <= 5


def test_a_crash_within_the_proof_leaves_nothing(quick: Quick) -> None:
    """Whatever goes wrong in whoever waits: the machine is ended."""

    def crash(_machine: Machine, _alive: Alive) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick.rent(crash)
    assert_nothing_is_left(quick)


class FullDisk(Receipts):
    """Books on a disk that is full as soon as a machine is there."""

    def open(self, record: RentRecord) -> None:
        """Raises `OSError` for a record with the cloud's own name."""
        if record.id:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().open(record)


def test_a_full_disk_leaves_no_machine(quick: Quick, tmp_path: Path) -> None:
    """A machine whose name cannot be written down is ended; its rent stays open for the bill."""
    quick.books = FullDisk(tmp_path / "books", quick.store)

    with pytest.raises(OSError, match="No space left"):
        quick.rent()
    assert quick.creates() == 1
    assert not quick.fake.alive()


def test_all_errors_are_named(quick: Quick) -> None:
    """A catalog that is away is an error with words, before anything is written or created."""
    quick.fake.fault("refuse", on="catalog", status=503)

    with pytest.raises(VideogenError, match="catalog/gpus: HTTP 503"):
        quick.rent()
    assert quick.books.open_rents() == []
