"""A child is started again when it dies, and ends in order."""

import os
import signal
import time
from pathlib import Path

import pytest

from videogen.child import Child, Patience
from videogen.errors import ProcessError


def shell(folder: Path, script: str, patience: Patience | None = None) -> Child:
    """A shell that runs the script."""
    return Child("it", ["/bin/sh", "-c", script], folder=folder, environment={}, log=folder / "log", patience=patience)


def tended(child: Child, seconds: float = 5.0) -> bool:
    """Tends it until it was started again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if child.tend():
            return True
        time.sleep(0.01)
    return False


def test_never_worked(tmp_path: Path) -> None:
    """One that ends before it ever worked is not tried again; the end of its log is the hint."""
    child = shell(tmp_path, "echo no such flag; exit 3")
    with pytest.raises(ProcessError, match="it ended with code 3 before it answered") as found:
        tended(child)

    assert found.value.hint == f"its log, {tmp_path / 'log'}, ends with:\nno such flag"


def test_dies_too_often(tmp_path: Path) -> None:
    """One that worked is started again, up to its patience; its log goes on."""
    child = shell(tmp_path, "echo again; exit 1", Patience(restarts=2, seconds=600))
    child.proven = True

    assert tended(child)
    assert tended(child)
    with pytest.raises(ProcessError, match="it died 3 times within 10 minutes, at last with code 1"):
        tended(child)
    assert child.restarts == 2
    assert (tmp_path / "log").read_text() == "again\n" * 3


def test_old_deaths_do_not_count(tmp_path: Path) -> None:
    """Deaths longer ago than the patience looks back are forgotten."""
    child = shell(tmp_path, "sleep 0.15; exit 1", Patience(restarts=0, seconds=0.05))
    child.proven = True
    with pytest.raises(ProcessError):
        tended(child)

    child = shell(tmp_path, "sleep 0.15; exit 1", Patience(restarts=1, seconds=0.05))
    child.proven = True
    assert all(tended(child) for _ in range(3))
    child.end(1)


def test_end(tmp_path: Path) -> None:
    """It is asked to end, and killed when it does not."""
    polite = shell(tmp_path, "trap 'echo bye; exit' TERM; echo on; while true; do sleep 0.01; done")
    said(tmp_path, "on")
    polite.end(5)
    assert "bye" in (tmp_path / "log").read_text()

    stubborn = shell(tmp_path, "trap '' TERM; echo $$; while true; do sleep 0.01; done")
    number = int(said(tmp_path, "\n"))
    began = time.monotonic()
    stubborn.end(0.2)

    assert 0.2 <= time.monotonic() - began < 2
    with pytest.raises(ProcessLookupError):
        os.kill(number, signal.SIGTERM)


def said(folder: Path, word: str, seconds: float = 5.0) -> str:
    """The log, once the word is in it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if word in (text := (folder / "log").read_text()):
            return text
        time.sleep(0.01)
    raise AssertionError(f"it never said {word!r}")


def test_cannot_start(tmp_path: Path) -> None:
    """A program that is not there is an error, not a traceback."""
    with pytest.raises(ProcessError, match="it cannot start"):
        Child("it", [str(tmp_path / "none")], folder=tmp_path, environment={}, log=tmp_path / "log")


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    """Its end is also that of its children and theirs, though they ignore signals; of others it is not."""
    (tmp_path / "stubborn").write_text("trap '' TERM HUP; echo $$ >> pids; sleep 9 & wait")
    child = shell(tmp_path, "(sh stubborn; true) & (setsid sh stubborn; true) & wait")
    bystander = shell(tmp_path, "sleep 9")
    end = time.monotonic() + 5
    while len(pids := (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    child.end(5)
    while any(_lives(int(pid)) for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.01)

    assert not bystander.tend()
    bystander.end(5)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
