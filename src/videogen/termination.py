"""SIGTERM and Ctrl-C as a call on a thread of its own, where locks may be taken; a signal handler may not."""

import os
import signal
import threading
from collections.abc import Callable, Collection


class Termination:
    """From here on these signals end nothing by themselves; they are kept until somebody wants to hear of them.

    Make it once, in the main thread, before anything that takes time. `came` is set by the first one.
    """

    def __init__(self, signals: Collection[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
        self.came = threading.Event()
        self._early: list[str] = []
        self._react: Callable[[str], object] = self._early.append
        self._telling = threading.Lock()
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in signals:
            signal.signal(number, _taken_note_of)
        threading.Thread(target=self._listen, args=(reading,), name="signals", daemon=True).start()

    def tell(self, react: Callable[[str], object]) -> None:
        """Calls `react` with the name of each signal that came or will come, such as `SIGTERM`. Call it once."""
        with self._telling:
            self._react = react
            for name in self._early:
                react(name)

    def _listen(self, reading: int) -> None:
        while came := os.read(reading, 1):
            with self._telling:
                self.came.set()
                self._react(signal.Signals(came[0]).name)


def _taken_note_of(_number: int, _frame: object) -> None:
    """The wakeup descriptor has told the thread."""
