"""`videogen boundary --forget`: a GPU is tried anew, here and for everybody who shares the bucket."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.doubles.s3_server import S3Server
from videogen import cli, project
from videogen.boundary import Ask, Observation, observed
from videogen.boundary_store import BoundaryStore
from videogen.ledger import Ledger

ASK = Ask("wan22-i2v", 720, 1280, 81, "default")
SEEN = [observed(ASK, "L40S", "", works=False), observed(ASK, "H100-80GB", "", works=True)]


def _videogen(*words: str) -> Result:
    return CliRunner().invoke(cli.app, ["boundary", *words])


def _known(stack: str) -> list[Observation]:
    with Ledger.open(project.state(stack) / "ledger.sqlite", read_only=True) as ledger:
        return BoundaryStore(ledger.file).known()


@pytest.fixture(autouse=True)
def ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stacks of this machine that saw the same."""
    monkeypatch.setenv("VIDEOGEN_STATE", str(tmp_path / "state"))
    for stack in ("one", "two"):
        with Ledger.open(project.state(stack) / "ledger.sqlite") as ledger:
            BoundaryStore(ledger.file).add(SEEN)


def test_a_gpu_is_forgotten_in_every_ledger_and_in_the_bucket(tmp_path: Path, s3: S3Server) -> None:
    """What it held and where it ended; another GPU's boundary stays."""
    store = s3.store()
    with Ledger.open(project.state("one") / "ledger.sqlite") as ledger:
        BoundaryStore(ledger.file).send(store)
    access = {"key": s3.access.key.reveal(), "secret": s3.access.secret.reveal()}
    outputs = {
        "contract": 1, "stack": "one", "phase": "a", "manifest": "ab" * 32, "workflows": [], "workers": [],
        "tokens": {}, "store": s3.place.model_dump(), "storeAccess": access,
    }  # fmt: skip
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))
    result = _videogen("--forget", "--gpu", "L40S", "--outputs", str(tmp_path / "outputs.json"))

    assert result.exit_code == 0, result.output
    assert "1 shape forgotten\n" in result.stderr
    assert [_known(stack) for stack in ("one", "two")] == [SEEN[1:], SEEN[1:]]
    assert [one.key for one in store.list("outputs", "boundary/")] == [SEEN[1].key]


def test_without_a_stack_the_bucket_is_said_to_remember(tmp_path: Path) -> None:
    """Only what lies here is forgotten, and the words say so."""
    result = _videogen("--forget", "--workflow", "wan22-i2v")

    assert "2 shapes forgotten, here; with --stack in its bucket, too" in result.stderr
    assert _known("two") == []


def test_nobody_forgets_everything_by_a_slip() -> None:
    """Without a GPU or a workflow nothing is forgotten."""
    result = _videogen("--forget")

    assert result.exit_code != 0
    assert len(_known("one")) == 2


def test_what_another_version_wrote_is_left() -> None:
    """An observation with a field that this program does not know neither counts nor stops it."""
    with Ledger.open(project.state("one") / "ledger.sqlite") as ledger, ledger.file.transaction() as db:
        db.execute("UPDATE boundary SET document = json_set(document, '$.newer', 1) WHERE gpu = 'L40S'")

    assert _known("one") == SEEN[1:]
