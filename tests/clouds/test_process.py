"""Processes that outlive their starter are found again, and ended for certain."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from videogen import port, process
from videogen.errors import ProcessError
from videogen.process import Process

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def start(state: Path, argv: list[str], name: str = "one") -> Process:
    """A process in the state's home."""
    state.mkdir(parents=True, exist_ok=True)
    return process.start(
        state / "processes", name, argv, environment=process.base_environment(), folder=state, ports={"http": 1}
    )


def soon(condition: Callable[[], object], seconds: float = 10) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def pid_of(folder: Path) -> int:
    """The number of a process that has just started: to write it down is its own first act."""
    pid = folder / "pid"
    assert soon(lambda: pid.is_file() and pid.read_text().strip())
    return int(pid.read_text())


def test_found_again_with_what_was_meant(state: Path) -> None:
    """Another one who looks finds the process, its ports and that it lives."""
    start(state, SLEEP)

    (found,) = process.processes(state / "processes")

    assert (found.name, found.record.ports, found.alive) == ("one", {"http": 1}, True)
    assert process.find(state / "processes", "one") == found
    assert process.find(state / "processes", "two") is None


def test_survives_its_starter(state: Path) -> None:
    """A process whose starter was killed right after the spawn is alive, and can be ended."""
    program = (
        "import os, sys; from pathlib import Path; from videogen import process\n"
        f"state = Path({str(state)!r}); state.mkdir()\n"
        f"process.start(state / 'processes', 'one', {SLEEP!r}, environment={{}}, folder=state)\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    (found,) = process.processes(state / "processes")
    assert found.alive

    found.end(grace_seconds=5)

    assert not found.alive


def test_a_starter_that_dies_before_the_spawn_leaves_a_dead_record(state: Path) -> None:
    """A record without a process is dead, though its number may belong to a stranger by now."""
    one = start(state, [sys.executable, "-c", ""])
    assert soon(lambda: not one.alive)
    (one.folder / "pid").write_text(str(os.getpid()))

    (found,) = process.processes(state / "processes")
    found.end(grace_seconds=5)

    assert not found.alive


def test_end_reaches_stubborn_ones_and_children(state: Path) -> None:
    """A process that ignores SIGTERM, and its child, are gone when `end` returns."""
    program = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " pass_fds=(int(os.environ['VIDEOGEN_LOCK_FD']),))\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    one = start(state, [sys.executable, "-c", program])
    assert soon(one.tail)
    child = int(one.tail())

    one.end(grace_seconds=0.2)

    assert not one.alive
    assert soon(
        lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]
    )


def test_children_that_are_left_count(state: Path) -> None:
    """When only a child is left, the tree is alive and its leader is not."""
    program = (
        "import os, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " pass_fds=(int(os.environ['VIDEOGEN_LOCK_FD']),))"
    )
    one = start(state, [sys.executable, "-W", "ignore", "-c", program])

    assert soon(lambda: not one.leader_alive)
    assert one.alive


def test_a_name_is_used_once(state: Path) -> None:
    """A second process of the same name is refused, and nothing is started."""
    start(state, SLEEP)

    with pytest.raises(ProcessError, match="cannot be made"):
        start(state, SLEEP)
    assert len(process.processes(state / "processes")) == 1


def test_the_log_stays(state: Path) -> None:
    """A forgotten process leaves its log, and nothing else."""
    one = start(state, [sys.executable, "-c", "print('last words')"])
    assert soon(lambda: not one.alive)

    kept = one.forget(state / "logs")

    assert kept.read_text() == "last words\n"
    assert process.processes(state / "processes") == ()


def test_only_the_newest_logs_stay(state: Path) -> None:
    """A log that is kept takes the place of the oldest; it stays itself, however old its last word is."""
    logs = state / "logs"
    logs.mkdir(parents=True)
    (logs / "notes.txt").touch()
    for age in range(process.LOGS_KEPT + 1):
        (logs / f"{age}.log").touch()
        os.utime(logs / f"{age}.log", (10**9 - age, 10**9 - age))
    one = start(state, [sys.executable, "-c", "pass"])
    assert soon(lambda: not one.alive)
    os.utime(one.log, (1, 1))

    kept = one.forget(logs)

    assert kept.is_file()
    assert len(list(logs.glob("*.log"))) == process.LOGS_KEPT
    assert not (logs / f"{process.LOGS_KEPT}.log").exists()
    assert not (logs / f"{process.LOGS_KEPT - 1}.log").exists()
    assert (logs / "0.log").exists()
    assert (logs / "notes.txt").exists()


def test_a_live_process_is_not_forgotten(state: Path) -> None:
    """The record of a process stays as long as it lives."""
    with pytest.raises(ProcessError, match="still runs"):
        start(state, SLEEP).forget(state / "logs")


def test_an_odd_record_is_no_answer(state: Path) -> None:
    """A record that cannot be read is an error: what it stood for may be alive."""
    one = start(state, SLEEP)
    record = (one.folder / "process.json").read_text()
    (one.folder / "process.json").write_text("{}")

    with pytest.raises(ProcessError, match="cannot be read"):
        process.processes(state / "processes")
    (one.folder / "process.json").write_text(record)


def test_free_ports_are_free_and_different() -> None:
    """No port is given twice, or while somebody listens on it."""
    given = port.free(["a", "b", "c"])

    assert len(set(given.values())) == 3
    assert all(port.is_free(number) for number in given.values())
