"""`status` and `outputs list` show a chain as one video, not as a heap of jobs."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.doubles.chain import plan
from tests.doubles.s3_server import S3Server
from videogen import cli, project
from videogen.batch import Job
from videogen.failure import needs_failed
from videogen.ledger import Ledger
from videogen.ledger_rows import OutputRow


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Job, ...]:
    """Two chains of a stack: the first is finished, the second failed at its first step."""
    monkeypatch.setenv("VIDEOGEN_STATE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    what = plan(tmp_path, [1, 2])
    with Ledger.open(project.state("studio") / "ledger.sqlite") as ledger:
        ledger.register("walk", what.jobs)
        for job in what.jobs[:4]:
            row = OutputRow("video.mp4", tmp_path / f"{job.id}.mp4", f"outputs/walk/{job.id}/video.mp4", 7, "a" * 64)
            ledger.adopt("walk", job.id, "w1", f"prompt of {job.id}", [row])
        for job in what.jobs[4:]:
            ledger.fail_untried("walk", job.id, needs_failed("draw 1/2", "x", "black"))
    return what.jobs


def _said(*words: str) -> Any:
    result = CliRunner().invoke(cli.app, [*words, "--stack", "studio"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_status_counts_steps(jobs: tuple[Job, ...]) -> None:
    """One line a video, its steps in order."""
    (batch,) = json.loads(_said("status", "--json"))["batches"]
    steps = [
        (one["label"], [(s["step"], s["done"], s["of"], s["failed"]) for s in one["steps"]]) for one in batch["chains"]
    ]

    assert steps == [
        ("seed=1", [("draw", 2, 2, 0), ("stitch", 1, 1, 0), ("eyes", 1, 1, 0)]),
        ("seed=2", [("draw", 0, 2, 2), ("stitch", 0, 1, 1), ("eyes", 0, 1, 1)]),
    ]
    table = _said("status")
    assert "draw 2/2 · stitch 1/1 · eyes 1/1" in table
    assert "draw 0/2 (2 failed)" in table


def test_outputs_come_down_when_nothing_is_rented_any_more(
    jobs: tuple[Job, ...], tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another day the workers are gone, and the project lies elsewhere; the bucket is where it was."""
    (tmp_path / "moved").mkdir()
    for name in project.MARKERS:
        (tmp_path / "moved" / name).symlink_to(project.root() / name)
    monkeypatch.setenv("VIDEOGEN_PROJECT", str(tmp_path / "moved"))
    film = b"seven b"
    with Ledger.open(project.state("studio") / "ledger.sqlite") as ledger:
        job, path = jobs[3].id, tmp_path / "old" / "walk" / f"{jobs[3].id}.mp4"
        key = f"outputs/walk/{job}/video.mp4"
        ledger.reopen("walk", job)
        row = OutputRow("video.mp4", path, key, 7, hashlib.sha256(film).hexdigest())
        ledger.adopt("walk", job, "w1", "another prompt", [row])
    s3.store().put_bytes("outputs", key, film)
    access = {"key": s3.access.key.reveal(), "secret": s3.access.secret.reveal()}
    known = {"stack": "studio", "store": s3.place.model_dump(), "storeAccess": access}
    (tmp_path / "outputs.json").write_text(json.dumps(known))
    result = CliRunner().invoke(cli.app, ["outputs", "fetch", "--outputs", str(tmp_path / "outputs.json")])

    assert result.exit_code == 0, result.output
    assert (tmp_path / "moved" / "outputs" / "walk" / path.name).read_bytes() == film
    assert not path.exists()


def test_outputs_are_the_last_steps(jobs: tuple[Job, ...]) -> None:
    """The finished video under the label of its chain; the steps when they are asked for."""
    (only,) = json.loads(_said("outputs", "list", "--json"))
    all_ = json.loads(_said("outputs", "list", "--steps", "--json"))

    assert (only["job"], only["video"], only["step"]) == (jobs[3].id, "seed=1", "eyes")
    assert [one["label"] for one in all_] == [job.label for job in jobs[:4]]
    assert "draw" not in _said("outputs", "list")
