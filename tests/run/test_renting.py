"""Up and destroy as a run does them, on a small Pulumi that fails, hangs and is locked on command."""

import os
import threading
import time
from pathlib import Path

import pytest

from tests.doubles import pulumi_double
from videogen.errors import Interrupted, VideogenError
from videogen.renting import LeftBehind, Renting, StackBusy
from videogen.stops import Stops


class Desk:
    """A run's hands on a stack."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.words, self.stops = folder, list[str](), Stops()
        self.renting = Renting("dev", folder / "log", {}, self.stops, self.words.append, pauses=(0.01, 0.01, 0.01))

    def orders(self, verb: str, text: str) -> None:
        (self.folder / verb).write_text(text)

    def signal_after(self, verb: str, *names: str) -> threading.Thread:
        """Signals, half a second apart, once the verb is at work."""

        def send() -> None:
            deadline = time.monotonic() + 10
            while f"  worker-1: sleeping {verb}" not in self.words and time.monotonic() < deadline:
                time.sleep(0.01)
            for name in names:
                self.stops.signal(name)
                time.sleep(0.5)

        thread = threading.Thread(target=send)
        thread.start()
        return thread

    @property
    def calls(self) -> list[str]:
        return pulumi_double.calls(self.folder)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk whose `pulumi` is the double."""
    path = pulumi_double.install(tmp_path / "pulumi")
    monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
    return Desk(tmp_path / "pulumi")


def test_up_tells_what_it_does(desk: Desk) -> None:
    """Its lines come as they are said; a destroy is owed from then on."""
    desk.orders("up", "sleep 0.1")
    desk.renting.up()

    assert desk.words == ["$ pulumi up --stack dev", "  worker-1: sleeping 0.1"]
    assert desk.renting.owed


def test_a_signal_stops_up_in_order(desk: Desk) -> None:
    """Pulumi is asked once, as one Ctrl-C does, and ends by itself; a second signal does not kill it."""
    desk.orders("up", "sleep 20")
    began = time.monotonic()
    sender = desk.signal_after("20", "SIGTERM", "SIGTERM")
    with pytest.raises(Interrupted, match="stopped by SIGTERM"):
        desk.renting.up()
    sender.join()

    assert time.monotonic() - began < 10
    assert desk.words[2] == "stopping: Pulumi ends what it has just rented …"
    assert "update canceled" in (desk.folder / "log").read_text()
    assert not (desk.folder / "lock").exists()


def test_an_up_that_does_not_stop_is_killed_and_its_lock_taken_away(desk: Desk) -> None:
    """After its time it is killed; the destroy that follows finds the lock of a dead Pulumi and goes on."""
    desk.renting.up_ends = 0.5
    desk.orders("up", "sleep 60")
    (desk.folder / "deaf").touch()
    sender = desk.signal_after("60", "SIGINT")
    with pytest.raises(Interrupted):
        desk.renting.up()
    sender.join()
    desk.renting.destroy()

    assert desk.calls == ["up", "destroy", "cancel", "destroy"]


def test_somebody_elses_lock_is_left_alone(desk: Desk) -> None:
    """A living Pulumi has the stack: nothing is begun, nothing is owed, nothing is ended."""
    pulumi_double.locked(desk.folder, os.getpid())
    with pytest.raises(StackBusy, match=rf"stack dev is in use by me@\S+ \(pid {os.getpid()}\)"):
        desk.renting.up()

    assert not desk.renting.owed
    assert desk.calls == ["up"]


def test_a_lock_from_another_machine_is_left_alone(desk: Desk) -> None:
    """Whether a process of another machine lives, nobody here knows."""
    pulumi_double.locked(desk.folder, 2**22 + 1, "elsewhere")
    with pytest.raises(StackBusy):
        desk.renting.up()


def test_the_lock_of_a_dead_pulumi_is_taken_away(desk: Desk) -> None:
    """What a `kill -9` left does not keep the next run from its work."""
    pulumi_double.locked(desk.folder, 2**22 + 1)
    desk.renting.up()

    assert desk.calls == ["up", "cancel", "up"]


def test_a_destroy_that_fails_is_done_again(desk: Desk) -> None:
    """Twice it fails, then it succeeds."""
    desk.orders("destroy", "fail 2")
    desk.renting.destroy()

    assert desk.calls == ["destroy"] * 3


def test_a_destroy_that_fails_for_good_says_what_to_do(desk: Desk) -> None:
    """The error has the exact command."""
    desk.orders("destroy", "fail 9")
    with pytest.raises(VideogenError, match="failed 4 times") as failed:
        desk.renting.destroy()

    assert failed.value.hint
    assert "`pulumi destroy --yes --stack dev`, then `videogen sweep --stack dev`" in failed.value.hint
    assert failed.value.exit_code == 1


def test_one_signal_does_not_stop_a_destroy(desk: Desk) -> None:
    """It is answered, and the destroy goes on to its end."""
    desk.orders("destroy", "sleep 1")
    sender = desk.signal_after("1", "SIGINT")
    desk.renting.destroy()
    sender.join()

    assert any("nothing is quicker" in words for words in desk.words)


def test_two_signals_leave_a_destroy_to_itself(desk: Desk) -> None:
    """The run ends at once and says what may live; the destroy goes on without it."""
    desk.orders("destroy", f"sleep 2\nrun touch {desk.folder / 'done'}")
    sender = desk.signal_after("2", "SIGINT", "SIGINT")
    with pytest.raises(LeftBehind, match="goes on by itself") as left:
        desk.renting.destroy()
    sender.join()
    assert not (desk.folder / "done").exists()
    assert desk.renting.left
    assert desk.renting.left.wait(10)

    assert (desk.folder / "done").exists()
    assert "videogen sweep" in (left.value.hint or "")
