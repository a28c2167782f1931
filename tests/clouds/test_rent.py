"""Renting leaves nothing half-made, and every end leaves one receipt."""

import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.clouds.test_process import pid_of, soon
from videogen import local_store, receipts
from videogen.clouds import Candidate, Ended, Machine, Volume, WorkerSpec
from videogen.clouds.local import LocalCloud
from videogen.errors import CloudUnknown, Interrupted, NotReady, WorkerError
from videogen.local_store import LocalStore
from videogen.money import Receipt
from videogen.receipts import Receipts
from videogen.rent import Renter
from videogen.stack_outputs import Store, StoreAccess
from videogen.store import Store as StoreClient
from videogen.store import receipt_key

WANTED = Store(endpoint="", region="us-east-1", models="videogen-models", outputs="videogen-outputs")
GO = threading.Event()


@pytest.fixture
def access() -> StoreAccess:
    """The store's keys."""
    return local_store.new_access()


@pytest.fixture
def store(state: Path, access: StoreAccess) -> Iterator[StoreClient]:
    """A store with its buckets."""
    server = LocalStore(state)
    client = StoreClient(local_store.place(server.start(access), WANTED), access, patience_seconds=0.5)
    client.ensure_buckets()
    yield client
    server.end()


@pytest.fixture
def renter(cloud: LocalCloud, state: Path, store: StoreClient) -> Renter:
    """Rents from the local cloud."""
    return Renter(cloud, Receipts(state, store), by="test")


def ready(machine: Machine, alive: Callable[[], bool]) -> str:
    """A worker that lives is ready."""
    assert alive()
    return f"{machine.name} is ready"


def receipt(store: StoreClient, name: str) -> Receipt:
    """The receipt of a machine in the bucket."""
    return receipts.parse(store.get_bytes(store.outputs, receipt_key(name)))


def test_rent_gives_a_proven_machine(renter: Renter, spec: WorkerSpec) -> None:
    """The machine runs and is named after its stack and slot; the proof comes with it."""
    machine, proof = renter.rent(spec, ready, GO, print)

    assert machine.name.startswith("dev-1-")
    assert proof == f"{machine.name} is ready"
    assert renter.look(machine) == machine


def test_an_end_leaves_a_receipt_that_never_changes(renter: Renter, spec: WorkerSpec, store: StoreClient) -> None:
    """The receipt says who, why and how long; ending again does not touch it."""
    machine, _ = renter.rent(spec, ready, GO, print)
    renter.end(machine, "destroyed")
    first = receipt(store, machine.name)
    renter.end(machine, "destroyed again")

    assert (first.machine, first.why, first.ended_by, first.dollars) == (machine.name, "destroyed", "test", Decimal(0))
    assert 0 < first.seconds < 60
    assert receipt(store, machine.name) == first


def test_a_machine_of_an_attempt_that_died_is_ended_first(renter: Renter, spec: WorkerSpec, store: StoreClient) -> None:
    """What already carries the tag is ended, with a receipt, before a new machine is made; other slots are let be."""
    left = renter.cloud.create(spec, renter.cloud.candidates(spec)[0], "dev-1-left")
    other = renter.cloud.create(dataclasses.replace(spec, slot="2"), renter.cloud.candidates(spec)[0], "dev-2-other")
    machine, _ = renter.rent(spec, ready, GO, print)

    assert {one.name for one in renter.cloud.machines("dev")} == {machine.name, other.name}
    assert receipt(store, left.name).why == "left behind by an attempt that died"


def test_a_machine_that_is_not_ready_is_ended(renter: Renter, spec: WorkerSpec, store: StoreClient) -> None:
    """The error has the worker's own reason and the path of its log; the machine is gone, with a receipt."""
    names = []

    def refuse(machine: Machine, alive: Callable[[], bool]) -> None:
        names.append(machine.name)
        raise WorkerError("wrong hash of model uni3c")

    with pytest.raises(NotReady, match="wrong hash of model uni3c") as caught:
        renter.rent(spec, refuse, GO, print)

    assert caught.value.hint is not None
    assert Path(caught.value.hint.removeprefix("its log: ")).exists()
    assert renter.cloud.machines("dev") == ()
    assert receipt(store, names[0]).why == "not ready"


def test_a_cloud_that_falls_silent_hides_no_reason(renter: Renter, spec: WorkerSpec, state: Path) -> None:
    """Not ready, and not proven gone: the error says both, with the cure of the second."""

    def refuse(machine: Machine, alive: Callable[[], bool]) -> None:
        pid_of(state / "processes" / machine.name)  # or `kill` would not find it
        (state / "processes" / machine.name / "process.json").write_text("not json")
        raise WorkerError("wrong hash of model uni3c")

    with pytest.raises(NotReady, match=r"wrong hash of model uni3c; dev-1-\w+ may still run: ") as caught:
        renter.rent(spec, refuse, GO, print)

    kill(state)
    assert "look for it, end it" in (caught.value.hint or "")


def kill(state: Path) -> None:
    """Ends what no record leads to any more."""
    for pid in state.glob("processes/*/pid"):
        os.killpg(int(pid.read_text()), signal.SIGKILL)
        (pid.parent / "process.json").unlink()


def test_a_stopped_wait_ends_what_was_created(renter: Renter, spec: WorkerSpec) -> None:
    """Ctrl-C while the worker boots ends it and says so."""

    def stop(machine: Machine, alive: Callable[[], bool]) -> None:
        raise Interrupted("stopped")

    with pytest.raises(Interrupted, match="is ended"):
        renter.rent(spec, stop, GO, print)
    assert renter.cloud.machines("dev") == ()


def test_nothing_is_rented_after_a_stop(renter: Renter, spec: WorkerSpec) -> None:
    """When the stop comes first, no machine is made."""
    stopped = threading.Event()
    stopped.set()

    with pytest.raises(Interrupted):
        renter.rent(spec, ready, stopped, print)
    assert renter.cloud.machines("dev") == ()


def test_a_machine_that_exited_is_gone_with_a_receipt(
    renter: Renter, spec: WorkerSpec, state: Path, store: StoreClient
) -> None:
    """A worker that ended by itself is found gone, and what it cost is counted to its end."""
    (state / "disks" / "1").mkdir(parents=True)
    (state / "disks" / "1" / "broken").touch()
    machine = renter.cloud.create(spec, renter.cloud.candidates(spec)[0], "dev-1-a")
    assert soon(lambda: renter.cloud.machines("dev")[0].state == "exited")

    assert renter.look(machine) is None
    assert receipt(store, machine.name).why == "found ended"
    assert renter.look(machine) is None


def test_a_store_that_is_down_does_not_stop_an_end(
    renter: Renter, spec: WorkerSpec, state: Path, store: StoreClient, access: StoreAccess
) -> None:
    """The receipt waits on this machine, and is put into the bucket when the store is back."""
    machine, _ = renter.rent(spec, ready, GO, print)
    server = LocalStore(state)
    found = server.server()
    assert found is not None
    server.end()
    renter.end(machine, "destroyed")
    assert renter.cloud.machines("dev") == ()
    (waiting,) = renter.receipts.waiting()
    assert waiting.name == f"{machine.name}.json"

    assert server.start(access, found.record.ports["s3"]) == found.record.ports["s3"]
    assert renter.receipts.send() == ()
    assert receipt(store, machine.name).why == "destroyed"


class Silent:
    """A cloud that does not answer."""

    name = "local"
    account = ""

    def machines(self, _stack: str | None = None) -> tuple[Machine, ...]:
        """No answer."""
        raise CloudUnknown("no answer")

    def candidates(self, _spec: WorkerSpec, /) -> tuple[Candidate, ...]:
        """No answer."""
        raise CloudUnknown("no answer")

    def billed(self, _machine: Machine, /) -> Decimal | None:
        """No answer."""
        raise CloudUnknown("no answer")

    def volumes(self) -> tuple[Volume, ...]:
        """No answer."""
        raise CloudUnknown("no answer")

    def strangers(self) -> tuple[str, ...]:
        """No answer."""
        raise CloudUnknown("no answer")

    def create(self, _spec: WorkerSpec, _candidate: Candidate, _name: str) -> Machine:
        """No answer."""
        raise CloudUnknown("no answer")

    def get(self, _name: str, _known: Machine | None = None) -> Machine | None:
        """No answer."""
        raise CloudUnknown("no answer")

    def end(self, name: str, *, why: str, by: str, known: Machine | None = None) -> Ended | None:
        """No answer."""
        raise CloudUnknown(f"no answer when {by} ends {known or name}: {why}")


def test_unknown_is_never_gone(renter: Renter, spec: WorkerSpec) -> None:
    """While the cloud does not answer nothing is rented, nothing is found gone, and no receipt is written."""
    blind = dataclasses.replace(renter, cloud=Silent())
    machine = Machine(
        "dev-1-a", "local", "dev", "1", "a", "none", Decimal(0), datetime.now(UTC) - timedelta(hours=1), "running",
        "", "", "",
    )  # fmt: skip

    with pytest.raises(CloudUnknown):
        blind.look(machine)
    with pytest.raises(CloudUnknown):
        blind.end(machine, "destroyed")
    with pytest.raises(CloudUnknown):
        blind.rent(spec, ready, GO, print)
    assert renter.receipts.waiting() == ()
