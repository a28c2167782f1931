"""What a run of the engine made is ended only when the run has failed as a whole."""

from collections.abc import Callable

import pytest

from infra.provider.run import Made, Run
from videogen.errors import CloudUnknown, NotReady


class Diary:
    """A run, and what happened in it."""

    def __init__(self) -> None:
        self.run = Run()
        self.ended: list[str] = []
        self.said: list[str] = []

    def make(self, name: str, undo: Callable[[], bool] = lambda: True) -> None:
        """Something that is noted when it is ended."""

        def noted() -> bool:
            done = undo()
            self.ended.append(name)
            return done

        self.run.made(Made(name, noted, self.said.append))

    def request(self, *names: str, error: Exception | None = None) -> None:
        """A request that makes these, and fails."""
        with self.run.request():
            for name in names:
                self.make(name)
            if error:
                raise error


@pytest.fixture
def diary() -> Diary:
    """A run without anything made."""
    return Diary()


def test_a_run_that_succeeds_ends_nothing(diary: Diary) -> None:
    """What was made stays."""
    diary.request("store")
    diary.request("worker")

    assert (diary.ended, diary.run.stopped.is_set()) == ([], False)


def test_the_latest_is_ended_first(diary: Diary) -> None:
    """A failure ends the workers before their store, each once, and says so."""
    diary.request("store")
    diary.request("worker")
    for _ in range(2):
        with pytest.raises(NotReady):
            diary.request(error=NotReady("not ready"))

    assert diary.ended == ["worker", "store"]
    assert diary.said == [f"{name} is ended, because this run did not succeed" for name in ("worker", "store")]


def test_nothing_ends_under_a_request_that_still_works(diary: Diary) -> None:
    """A failure tells the sibling to stop; the store is ended when the sibling is through, and so is what it made."""
    diary.request("store")
    with diary.run.request():
        with pytest.raises(NotReady):
            diary.request(error=NotReady("not ready"))
        assert diary.run.stopped.is_set()
        assert diary.ended == []
        diary.make("sibling")

    assert diary.ended == ["sibling", "store"]


def test_a_stop_ends_what_was_made_when_the_last_request_is_through(diary: Diary) -> None:
    """Ctrl-C fails the run, even if what was in progress still succeeds; a cancel after the last request says nothing."""
    diary.request("store")
    with diary.run.request():
        diary.run.stopped.set()
    assert diary.ended == ["store"]

    healthy = Diary()
    healthy.request("store")
    healthy.run.stopped.set()
    assert healthy.ended == []


def test_what_cannot_be_ended_stops_no_other_end(diary: Diary) -> None:
    """A worker that is not proven gone is named, with what ends it; a store that is still needed is no news."""

    def unknown() -> bool:
        raise CloudUnknown("no answer")

    diary.make("store", lambda: False)
    diary.make("worker", unknown)
    with pytest.raises(NotReady):
        diary.request(error=NotReady("not ready"))

    assert diary.ended == ["store"]
    assert diary.said == ["worker may still run: no answer; `pulumi destroy` ends it"]
