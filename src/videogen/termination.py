"""SIGTERM and Ctrl-C as a call on a thread of its own, where locks may be taken; a signal handler may not."""

import os
import signal
import threading
from collections.abc import Callable


class Termination:
    """From here on these signals end nothing by themselves; they are kept until somebody listens.

    Make it once, in the main thread, before anything that takes time.
    """

    def __init__(self) -> None:
        self._reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _taken_note_of)

    def tell(self, react: Callable[[str], None]) -> None:
        """Calls `react` with the name of each signal that came or will come, such as `SIGTERM`. Call it once."""

        def listen() -> None:
            while came := os.read(self._reading, 1):
                react(signal.Signals(came[0]).name)

        threading.Thread(target=listen, name="signals", daemon=True).start()


def _taken_note_of(_number: int, _frame: object) -> None:
    """The wakeup descriptor has told the thread."""
