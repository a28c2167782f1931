"""A network volume, a pod template and a login that `prod` keeps on RunPod, and a phase that mounts the volume.

The tests are stations of one life.
"""

import json
from collections.abc import Iterator

import pytest

from tests.doubles.rented_phase import RentedPhase
from tests.doubles.runpod import fake_runpod
from tests.doubles.runpod.process_box import unable
from tests.doubles.s3_server import S3Server
from videogen import tag

pytestmark = pytest.mark.skipif(bool(unable()), reason=unable() or "-")

TERMS = {"through": "rest", "volume": {"gb": 20, "place": "EU-RO-1"}, "image": "me/video-gen-worker:1", "diskGb": 60}
LOGIN = {"username": "me", "password": "a-token-that-reads-images"}


@pytest.fixture(scope="module")
def phase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RentedPhase]:
    """`prod` is up with what lasts; its login is a secret of the stack file."""
    folder = tmp_path_factory.mktemp("lasting")
    (folder / "s3").mkdir()
    with S3Server(folder / "s3") as s3, fake_runpod(pods="processes") as runpod:
        made = RentedPhase(folder, s3, runpod)
        made.set("prod", "runpodLasting", json.dumps(TERMS))
        made.found()
        made.pulumi("config", "set", "--secret", "videogen:registryLogin", json.dumps(LOGIN), stack="prod")
        done = made.pulumi("up", "--yes", "--skip-preview", stack="prod")
        assert done.returncode == 0, done.stdout
        yield made


def test_prod_exports_what_lasts(phase: RentedPhase) -> None:
    """The ids are RunPod's, the names carry the owner of the store and the stack, the password is nowhere in clear."""
    (volume,) = phase.runpod.account.living_volumes()
    (template,) = phase.runpod.account.templates.values()
    (login,) = phase.runpod.account.registries.values()
    said = json.loads(phase.pulumi("stack", "output", "runpod", "--json", "--stack", "prod").stdout)

    assert said == {
        "networkVolume": volume.id,
        "place": "EU-RO-1",
        "template": template["id"],
        "login": login["id"],
    }
    assert volume.name == template["name"] == login["name"] == tag.tagged(tag.owner(phase.s3.place), "prod")
    texts = [path.read_text() for path in phase.backend.rglob("*") if path.is_file()]
    texts += [path.read_text() for path in phase.folder.glob("Pulumi.*.yaml")]
    assert not [text for text in texts if LOGIN["password"] in text]


def test_a_worker_has_the_volume_and_the_login(phase: RentedPhase) -> None:
    """It is rented in the volume's data centre, mounts it, and RunPod pulls its image with the login."""
    phase.set("phase-c", "volumeGb", "20")
    done = phase.phase("up")
    assert done.returncode == 0, done.stdout
    (pod,) = phase.runpod.alive()
    (volume,), (login,) = phase.runpod.account.living_volumes(), phase.runpod.account.registries

    assert pod.place == "EU-RO-1"
    assert [mount["volumeId"] for mount in pod.shown["mounts"]["network"]] == [volume.id]
    assert pod.shown["registry"] == login


def test_the_volume_outlives_the_worker(phase: RentedPhase) -> None:
    """A destroyed phase takes its worker and leaves what lasts."""
    done = phase.phase("destroy")
    assert done.returncode == 0, done.stdout

    assert phase.runpod.alive() == []
    assert len(phase.runpod.account.living_volumes()) == 1


def test_a_phase_says_when_there_is_no_volume(phase: RentedPhase) -> None:
    """It asks for one that its foundation does not have: refused at preview, with the cure."""
    phase.set("prod", "runpodLasting", json.dumps(TERMS | {"volume": "none"}))
    phase.pulumi("state", "unprotect", "--all", "--yes", stack="prod")
    assert phase.pulumi("up", "--yes", "--skip-preview", stack="prod").returncode == 0
    done = phase.phase("preview")

    assert done.returncode != 0
    assert "volumeGb asks for a network volume, and the foundation has none: `runpodLasting` makes it" in done.stdout
