"""`No such pod` is also what the key of another account is told: only on the account that rented it it is gone."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from tests.clouds.conftest import Quick
from videogen.clouds import Machine
from videogen.clouds.runpod import RunpodCloud
from videogen.errors import CloudUnknown
from videogen.pace import Pace
from videogen.rent import Renter
from videogen.rent_record import Heartbeat, LastWord
from videogen.runpod_api import RunpodApi
from videogen.secret import Secret
from videogen.store import heartbeat_key, last_word_key


def renter(quick: Quick, key: str) -> Renter:
    """Somebody with that key, in a process of his own."""
    cloud = RunpodCloud(RunpodApi(quick.fake.url, Secret(key), pace=quick.pace), quick.spec.store, pace=quick.pace)
    return dataclasses.replace(quick.renter, cloud=cloud)


def vanished(quick: Quick, *, account: str | None = "") -> Machine:
    """A machine that is gone and not billed yet; `account`: by which it was rented, as the books say."""
    quick.fake.fault("gone", seconds=60)
    quick.fake.fault("late-bill", seconds=3600, name="phase-c")
    machine = quick.rent()
    quick.fake.heal(quick.fake.faults.faults[0])
    quick.fake.clock.advance(600)
    if account is not None:
        (rent,) = quick.books.open_rents()
        quick.books.open(rent.model_copy(update={"account": account}))
    return machine


def later(quick: Quick, time: timedelta) -> Renter:
    """The same so much later, by the store's clock."""
    return dataclasses.replace(quick.renter, pace=Pace(clock=lambda: datetime.now(UTC) + time))


def beat(quick: Quick, name: str) -> None:
    """It says that it lives."""
    said = Heartbeat(machine=name, state="ready", idle_seconds=0, lease_seconds_left=60)
    quick.store.put_bytes(quick.store.outputs, heartbeat_key(name), said.model_dump_json(by_alias=True).encode())


def test_a_key_of_another_account_proves_nothing(quick: Quick) -> None:
    """Neither a look nor an end believes it: no receipt, the machine and its rent are as before."""
    machine = quick.rent()
    stranger = renter(quick, quick.fake.another_account())

    for ask in (stranger.look, lambda known: stranger.end(known, "destroyed")):
        with pytest.raises(CloudUnknown, match="does not know") as caught:
            ask(machine)
        assert machine.id in caught.value.message
        assert "RUNPOD_API_KEY" in (caught.value.hint or "")
    assert (len(quick.fake.alive()), len(quick.books.open_rents()), quick.receipts) == (1, 1, {})


def test_the_key_that_rented_it_is_believed_at_once(quick: Quick) -> None:
    """The first machine of a new user vanished, in a process of before, and nothing is billed: it is gone."""
    machine = vanished(quick, account=None)
    beat(quick, machine.name)

    assert renter(quick, quick.fake.key).look(machine) is None
    assert [rent.unbilled is not None for rent in quick.books.open_rents()] == [True]


def test_another_key_wants_something_that_vouches(quick: Quick) -> None:
    """Nothing of ours, and no bill: unknown. Something else of ours in the list: gone, unless it said that it lives."""
    machine = vanished(quick)
    with pytest.raises(CloudUnknown, match="nothing of ours vouches"):
        quick.renter.look(machine)

    name = "phase-c-2-aa"
    quick.fake.plant(quick.tagged(name), env={"VIDEOGEN_WORKER": name})
    beat(quick, machine.name)
    with pytest.raises(CloudUnknown, match="said just now that it lives"):
        later(quick, timedelta(0)).look(machine)
    assert later(quick, timedelta(minutes=10)).look(machine) is None


def test_the_bill_vouches_for_what_it_names(quick: Quick) -> None:
    """Its own account has it on its bill."""
    machine = vanished(quick)
    quick.fake.heal()
    quick.renter.look(machine)
    quick.settle()

    assert [one.basis for one in quick.receipts.values()] == ["billing"]


def test_who_asked_for_its_end_is_gone(quick: Quick) -> None:
    """It said its last, and was silent then."""
    machine = vanished(quick)
    beat(quick, machine.name)
    word = LastWord(machine=machine.name, why="idle", code=0, lived_seconds=9)
    quick.store.put_bytes(
        quick.store.outputs, last_word_key(machine.name), word.model_dump_json(by_alias=True).encode()
    )

    assert quick.renter.look(machine) is None
