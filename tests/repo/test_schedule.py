"""The controller's schedule: what it refuses, and what it does with entries that fail, hang, or are stopped."""

import logging
import re
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from videogen import project
from videogen.errors import InputError

FOLDER = project.root() / "images/controller"


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The controller's program; it is no package, and finds its schedule beside itself."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import controller

    yield controller
    for name in ("controller", "schedule"):
        sys.modules.pop(name, None)


def text(*entries: str) -> str:
    return "schema: 1\nentries:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


def test_committed_schedule_is_right(controller: ModuleType) -> None:
    """The schedule in the repository names verbs that exist, each with a deadline before its next turn."""
    found = controller.schedule.parse((FOLDER / "schedule.yaml").read_text(), "schedule.yaml")

    assert found.entries
    assert all(entry.deadline <= entry.every for entry in found.entries)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("name: a, run: [statsu], every: 1, deadline: 1", "entries/0/run/0: videogen has no verb `statsu` here\nhint: did you mean `status`?"),
        ("name: a, run: [models, verfy], every: 1, deadline: 1", "entries/0/run/1: videogen has no verb `verfy` here\nhint: did you mean `verify`?"),
        ("name: a, run: [models], every: 1, deadline: 1", "entries/0/run: `videogen models` needs one more word"),
        ("name: a, run: [], every: 1, deadline: 1", "entries/0/run: needs at least 1 item"),
        ("name: a, run: [doctor], every: 0, deadline: 1", "entries/0/every: should be greater than 0"),
        ("name: a, run: [doctor], every: 1", "entries/0/deadline: is required"),
        ("name: a, run: [doctor], evry: 1, every: 1, deadline: 1", "entries/0/evry: unknown key\nhint: did you mean `every`?"),
    ],
)  # fmt: skip
def test_fault_is_told_with_its_line(controller: ModuleType, entry: str, fault: str) -> None:
    """What cannot be done is refused before anything starts."""
    with pytest.raises(InputError, match=re.escape(f"s.yaml:3: {fault}")):
        controller.schedule.parse(text(entry), "s.yaml")


def test_names_are_unique(controller: ModuleType) -> None:
    """Two entries of one name could not be told apart in the log."""
    with pytest.raises(InputError, match=r"s\.yaml:4: entries/1/name: `a` is there already"):
        controller.schedule.parse(text(*["name: a, run: [doctor], every: 1, deadline: 1"] * 2), "s.yaml")


def entry(controller: ModuleType, *run: str, every: float = 0.001, deadline: float = 1) -> Any:
    return controller.schedule.Entry(name="a", run=run, every=every, deadline=deadline)


def test_failed_entry_is_logged_and_run_again(controller: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    """An entry that fails says why, and has its next turn."""
    caplog.set_level(logging.INFO)
    stop = threading.Event()
    thread = threading.Thread(
        target=controller.keep, args=(entry(controller, "status", "--outputs", "none.json"), stop)
    )
    thread.start()
    end = time.monotonic() + 30
    while caplog.text.count("a: failed with code 2") < 2 and time.monotonic() < end:
        time.sleep(0.05)
    stop.set()
    thread.join(20)

    assert caplog.text.count("a: failed with code 2") >= 2
    assert "a | error: none.json: no such file" in caplog.text
    assert not thread.is_alive()


@pytest.mark.parametrize("why", ["deadline", "stop"])
def test_entry_is_ended(controller: ModuleType, caplog: pytest.LogCaptureFixture, why: str) -> None:
    """At its deadline, or when the controller ends, an entry and all that it started is ended."""
    caplog.set_level(logging.INFO)
    stop = threading.Event()
    if why == "stop":
        threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    controller.run(entry(controller, "doctor", deadline=0.0001 if why == "deadline" else 1), stop)

    assert time.monotonic() - began < 12
    said = "its deadline is 0.0001 minutes" if why == "deadline" else "the controller ends"
    assert re.search(f"a: ended after .*: {said}|a: done in", caplog.text)
