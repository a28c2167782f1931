"""RunPod's lasting things by RunPod's own provider, and moved from it to REST v2, with the real engine.

`RUNPOD_PLUGIN=/path/pulumi-resource-runpod` puts the real plugin in the stand-in's place. The tests with the fixture
`lasting` are stations of one life.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.runpod_lasting import OURS
from tests.doubles.runpod_graphql.stack import NAME, PASSWORD, ROOT, Lasting, plugin, stack


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`pulumi_runpod`, generated as a user does it."""
    folder = tmp_path_factory.mktemp("sdk")
    environment = os.environ | {"RUNPOD_PLUGIN": str(plugin())}
    subprocess.run([ROOT / "tools" / "runpod_sdk.sh", folder], env=environment, check=True, timeout=100)
    return folder


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, sdk: Path) -> Iterator[Lasting]:
    """A stack that came up by the provider."""
    with stack(tmp_path_factory.mktemp("provider"), sdk) as made:
        made.up(through="provider")
        yield made


def test_the_provider_makes_the_same(lasting: Lasting) -> None:
    """The calls are those that the real one sends; neither key nor password is in clear in the state."""
    asked, ids = lasting.graphql, lasting.ids()
    place = {"name": NAME, "size": 50, "dataCenterId": "EU-RO-1"}

    assert ids["volume"] == lasting.volumes[0].id
    assert asked.said("CreateNetworkVolume") == [{"input": place}]
    assert asked.said("SaveRegistryAuth") == [{"input": {"name": NAME, "username": "me", "password": PASSWORD}}]
    template = {
        "name": NAME,
        "imageName": "ghcr.io/me/video-gen-worker:1",
        "containerDiskInGb": 60,
        "containerRegistryAuthId": ids["login"],
        "dockerArgs": "",
        "env": [],
        "ports": "8080/http,2222/tcp",
        "portsConfig": None,
        "startJupyter": False,
        "startSsh": False,
        "volumeInGb": 0,
    }
    assert asked.said("SaveTemplate") == [{"input": template}]
    assert PASSWORD not in lasting.state()
    assert lasting.rest.key not in lasting.state()


def test_a_volume_grows_in_place(lasting: Lasting) -> None:
    """One order, as over REST."""
    lasting.up(through="provider", gb=80)
    order = {"id": lasting.ids()["volume"], "name": NAME, "size": 80}

    assert lasting.graphql.said("UpdateNetworkVolume") == [{"input": order}]


def test_one_word_moves_it_when_graphql_has_ended(lasting: Lasting) -> None:
    """Volume, template and login stay under their ids, and nothing is ordered.

    Nobody can refresh what the provider made, so this once it is `up --refresh=false`. The SDK may be gone, too.
    """
    ids, asked = lasting.ids(), len(lasting.graphql.asked)
    lasting.graphql.mood, lasting.sdk = "ended", None
    assert "410" in lasting.up(through="rest", code=1)
    lasting.up("--refresh=false", through="rest")

    assert lasting.ids() == ids
    assert lasting.volumes[0].id == ids["volume"]
    assert (lasting.orders(), lasting.graphql.asked[asked:]) == ([], [])
    assert lasting.types() == {OURS[thing] for thing in OURS}


def test_it_lives_on_over_rest(lasting: Lasting) -> None:
    """From then on everything is as if REST had made it."""
    lasting.up(through="rest", gb=90)

    assert lasting.volumes[0].size == 90
    assert lasting.orders() == [("PATCH", f"/v2/network-volumes/{lasting.volumes[0].id}")]


def test_the_way_back_is_closed(lasting: Lasting, sdk: Path) -> None:
    """It would replace what it did not make; the protected volume is the first, so that nothing is touched."""
    lasting.sdk, lasting.graphql.mood, asked = sdk, "good", len(lasting.graphql.asked)
    before, ids = lasting.orders(), lasting.ids()

    assert "protection" in lasting.up(through="provider", code=1)
    assert lasting.orders() == before
    assert [one for one in lasting.graphql.asked[asked:] if not one.operation.startswith("Get")] == []
    assert lasting.ids() == ids


def test_one_word_moves_it_while_graphql_answers(tmp_path: Path, sdk: Path) -> None:
    """An ordinary `up` takes over what the provider made: the same ids, and no order by either API."""
    with stack(tmp_path, sdk) as lasting:
        lasting.up(through="provider")
        ids, asked = lasting.ids(), len(lasting.graphql.asked)
        lasting.up(through="rest")

        assert lasting.ids() == ids
        assert lasting.volumes[0].id == ids["volume"]
        assert lasting.orders() == []
        assert [one for one in lasting.graphql.asked[asked:] if not one.operation.startswith("GetMy")] == []
        assert lasting.types() == {OURS[thing] for thing in OURS}


def test_the_provider_ends_what_it_made(tmp_path: Path, sdk: Path) -> None:
    """Unprotected on purpose: each by the call that the real one sends."""
    with stack(tmp_path, sdk) as lasting:
        lasting.up(through="provider")
        ids, asked = lasting.ids(), lasting.graphql
        lasting.pulumi("state", "unprotect", "--all", "--yes")
        lasting.destroy()

        assert asked.said("DeleteNetworkVolume") == [{"input": {"id": ids["volume"]}}]
        assert asked.said("DeleteTemplate") == [{"templateName": NAME}]
        assert asked.said("DeleteRegistryAuth") == [{"registryAuthId": ids["login"]}]
        assert lasting.volumes == []
