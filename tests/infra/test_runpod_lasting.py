"""RunPod's lasting things over REST v2, with the real engine. The tests with one fixture are stations of one life."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.runpod_graphql.stack import NAME, PASSWORD, Lasting, stack


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lasting]:
    """A stack that came up on a machine without the provider's SDK."""
    with stack(tmp_path_factory.mktemp("rest")) as made:
        made.up()
        yield made


def test_everything_carries_our_name(lasting: Lasting) -> None:
    """The state has RunPod's own ids, and neither key nor password in clear."""
    (volume,), ids = lasting.volumes, lasting.ids()
    (template,), (login,) = lasting.rest.account.templates.values(), lasting.rest.account.registries.values()

    assert (volume.name, volume.size, volume.place) == (NAME, 50, "EU-RO-1")
    assert ids == {"volume": volume.id, "template": template["id"], "login": login["id"]}
    assert template["name"] == login["name"] == NAME
    assert (template["image"], template["disk"]) == ("ghcr.io/me/video-gen-worker:1", 60)
    assert template["registry"] == login["id"]
    assert (template["ports"], template["startSsh"]) == (["8080/http", "2222/tcp"], False)
    assert PASSWORD not in lasting.state()
    assert lasting.rest.key not in lasting.state()


def test_a_volume_grows_in_place(lasting: Lasting) -> None:
    """More room is one order, and the only one."""
    (volume,), before = lasting.volumes, len(lasting.orders())
    lasting.up(gb=80)

    assert volume.size == 80
    assert lasting.orders()[before:] == [("PATCH", f"/v2/network-volumes/{volume.id}")]


def test_another_place_is_refused(lasting: Lasting) -> None:
    """It would be another, empty volume: nothing is ordered while the one with data is protected."""
    before = lasting.orders()
    assert "protection" in lasting.up(place="US-KS-2", code=1)
    lasting.terms["volume"]["place"] = "EU-RO-1"

    assert lasting.orders() == before


def test_another_password_is_another_login(lasting: Lasting) -> None:
    """RunPod changes no login: the old one goes, a new one comes, the template follows."""
    old = lasting.ids()["login"]
    lasting.login = {"username": "me", "password": "the-next-one"}
    lasting.up()
    (login,) = lasting.rest.account.registries

    assert lasting.ids()["login"] == login != old
    assert lasting.rest.account.templates[lasting.ids()["template"]]["registry"] == login


def test_unknown_is_not_gone(lasting: Lasting) -> None:
    """With another account's key nothing is made there, and the volume stays in the state."""
    ids, account = lasting.ids(), lasting.rest.account
    ours = account.volumes, account.templates, account.registries
    account.volumes, account.templates, account.registries = {}, {}, {}
    said = lasting.up(code=1)

    assert "this may be another account" in said
    assert account.volumes == {}
    assert lasting.ids()["volume"] == ids["volume"]
    account.volumes, account.templates, account.registries = ours


def test_what_is_proven_gone_is_made_anew(lasting: Lasting) -> None:
    """A volume that somebody deleted, on an account that proves to be ours; what was only forgotten is found by name."""
    gone, account = lasting.ids()["volume"], lasting.rest.account
    account.delete_volume(gone)
    lasting.up()

    assert lasting.ids()["volume"] == lasting.volumes[0].id != gone
    assert [lasting.ids()["template"]] == list(account.templates)
    assert [lasting.ids()["login"]] == list(account.registries)


def test_destroy_takes_no_volume_that_is_protected(lasting: Lasting) -> None:
    """Unprotected on purpose, it is the last to go."""
    (volume,) = lasting.volumes
    assert "protected" in lasting.destroy(code=1)
    assert lasting.volumes == [volume]

    lasting.pulumi("state", "unprotect", "--all", "--yes")
    lasting.destroy()
    account = lasting.rest.account
    assert lasting.orders()[-1] == ("DELETE", f"/v2/network-volumes/{volume.id}")
    assert [lasting.volumes, account.templates, account.registries] == [[], {}, {}]


def test_what_a_silent_create_left_is_taken_over(tmp_path: Path) -> None:
    """A create without an answer, and a state that was lost, leave one volume with what it holds, not two."""
    with stack(tmp_path) as lasting:
        lasting.rest.fault("drop", on="volumes", done=True, skip=1, times=1)
        lasting.up()
        ids = lasting.ids()
        lasting.forget()
        lasting.up()

        assert lasting.ids()["volume"] == ids["volume"] == lasting.volumes[0].id
        assert lasting.ids()["template"] == ids["template"]
        assert len(lasting.volumes) == len(lasting.rest.account.registries) == 1


def test_without_its_sdk_the_provider_says_how_to_get_it(tmp_path: Path) -> None:
    """No traceback; one line says what is missing, one what to do, and nothing is made."""
    with stack(tmp_path) as lasting:
        said = lasting.up(through="provider", code=1)

        assert "hint: `make runpod-sdk` makes it; or say `through: rest`, which needs nothing" in said
        assert "Traceback" not in said
        assert lasting.volumes == []
