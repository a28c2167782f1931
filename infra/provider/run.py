"""One run of the engine, the life of a plugin: what it made is kept when it succeeds, ended when it does not."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from videogen.errors import VideogenError

Undo = Callable[[], bool]
"""Ends what was made; says whether it did, because others may need it. Raises `VideogenError`."""


@dataclass(frozen=True)
class Made:
    """Something that this run brought into being."""

    name: str
    undo: Undo
    warn: Callable[[str], None]


class Run:
    """Counts the requests in progress: the last of a run that failed or was stopped ends what the run made.

    The engine waits for its requests, so it is still there to hear of it; and nobody's store ends under his feet.
    The state then remembers what is gone; the next run's refresh drops it.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        """Set by Ctrl-C and by the first request that fails: whoever waits stops waiting.

        Alone it ends nothing: the engine also says cancel at the end of a run that succeeded.
        """
        self._lock = threading.RLock()
        self._made: list[Made] = []
        self._working = 0

    def made(self, made: Made) -> None:
        """Remembers what must not outlive a failure."""
        with self._lock:
            self._made.append(made)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around each request that may make something."""
        with self._lock:
            self._working += 1
        try:
            yield
        except BaseException:
            self.stopped.set()
            raise
        finally:
            with self._lock:
                self._working -= 1
                self._end_of_a_failure()

    def _end_of_a_failure(self) -> None:
        """Ends what was made, the latest first: it may need what was there before it."""
        while self.stopped.is_set() and not self._working and self._made:
            made = self._made.pop()
            try:
                if made.undo():
                    made.warn(f"{made.name} is ended, because this run did not succeed")
            except VideogenError as error:
                made.warn(f"{made.name} may still run: {error.message}; `pulumi destroy` ends it")
