"""A batch on the terminal: every worker has a bar that moves."""

from pathlib import Path

import pytest

from tests.doubles import studio
from videogen.cli.bars import BatchBars
from videogen.console import Console
from videogen.ledger_rows import HERE
from videogen.progress import Progress


def test_each_worker_has_a_bar_that_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the first worker's bar moves as well as the second's, and the batch counts its jobs."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    jobs = studio.plan(tmp_path, [1, 2]).jobs
    with BatchBars(Console()) as bars:
        bars.planned(2, 0, ["one", "two"])
        for worker, job in zip(("one", "two"), jobs, strict=True):
            bars.job_started(worker, job, 1, resumed=False)
            bars.job_progress(worker, job, Progress("Sampler", 1, 2, 0.5))
        bars.job_finished(jobs[0], None)

    assert bars.shown() == {"one": 0.5, "two": 0.5, "batch": 0.5}


def test_without_a_terminal_there_are_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe each start and end is a line, with the words that tell the job from the others."""
    (job,) = studio.plan(tmp_path, [5]).jobs
    with BatchBars(Console()) as bars:
        bars.planned(1, 0, ["one", HERE])
        bars.job_started("one", job, 2, resumed=False)
        bars.job_rendered("one", job, 1.25)
        bars.job_finished(job, tmp_path / "x.mp4")
    lines = capsys.readouterr().err.splitlines()

    assert lines[:3] == ["1 job on 1 worker …", "one: seed=5, attempt 2 …", "one: seed=5: rendered in 1.2s"]
    assert lines[3].startswith("done 1/1: seed=5 → ")
