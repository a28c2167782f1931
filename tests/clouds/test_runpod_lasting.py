"""Lasting things over REST v2: made once, found by name, changed, and believed gone only when that is proven."""

from collections.abc import Iterator

import pytest

from tests.doubles.runpod import Clock, FakeRunpod, fake_runpod
from videogen.errors import CloudError, CloudUnknown, InputError
from videogen.pace import Pace
from videogen.runpod_api import Refused, RunpodApi
from videogen.runpod_lasting import LOGIN, TEMPLATE, VOLUME, RunpodLasting, of_environment, owner_part
from videogen.secret import Secret

NAME = "videogen-1a2b3c4d-prod"
WANTED = {"name": NAME, "size": 50, "dataCenter": "EU-RO-1"}


@pytest.fixture
def fake() -> Iterator[FakeRunpod]:
    """An account whose clock stands still."""
    with fake_runpod(clock=Clock.quick()) as fake:
        yield fake


@pytest.fixture
def lasting(fake: FakeRunpod) -> RunpodLasting:
    """Waits by the account's clock."""
    clock = fake.clock
    pace = Pace(clock, lambda: clock().timestamp(), lambda _event, seconds: clock.wait(seconds))
    return RunpodLasting(RunpodApi(fake.url, Secret(fake.key), pace=pace, answer_seconds=5), pace)


def test_a_life(lasting: RunpodLasting, fake: FakeRunpod) -> None:
    """Made, found by name and by id, changed, ended; the second end finds it gone."""
    assert lasting.named(VOLUME, NAME) is None
    made = lasting.make(VOLUME, WANTED)
    assert lasting.named(VOLUME, NAME) == lasting.look(VOLUME, made["id"]) == made

    lasting.change(VOLUME, made["id"], {"size": 80})
    assert fake.account.volumes[made["id"]].size == 80

    lasting.end(VOLUME, made["id"])
    lasting.end(VOLUME, made["id"])
    assert lasting.look(VOLUME, made["id"]) is None
    assert fake.account.living_volumes() == []


@pytest.mark.parametrize("fault", ["drop", "refuse"])
def test_a_create_without_an_answer_is_found(lasting: RunpodLasting, fake: FakeRunpod, fault: str) -> None:
    """No answer, or a 500, though the volume was made: it is the one that is handed out, and the only one."""
    fake.fault(fault, on="volumes", done=True, times=1)
    made = lasting.make(VOLUME, WANTED)

    assert [made["id"]] == [volume.id for volume in fake.account.living_volumes()]


def test_a_create_that_left_nothing_is_unknown(lasting: RunpodLasting, fake: FakeRunpod) -> None:
    """It is ordered once; after a while of looking the word is that it may come yet."""
    fake.fault("drop", on="volumes", times=1)
    with pytest.raises(CloudUnknown) as error:
        lasting.make(VOLUME, WANTED)

    assert error.value.hint == f"a network volume {NAME} may come into being yet: the next `pulumi up` takes it over"
    assert [method for method, _, _ in fake.calls].count("POST") == 1


def test_a_refusal_is_no_doubt(lasting: RunpodLasting, fake: FakeRunpod) -> None:
    """What RunPod refuses was not made, and is not looked for."""
    with pytest.raises(Refused, match="no network volumes in data center US-TX-3"):
        lasting.make(VOLUME, WANTED | {"dataCenter": "US-TX-3"})

    assert len(fake.calls) == 1


def test_a_rate_limit_is_waited_for(lasting: RunpodLasting, fake: FakeRunpod) -> None:
    """An order that came too early comes again when it may, and is carried out once."""
    fake.fault("refuse", on="volumes", status=429, retry_after=7, times=1)
    before = fake.clock()
    lasting.make(VOLUME, WANTED)

    assert (fake.clock() - before).total_seconds() == 7
    assert len(fake.account.living_volumes()) == 1


def test_two_of_a_name_are_nobodys(lasting: RunpodLasting) -> None:
    """With two volumes of our name none is taken: the ids are named, a person decides."""
    ids = [lasting.make(VOLUME, WANTED)["id"] for _ in range(2)]
    with pytest.raises(CloudError, match="2 network volumes") as error:
        lasting.named(VOLUME, NAME)

    assert all(one in str(error.value) for one in ids)


def test_data_is_gone_only_on_our_account(lasting: RunpodLasting, fake: FakeRunpod) -> None:
    """A missing volume is unknown until something else of the same owner shows that the key sees the right account."""
    made = lasting.make(VOLUME, WANTED)["id"]
    fake.account.delete_volume(made)
    lasting.make(TEMPLATE, {"name": "somebody-else's", "image": "x:1"})
    lasting.make(TEMPLATE, {"name": "videogen-99999999-prod", "image": "x:1"})
    with pytest.raises(CloudUnknown, match="may be another account"):
        lasting.look(VOLUME, made, holds_data=owner_part(NAME))

    lasting.make(TEMPLATE, {"name": "videogen-1a2b3c4d-other", "image": "x:1"})
    assert lasting.look(VOLUME, made, holds_data=owner_part(NAME)) is None


def test_a_404_that_the_list_denies_is_unknown(lasting: RunpodLasting, fake: FakeRunpod) -> None:
    """Where one answer says gone and the other one lists it, nothing is concluded."""
    made = lasting.make(VOLUME, WANTED)["id"]
    fake.fault("refuse", on="volumes", status=404, times=1)
    with pytest.raises(CloudUnknown, match="lists network volume"):
        lasting.look(VOLUME, made)


def test_a_password_is_in_no_error(lasting: RunpodLasting, fake: FakeRunpod) -> None:
    """Also where RunPod's answer repeats it."""
    fake.fault("refuse", on="registries", status=400, detail="the password hunter2-token is too weak")
    secret = Secret("hunter2-token")
    with pytest.raises(Refused) as error:
        lasting.make(LOGIN, {"name": NAME, "username": "me", "password": secret.reveal()}, (secret,))

    assert "hunter2" not in str(error.value)
    assert "is too weak" in str(error.value)


def test_without_a_key_nothing_is_asked() -> None:
    """The variable and where a key comes from are named."""
    with pytest.raises(InputError, match="RUNPOD_API_KEY: is required"):
        of_environment({})
