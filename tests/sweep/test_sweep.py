"""The sweep at a cloud that misbehaves: what has no right to live ends, once, with a receipt; unknown is an alarm."""

import json
import threading

import httpx
import pytest

from tests.doubles.runpod import Clock, fake_runpod
from tests.sweep.conftest import Owner, age, fates, found
from videogen import tag
from videogen.clouds.runpod import RunpodCloud
from videogen.errors import VideogenError
from videogen.money import Receipt
from videogen.pulumi_stack import StackState
from videogen.rent import Renter
from videogen.rent_record import LastWord
from videogen.runpod_api import RunpodApi
from videogen.secret import Secret
from videogen.store import last_word_key, receipt_key, rent_record_key


def receipt(owner: Owner, name: str) -> Receipt:
    return Receipt.model_validate_json(owner.store.get_bytes("outputs", receipt_key(name)))


def test_what_may_live_lives(owner: Owner) -> None:
    """A machine that its stack knows and that says that it lives is left alone; nothing is wrong."""
    owner.rented("phase-c-1-aa", 30)
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-aa": "lives"}
    assert swept.alarms == ()
    assert len(owner.alive()) == 1
    assert found(swept, "phase-c-1-aa").dollars > 1


def test_each_machine_without_a_right_is_ended_with_a_receipt(owner: Owner) -> None:
    """Lease over, unknown to its stack, silent, asked for its end: each is ended in the sweeper's name."""
    owner.rented("phase-c-1-lease", 63)
    owner.rented("phase-c-1-stray", 30, known=False, named=True)
    owner.rented("phase-c-1-mute", 30)
    owner.beat("phase-c-1-mute", 15)
    owner.rented("phase-c-1-asks", 30)
    word = LastWord(machine="phase-c-1-asks", why="idle for 15 minutes", code=0, lived_seconds=9, refused="403")
    owner.store.put_bytes("outputs", last_word_key("phase-c-1-asks"), word.model_dump_json(by_alias=True).encode())
    age(owner.s3.file("outputs", last_word_key("phase-c-1-asks")), 5)
    owner.beat("phase-c-1-asks", 6)
    owner.rented("phase-c-1-good", 30)
    swept = owner.sweep()

    assert fates(swept).pop("phase-c-1-good") == "lives"
    assert {fate for name, fate in fates(swept).items() if name != "phase-c-1-good"} == {"ended"}
    assert [name[-4:] for name in owner.alive()] == ["good"]
    assert receipt(owner, "phase-c-1-lease").why == "its lease of 60 minutes is over"
    assert receipt(owner, "phase-c-1-stray").why == "no stack knows it"
    assert receipt(owner, "phase-c-1-mute").why == "silent for 15 min"
    assert receipt(owner, "phase-c-1-asks").why.endswith("idle for 15 minutes")
    assert {receipt(owner, name).ended_by for name in fates(swept) if "good" not in name} == {"sweeper"}
    assert swept.alarms == ()
    assert owner.sweep().alarms == ()


def test_the_cap_of_a_run_ends_its_machines(owner: Owner) -> None:
    """Two machines of one run have cost more than its cap together; one that another `up` rented lives on."""
    for slot in (1, 2):
        owner.rented(f"phase-c-{slot}-run", 110, lease=300, run="r1", cap=10)
    owner.rented("phase-c-3-alone", 110, lease=300, cap=10)
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-run": "ended", "phase-c-2-run": "ended", "phase-c-3-alone": "lives"}
    assert "cap of a run" in receipt(owner, "phase-c-1-run").why


def test_what_exited_counts_for_the_cap(owner: Owner) -> None:
    """RunPod's list names no price for a machine that exited; it has cost all the same, by its record's price."""
    owner.rented("phase-c-1-exited", 90, lease=300, run="r1", cap=10)
    owner.rented("phase-c-2-lives", 90, lease=300, run="r1", cap=10)
    _act(owner, "phase-c-1-exited", "stop")
    swept = owner.sweep(dry_run=True)

    assert found(swept, "phase-c-1-exited").dollars > 5
    assert "cap of a run" in found(swept, "phase-c-2-lives").why


def test_a_dry_run_ends_nothing(owner: Owner) -> None:
    """It says what would be ended and closed; the cloud and the books are as before."""
    owner.rented("phase-c-1-lease", 63)
    owner.rented("phase-c-1-gone", 30, pod=False)
    owner.fake.plant("videogen-00000000-other-1-aa")
    swept = owner.sweep(dry_run=True)

    assert fates(swept) == {"phase-c-1-lease": "to be ended", "phase-c-1-gone": "to be closed"}
    assert len(owner.alive()) == 2
    assert not [call for call in owner.fake.calls if call[0] in ("DELETE", "POST")]
    assert len(owner.books.open_rents()) == 2


def test_an_open_rent_that_is_proven_gone_is_closed_once(owner: Owner) -> None:
    """Its machine is on no list that is to be believed: it gets a receipt, and the next sweep finds nothing."""
    owner.rented("phase-c-1-gone", 30, pod=False)
    owner.rented("phase-c-2-good", 30)
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-gone": "closed", "phase-c-2-good": "lives"}
    assert swept.alarms == ()
    assert receipt(owner, "phase-c-1-gone").ended_by == "sweeper"
    assert fates(owner.sweep()) == {"phase-c-2-good": "lives"}


def test_a_rent_of_just_now_is_under_way(owner: Owner) -> None:
    """A record without a machine may be a create that goes on: it is left open, and no alarm."""
    owner.rented("phase-c-1-new", 2, pod=False)
    owner.fake.plant("videogen-00000000-other-1-aa")
    swept = owner.sweep()

    assert (fates(swept), swept.alarms) == ({"phase-c-1-new": "open"}, ())


def test_under_way_is_by_the_clock_of_the_store(owner: Owner) -> None:
    """Who rents has a clock that is an hour slow, or fast: what was written down just now may be on its way."""
    owner.rented("phase-c-9-good", 30)
    owner.rented("phase-c-1-slow", 60, pod=False)
    owner.rented("phase-c-2-fast", -60, pod=False)
    age(owner.s3.file("outputs", rent_record_key("phase-c-1-slow")), 2)
    age(owner.s3.file("outputs", rent_record_key("phase-c-2-fast")), 30)

    assert fates(owner.sweep()) == {"phase-c-9-good": "lives", "phase-c-1-slow": "open", "phase-c-2-fast": "closed"}


def test_a_machine_with_a_receipt_that_lives(owner: Owner) -> None:
    """It is ended; that its receipt says too little, for ever, is an alarm."""
    record = owner.rented("phase-c-1-aa", 30)
    Renter(owner.cloud, owner.books, by="pulumi").ending.nothing_came_of(record, "found gone")
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-aa": "ended"}
    assert "had a receipt and lived" in swept.alarms[0]
    assert owner.alive() == []


def test_an_empty_list_is_not_believed(owner: Owner) -> None:
    """Agent and controller are dead and the list is empty: an alarm, no receipt, and the machine is not forgotten."""
    owner.rented("phase-c-1-dark", 30, known=False)
    owner.beat("phase-c-1-dark", 25)
    owner.fake.fault("empty-list")
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-dark": "open"}
    assert "the list is empty, and nothing of ours vouches" in swept.alarms[0]
    assert len(owner.alive()) == 1
    assert not owner.s3.file("outputs", receipt_key("phase-c-1-dark")).exists()
    owner.fake.heal()
    assert fates(owner.sweep()) == {"phase-c-1-dark": "ended"}


def test_a_key_of_another_account_proves_nothing(owner: Owner) -> None:
    """There no list shows our machine and its id is not found; that others rent there too vouches for nothing."""
    owner.rented("phase-c-1-hung", 30)
    owner.beat("phase-c-1-hung", 12)
    with fake_runpod(clock=Clock()) as other:
        other.plant("videogen-00000000-other-1-aa")
        api = RunpodApi(other.url, Secret(other.key), patience_seconds=1)
        right, owner.cloud = owner.cloud, RunpodCloud(api, owner.s3.place)
        swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-hung": "open"}
    assert "nothing of ours vouches" in swept.alarms[0]
    assert len(owner.books.open_rents()) == 1
    owner.cloud = right
    assert fates(owner.sweep()) == {"phase-c-1-hung": "ended"}


@pytest.mark.parametrize("proof", ["bill", "last word"])
def test_the_first_machine_of_all_may_vanish(owner: Owner, proof: str) -> None:
    """Nothing else of ours vouches yet: the bill for its own id does, or that it asked for its end; no alarm."""
    record = owner.rented("phase-c-1-gone", 40, pod=proof == "bill")
    if proof == "bill":
        _act(owner, "phase-c-1-gone", "terminate")
    else:
        owner.books.open(record.model_copy(update={"id": "abcdefghijklmn"}))
        word = LastWord(machine="phase-c-1-gone", why="idle for 15 minutes", code=0, lived_seconds=9)
        owner.store.put_bytes("outputs", last_word_key("phase-c-1-gone"), word.model_dump_json(by_alias=True).encode())
        age(owner.s3.file("outputs", last_word_key("phase-c-1-gone")), 20)
    owner.beat("phase-c-1-gone", 20)
    swept = owner.sweep()

    assert swept.alarms == ()
    assert found(swept, "phase-c-1-gone").why.startswith("proven gone")


def test_the_bill_vouches_for_an_empty_list(owner: Owner) -> None:
    """Without a volume of ours: the key sees the bill of what was rented here, so it sees the right account."""
    owner.rented("phase-c-1-a", minutes=70)
    owner.sweep()
    assert owner.sweep().alarms == ()

    owner.fake.fault("refuse", on="billing", status=403)
    (alarm,) = owner.sweep().alarms
    assert "nothing else of ours vouches" in alarm


def test_the_key_that_rented_it_vouches(owner: Owner) -> None:
    """The first machine of a new user vanished, nothing else is there, nothing is billed: it is gone, and no alarm."""
    record = owner.rented("phase-c-1-gone", 30, pod=False)
    owner.books.open(record.model_copy(update={"id": "p0", "account": owner.cloud.account}))
    swept = owner.sweep()

    assert (fates(swept), swept.alarms) == ({"phase-c-1-gone": "open"}, ())
    assert "waits for the bill" in found(swept, "phase-c-1-gone").why


def test_a_machine_that_the_list_hides_is_found_by_its_id(owner: Owner) -> None:
    """The state has the cloud's own id: the machine is asked for by it, judged like any other, and the alarm says so."""
    owner.rented("phase-c-1-hidden", 63)
    owner.fake.fault("missing", name="hidden")
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-hidden": "ended"}
    assert "the list of machines does not show it" in swept.alarms[0]
    assert owner.alive() == []


def test_a_machine_that_speaks_is_not_gone(owner: Owner) -> None:
    """The list hides it and nobody has its id, but it said just now that it lives: no receipt, an alarm."""
    owner.rented("phase-c-1-hidden", 30, known=False)
    owner.fake.plant("videogen-00000000-other-1-aa")
    owner.fake.fault("missing", name="hidden")
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-hidden": "open"}
    assert "says that it lives" in swept.alarms[0]


@pytest.mark.parametrize("fault", ["refuse", "half-list"])
def test_a_failed_list_is_an_alarm(owner: Owner, fault: str) -> None:
    """Whoever gives no whole list is not asked to be believed; a machine whose id is known is judged all the same."""
    owner.rented("phase-c-1-lease", 63)
    owner.rented("phase-c-1-stray", 63, known=False)
    if fault == "half-list":
        owner.fake.paged(1)
        owner.fake.fault("half-list")
    else:
        owner.fake.fault("refuse", on="list", status=503)
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-lease": "ended", "phase-c-1-stray": "open"}
    assert any("which machines live is not known" in alarm for alarm in swept.alarms)


def test_a_cloud_that_lives_on_is_an_alarm(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delete is refused: the machine is `not ended`, without a receipt, and the sweep says so."""
    owner.rented("phase-c-1-lease", 63)
    owner.fake.fault("refuse", on="delete", status=403)
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-lease": "not ended"}
    assert "has no right to live" in swept.alarms[0]
    assert not owner.s3.file("outputs", receipt_key("phase-c-1-lease")).exists()


def test_the_lease_rules_without_a_store(owner: Owner) -> None:
    """The store is down: an alarm; what the cloud remembers of the lease still ends a machine, its receipt waits here.

    By this machine's clock, which may be wrong, it ends nothing that is over since less than a quarter of an hour.
    """
    owner.rented("phase-c-1-lease", 78)
    owner.rented("phase-c-1-mute", 30)
    owner.rented("phase-c-1-late", 70)
    owner.s3.kill()
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-lease": "ended", "phase-c-1-mute": "lives", "phase-c-1-late": "lives"}
    assert any("store does not answer" in alarm for alarm in swept.alarms)
    assert owner.books.waits("phase-c-1-lease")
    owner.s3.start()
    owner.sweep()
    assert receipt(owner, "phase-c-1-lease").ended_by == "sweeper"


def test_a_renewed_lease_without_a_store(owner: Owner) -> None:
    """The store is down: what is on the disk and in the pod is the lease of before; the state has the longer one."""
    owner.rented("phase-c-1-aa", 100)
    assert isinstance(owner.state, StackState)
    renewed = {**owner.state.workers["phase-c-1-aa"], "lease": {"total": 240, "idle": 15, "boot": 5}}
    owner.state = StackState({"phase-c-1-aa": renewed}, frozenset())
    owner.s3.kill()

    assert fates(owner.sweep()) == {"phase-c-1-aa": "lives"}


def test_a_read_that_fails_is_not_silence(owner: Owner) -> None:
    """The books answer, but for one object of a healthy machine: its lease is known, and it is not taken for silent."""
    record = owner.rented("phase-c-1-aa", 70, lease=60)
    owner.books.open(record.model_copy(update={"lease_minutes": 240.0}))
    owner.store.put_bytes("outputs", last_word_key("phase-c-1-aa"), b"{")
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-aa": "lives"}
    assert "what is written of it is not known" in swept.alarms[0]


def test_a_receipt_in_another_stacks_folder(owner: Owner) -> None:
    """It waited there while the store was down: it is in the bucket before the books are read, and its rent is closed."""
    record = owner.rented("phase-c-1-gone", 30, pod=False)
    other = type(owner.books)(owner.folder / "phase-a", owner.store)
    owner.s3.kill()
    Renter(owner.cloud, other, by="pulumi").ending.nothing_came_of(record, "no capacity")
    assert other.waits(record.machine)
    owner.others = (other,)
    assert any("1 receipts of this machine are not in the bucket" in alarm for alarm in owner.sweep().alarms)

    owner.s3.start()
    swept = owner.sweep()
    assert (swept.findings, swept.alarms) == ((), ())
    assert receipt(owner, record.machine).why == "no capacity"


@pytest.mark.parametrize("state", [None, VideogenError("pulumi did not answer within 60 s")])
def test_a_state_that_cannot_be_read_is_an_alarm(owner: Owner, state: Exception | None) -> None:
    """No machine is ended because nobody could say whether a stack knows it."""
    owner.rented("phase-c-1-aa", 30, known=False)
    owner.state = state
    swept = owner.sweep()

    assert fates(swept) == {"phase-c-1-aa": "lives"}
    assert "phase-c-1-aa" in swept.alarms[0]


def test_what_is_not_ours_is_left_alone_and_told(owner: Owner) -> None:
    """Another owner's machine, and one with our tag whose environment says otherwise, are sentences and no more."""
    ours = tag.tagged(tag.owner(owner.s3.place), "phase-c-1-cc")
    owner.planted("videogen-00000000-other-1-aa", "other-1-aa", 1000)
    owner.planted(ours, "somebody-else", 1000)
    swept = owner.sweep()

    assert swept.findings == ()
    assert len(swept.strangers) == 2
    assert len(owner.alive()) == 2


def test_volumes_that_nobody_declares(owner: Owner) -> None:
    """A volume that no state knows is told with what it costs a month; a declared one is not."""
    body = {"size": 100, "dataCenter": "EU-RO-1"}
    names = [tag.tagged(tag.owner(owner.s3.place), name) for name in ("models", "left")]
    ids = [_volume(owner, name, body) for name in names]
    owner.state = StackState({}, frozenset(ids[:1]))
    swept = owner.sweep()

    assert [(volume.name, int(volume.dollars_per_month)) for volume in swept.volumes] == [("left", 7)]
    assert swept.alarms == ()


def _act(owner: Owner, name: str, action: str) -> None:
    headers = {"Authorization": f"Bearer {owner.fake.key}"}
    url = f"{owner.fake.url}/pods/{owner.fake.pod(name).id}/action"
    assert httpx.post(url, json={"action": action}, headers=headers).is_success


def _volume(owner: Owner, name: str, body: dict[str, object]) -> str:
    headers = {"Authorization": f"Bearer {owner.fake.key}"}
    answer = httpx.post(f"{owner.fake.url}/network-volumes", json={"name": name, **body}, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_destroy_and_sweep_at_once_write_one_receipt(owner: Owner) -> None:
    """Both end the same machine; the receipt of one of them is in the bucket, whole."""
    owner.rented("phase-c-1-lease", 63)
    machine = owner.cloud.machines()[0]
    other = type(owner.books)(owner.folder / "elsewhere", owner.store)
    destroy = threading.Thread(target=lambda: Renter(owner.cloud, other, by="pulumi").end(machine, "destroyed"))
    destroy.start()
    swept = owner.sweep()
    destroy.join(20)

    assert set(fates(swept).values()) <= {"ended", "closed", "open"}  # or nothing: it was gone before the sweep looked
    kept = json.loads(owner.store.get_bytes("outputs", receipt_key("phase-c-1-lease")))
    assert kept["ended_by"] in ("pulumi", "sweeper")
    assert owner.alive() == []
