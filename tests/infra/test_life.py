"""Stack `dev` from `up` to `destroy` with the real engine; the tests are stations of one life, in order."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.infra.conftest import Checkout, kill, soon
from videogen import stack
from videogen.errors import InputError
from videogen.stack_outputs import StackOutputs


@pytest.fixture(scope="module")
def first_up(checkout: Checkout) -> str:
    """What the first `pulumi up` said."""
    with pytest.MonkeyPatch.context() as patch:
        _enter(checkout, patch)
        with pytest.raises(InputError, match="nothing is rented\nhint: pulumi up --stack dev"):
            stack.read("dev")
    return checkout.up()


@pytest.fixture(autouse=True)
def _inside(checkout: Checkout, first_up: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test stands in the checkout, after the first `up`."""
    _enter(checkout, monkeypatch)


def _enter(checkout: Checkout, patch: pytest.MonkeyPatch) -> None:
    for name, value in checkout.environment.items():
        patch.setenv(name, value)
    patch.chdir(checkout.folder)


def test_up_shows_what_it_waits_for(first_up: str) -> None:
    """Each model that is mirrored and each step of a boot is seen behind its resource."""
    assert "store creating" in first_up
    assert "mirror: uni3c" in first_up
    assert "ComfyUI is asked for nodes and models" in first_up


def test_outputs_are_the_contract(checkout: Checkout) -> None:
    """The exports are the fields of `StackOutputs`, without what is not here (queue, RunPod); its reading end takes them."""
    read = stack.read("dev")

    fields = {field.alias or name for name, field in StackOutputs.model_fields.items()}
    assert checkout.outputs().keys() == fields - {"queue", "runpod"}
    assert [worker.name[:6] for worker in read.workers] == ["dev-1-", "dev-2-"]
    assert read.tokens.keys() == {worker.name for worker in read.workers}


def test_a_file_is_read_like_a_stack(checkout: Checkout, tmp_path: Path) -> None:
    """A file that `pulumi stack output` wrote says the same."""
    (tmp_path / "outputs.json").write_text(json.dumps(checkout.outputs()))

    assert stack.read_file(tmp_path / "outputs.json") == stack.read("dev")


def test_a_stack_that_is_not_there(checkout: Checkout) -> None:
    """The error names the stack."""
    with pytest.raises(InputError, match="stack phase-x: there is none of that name"):
        stack.read("phase-x")


def test_workers_answer_with_their_token(checkout: Checkout) -> None:
    """Each worker's agent knows its token and holds the stack's manifest."""
    read = stack.read("dev")
    for worker in read.workers:
        headers = {"Authorization": f"Bearer {read.tokens[worker.name].reveal()}"}
        status = httpx.get(f"{worker.agent}/status", headers=headers, timeout=10).json()
        assert (status["state"], status["manifest"]) == ("ready", read.manifest)


def test_secrets_are_nowhere_in_clear(checkout: Checkout, first_up: str) -> None:
    """Tokens and keys stand in no state file, no record, no log and nothing that `up` said."""
    read = stack.read("dev")
    secrets = [read.store_access.key, read.store_access.secret, *read.tokens.values()]
    places = [checkout.backend, checkout.state / "dev" / "processes", checkout.state / "dev" / "disks"]
    texts = [path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()]
    texts.append(first_up.encode())

    assert len(secrets) == 4
    for secret in secrets:
        assert not [text for text in texts if secret.reveal().encode() in text]


def test_a_second_up_changes_nothing(checkout: Checkout) -> None:
    """Nothing is made, ended or changed."""
    before = checkout.outputs()
    checkout.up("--expect-no-changes")

    assert checkout.outputs() == before


@pytest.fixture(scope="module")
def recovered(checkout: Checkout, first_up: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs before and after: a worker and the store are killed, then `pulumi up`."""
    before = checkout.outputs()
    kill(next(one for one in checkout.living("worker") if one.name == before["workers"][0]["name"]))
    kill(checkout.living("store")[0])
    assert soon(lambda: len(checkout.living("worker") + checkout.living("store")) == 1)
    checkout.up()
    return before, checkout.outputs()


def test_a_killed_worker_is_replaced(checkout: Checkout, recovered: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """A new one stands on the same disk, the other one is let be, and the dead one has its receipt."""
    before, after = ([worker["name"] for worker in outputs["workers"]] for outputs in recovered)

    assert (after[0] != before[0], after[1]) == (True, before[1])
    assert {one.name for one in checkout.living("worker")} == set(after)
    assert checkout.receipts()[before[0]]["why"] == "found ended"


def test_a_killed_store_comes_back_where_it_was(
    checkout: Checkout, recovered: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """It has its address and keys again, so that the workers need not be told; the receipt it could not take is there."""
    before, after = recovered

    assert (after["store"], after["storeAccess"]) == (before["store"], before["storeAccess"])
    assert len(checkout.living("store")) == 1
    assert before["workers"][0]["name"] in checkout.receipts()


def test_an_odd_answer_is_never_gone(checkout: Checkout) -> None:
    """While it is not known whether a worker runs, `refresh` fails and the worker stays in the state."""
    record = checkout.living("worker")[0].folder / "process.json"
    text = record.read_text()
    record.write_text("not json")
    done = checkout.pulumi("refresh", "--yes", "--skip-preview")
    record.write_text(text)

    assert done.returncode != 0
    assert "is not known" in done.stdout
    assert len(stack.read("dev").workers) == len(checkout.living("worker")) == 2


def test_a_lease_changes_in_place(checkout: Checkout) -> None:
    """A new lease reaches the living workers; none is replaced."""
    before = checkout.outputs()
    checkout.set("dev", "lease", "{total: 60, idle: 30, boot: 5}")
    checkout.up()
    read = stack.read("dev")
    headers = {"Authorization": f"Bearer {read.tokens[read.workers[0].name].reveal()}"}
    left = httpx.get(f"{read.workers[0].agent}/status", headers=headers, timeout=10).json()["lease_seconds_left"]

    assert checkout.outputs() == before
    assert 50 * 60 < left <= 60 * 60


def test_a_new_manifest_replaces_workers(checkout: Checkout) -> None:
    """The old worker is ended before the new one exists; one worker less is one machine less."""
    before = [worker["name"] for worker in checkout.outputs()["workers"]]
    path = checkout.folder / "models_manifest.dev.yaml"
    path.write_text(path.read_text() + "# a comment makes a new revision\n")
    checkout.set("dev", "workers", "1")
    said = checkout.up()
    read = stack.read("dev")

    assert said.index("worker-1 deleted") < said.index("worker-1 created")
    assert read.manifest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [one.name for one in checkout.living("worker")] == [read.workers[0].name]
    assert {checkout.receipts()[name]["why"] for name in before} == {"destroyed"}


def test_destroy_leaves_receipts_and_nothing_else(checkout: Checkout) -> None:
    """No process is left; every machine that ever was has its receipt; the store's data stays."""
    done = checkout.pulumi("destroy", "--yes", "--skip-preview")

    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout
    assert checkout.living("worker") + checkout.living("store") == []
    assert len(checkout.receipts()) == 4
    assert list((checkout.state / "dev" / "processes").iterdir()) == []
    assert list((checkout.state / "dev" / "store" / "videogen-models" / "models").rglob("*"))
