"""The ledger: states, transactions, what survives."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.bound_by_modes import bound_by_modes, unwritable
from tests.doubles.studio import plan
from videogen.batch import Job
from videogen.errors import VideogenError
from videogen.failure import Failure, FailureClass
from videogen.flaw import Flaw
from videogen.ledger import IllegalTransition, Ledger
from videogen.ledger_lock import exclusive
from videogen.ledger_rows import AttemptState, JobState, OutputRow

LOST = Failure(FailureClass.LOST_WORKER, "gone", {"why": "killed"})


@pytest.fixture
def jobs(tmp_path: Path) -> tuple[Job, ...]:
    """Two jobs."""
    return plan(tmp_path, [1, 2]).jobs


@pytest.fixture
def ledger(tmp_path: Path, jobs: tuple[Job, ...]) -> Iterator[Ledger]:
    """A ledger with both jobs in batch `walk`, at a standing clock."""
    with Ledger.open(tmp_path / "deep" / "ledger.sqlite", clock=lambda: 100.0) as opened:
        opened.register("walk", jobs)
        yield opened


def _output(folder: Path) -> OutputRow:
    return OutputRow("video.mp4", folder / "x.mp4", "outputs/walk/x/video.mp4", 7, "ab" * 32)


def test_a_job_goes_its_whole_way(ledger: Ledger, jobs: tuple[Job, ...], tmp_path: Path) -> None:
    """From open to done, each state can be read back, with outputs and seconds."""
    attempt = ledger.lease("walk", jobs[0].id, "w1")
    states = [attempt.state]
    for step in (ledger.submitted, lambda p: ledger.rendered(p, [_output(tmp_path)], 1.5), ledger.stored, ledger.done):
        step(attempt.prompt_id)
        states.append(ledger.attempt(attempt.prompt_id).state)

    assert [str(state) for state in states] == ["leased", "submitted", "rendered", "stored", "done"]
    assert ledger.job("walk", jobs[0].id).state is JobState.DONE
    assert ledger.job("walk", jobs[1].id).state is JobState.OPEN
    assert ledger.done_outputs("walk", jobs[0].id) == [_output(tmp_path)]
    assert ledger.attempt(attempt.prompt_id).render_seconds == 1.5
    assert ledger.in_flight("walk") == []


@pytest.mark.parametrize("step", ["stored", "done"])
def test_a_state_cannot_be_skipped(ledger: Ledger, jobs: tuple[Job, ...], step: str) -> None:
    """A transition from the wrong state is refused and changes nothing."""
    attempt = ledger.lease("walk", jobs[0].id, "w1")
    with pytest.raises(IllegalTransition, match=f"cannot become {step}"):
        getattr(ledger, step)(attempt.prompt_id)

    assert ledger.attempt(attempt.prompt_id).state is AttemptState.LEASED
    assert ledger.job("walk", jobs[0].id).state is JobState.OPEN


def test_half_a_transition_is_none(ledger: Ledger, jobs: tuple[Job, ...], tmp_path: Path) -> None:
    """When the second half of a transition fails, the first half is undone."""
    attempt = ledger.lease("walk", jobs[0].id, "w1")
    ledger.rendered(attempt.prompt_id, [_output(tmp_path)], None)
    ledger.stored(attempt.prompt_id)
    ledger.fail_untried("walk", jobs[0].id, LOST)
    with pytest.raises(IllegalTransition):
        ledger.done(attempt.prompt_id)

    assert ledger.attempt(attempt.prompt_id).state is AttemptState.STORED


def test_failures_are_counted_until_the_job_is_opened_again(ledger: Ledger, jobs: tuple[Job, ...]) -> None:
    """Failed and lost attempts count, cancelled ones do not; a reopened job starts from zero and keeps its history."""
    job = jobs[0].id
    ledger.fail(ledger.lease("walk", job, "w1").prompt_id, Failure(FailureClass.CANCELLED, "stop", {}), job_fails=False)
    ledger.lose(ledger.lease("walk", job, "w1").prompt_id, LOST)
    assert ledger.job("walk", job).attempts == 1
    ledger.fail(ledger.lease("walk", job, "w1").prompt_id, LOST, job_fails=True)
    assert (ledger.job("walk", job).attempts, ledger.job("walk", job).state) == (2, JobState.FAILED)
    ledger.reopen("walk", job)

    assert (ledger.job("walk", job).attempts, ledger.job("walk", job).state) == (0, JobState.OPEN)
    attempts = ledger.attempts("walk", job)
    assert [attempt.number for attempt in attempts] == [1, 2, 3]
    assert attempts[1].failure == LOST


def test_registering_twice_changes_nothing(ledger: Ledger, jobs: tuple[Job, ...]) -> None:
    """A batch that is submitted again finds its jobs as they stand."""
    ledger.fail_untried("walk", jobs[0].id, LOST)
    ledger.register("walk", jobs)

    assert [row.state for row in ledger.jobs("walk")] == [JobState.FAILED, JobState.OPEN]
    assert ledger.batches() == ["walk"]


def test_equal_jobs_fail_without_a_try(ledger: Ledger, jobs: tuple[Job, ...]) -> None:
    """A job that fails because an equal one was refused says why."""
    ledger.fail_untried("walk", jobs[1].id, LOST)

    assert ledger.job("walk", jobs[1].id).state is JobState.FAILED
    assert ledger.attempts("walk", jobs[1].id)[0].failure == LOST


def test_a_killed_process_leaves_what_it_leased(tmp_path: Path, ledger: Ledger, jobs: tuple[Job, ...]) -> None:
    """A prompt id that was written before kill -9 is there afterwards."""
    code = (
        "import os, pathlib, sys; from videogen.ledger import Ledger\n"
        "ledger = Ledger.open(pathlib.Path(sys.argv[1]))\n"
        "print(ledger.lease('walk', sys.argv[2], 'w1').prompt_id, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, str(ledger.path), jobs[0].id]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=20, check=False)

    assert child.returncode == -9
    assert [attempt.prompt_id for attempt in ledger.in_flight("walk")] == [child.stdout.strip()]


def test_the_ledger_keeps_its_identity(ledger: Ledger) -> None:
    """Client ids come from the ledger's id, so it is the same each time."""
    with Ledger.open(ledger.path) as again:
        assert again.id == ledger.id


def test_a_ledger_of_another_schema_is_refused(ledger: Ledger) -> None:
    """A newer program's ledger is left alone, with what to do."""
    with sqlite3.connect(ledger.path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    with pytest.raises(VideogenError, match="is a ledger of schema 7, this program knows 2"):
        Ledger.open(ledger.path)


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    """Some other file is named in the error and not written to."""
    other = tmp_path / "notes.txt"
    other.write_text("not a database, but long enough to be looked at as one\n" * 20)
    with pytest.raises(VideogenError, match=r"notes\.txt: is not a ledger"):
        Ledger.open(other)
    assert other.read_text().startswith("not a database")


def test_a_ledger_is_read_while_another_process_writes(ledger: Ledger, jobs: tuple[Job, ...]) -> None:
    """A reader sees what was written last, in the middle of a transaction too, and can change nothing."""
    writer = sqlite3.connect(ledger.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE jobs SET state = 'failed'")
    with Ledger.open(ledger.path, read_only=True) as reader:
        before = [row.state for row in reader.jobs("walk")]
        writer.execute("COMMIT")
        writer.close()
        after = [row.state for row in reader.jobs("walk")]
        with pytest.raises(VideogenError, match=r"ledger\.sqlite: cannot be written: .*readonly"):
            reader.register("other", jobs)

    assert (before, after) == ([JobState.OPEN] * 2, [JobState.FAILED] * 2)


@pytest.mark.parametrize("killed", [False, True], ids=["after an end", "after a kill"])
def test_a_ledger_is_read_by_somebody_who_may_not_write(tmp_path: Path, killed: bool) -> None:
    """Modes that forbid to write keep nobody from reading all that was written, and nothing is left beside the ledger."""
    path = tmp_path / "state" / "ledger.sqlite"
    end = "os.kill(os.getpid(), 9)" if killed else "ledger.close()"
    write = (
        "import os, pathlib, sys; from videogen.ledger import Ledger\n"
        f"ledger = Ledger.open(pathlib.Path(sys.argv[1])); ledger.register('walk', []); {end}\n"
    )
    read = (
        "import pathlib, sys; from videogen.ledger import Ledger\n"
        "with Ledger.open(pathlib.Path(sys.argv[1]), read_only=True) as ledger: print(ledger.batches())\n"
    )
    subprocess.run([sys.executable, "-c", write, str(path)], timeout=30, check=False)
    before = sorted(path.parent.iterdir())
    with unwritable(path.parent):
        command = bound_by_modes([sys.executable, "-c", read, str(path)])
        said = subprocess.run(command, timeout=30, capture_output=True, text=True, check=False)

    assert (said.stdout, said.stderr) == ("['walk']\n", "")
    assert sorted(path.parent.iterdir()) == before
    assert (len(before) > 1) == killed


def test_a_reader_makes_no_ledger(tmp_path: Path) -> None:
    """Reading where nothing is makes neither a folder nor a file; an odd name is a name."""
    for path in (tmp_path / "none" / "ledger.sqlite", tmp_path / "what? 100%#.sqlite"):
        with pytest.raises(VideogenError, match=r"sqlite: cannot be opened: unable to open"):
            Ledger.open(path, read_only=True)

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_none_is_no_bad_ledger(tmp_path: Path) -> None:
    """A folder instead of a file, and a file instead of a folder, cannot be opened; nobody says: not a ledger."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "ledger.sqlite"):
        with pytest.raises(VideogenError, match="cannot be opened"):
            Ledger.open(path)
    with pytest.raises(VideogenError, match="cannot be written"), exclusive(tmp_path / "file" / "ledger.sqlite"):
        pass


@pytest.mark.parametrize("bytes_left", [0, 5000, 70_000])
def test_a_full_disk_is_called_so(tmp_path: Path, bytes_left: int) -> None:
    """A ledger that cannot grow, at once or later, says that the disk may be full and what to do."""
    code = (
        "import pathlib, resource, sys; from videogen.errors import DiskFull; from videogen.ledger import Ledger\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))\n"
        "try:\n"
        "    ledger = Ledger.open(pathlib.Path(sys.argv[1]))\n"
        "    for number in range(1000): ledger.register(f'{number}' * 100, [])\n"
        "except DiskFull as error: print(error, error.hint)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "ledger.sqlite"), str(bytes_left)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert child.stderr == ""
    assert "ledger.sqlite: cannot be written: " in child.stdout
    assert "Free some space there" in child.stdout


def test_a_ledger_of_schema_1_is_brought_up_to_date(ledger: Ledger, jobs: tuple[Job, ...], tmp_path: Path) -> None:
    """An older program's rows stay; a reader reads it as it is, a writer adds what is new."""
    attempt = ledger.lease("walk", jobs[0].id, "w1", "H200-141GB", "tiled-vae")
    ledger.rendered(attempt.prompt_id, [_output(tmp_path)], 1.5)
    with sqlite3.connect(ledger.path) as db:
        new = {"attempts": ("gpu", "rung", "work"), "outputs": ("flaws",), "jobs": ("step", "chain", "final", "needs")}
        for table, columns in new.items():
            for column in columns:
                db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("DROP TABLE boundary")
        db.execute("PRAGMA user_version = 1")
    db.close()

    with Ledger.open(ledger.path, read_only=True) as reader:
        assert reader.attempt(attempt.prompt_id).gpu == ""
        assert reader.outputs(attempt.prompt_id) == [_output(tmp_path)]
    with Ledger.open(ledger.path) as again:
        assert again.lease("walk", jobs[1].id, "w1", "H200-141GB", "tiled-vae").rung == "tiled-vae"
        assert again.attempt(attempt.prompt_id).state is AttemptState.RENDERED


def test_flaws_are_kept_with_the_output(ledger: Ledger, jobs: tuple[Job, ...], tmp_path: Path) -> None:
    """What a check found without rejecting the file is read back as it was."""
    flawed = replace(
        _output(tmp_path), flaws=(Flaw("cut", "suspicious", "cuts", 1.5), Flaw("flicker", "suspicious", "…"))
    )
    attempt = ledger.lease("walk", jobs[0].id, "w1", "H200-141GB")
    ledger.rendered(attempt.prompt_id, [flawed], None)

    assert ledger.outputs(attempt.prompt_id) == [flawed]
    assert ledger.attempt(attempt.prompt_id).gpu == "H200-141GB"
