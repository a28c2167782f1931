"""SIGTERM and Ctrl-C as a call on a thread of its own, where locks may be taken; a signal handler may not."""

import os
import signal
import threading
from collections.abc import Callable


def on_termination(react: Callable[[str], None]) -> None:
    """Calls `react` with the signal's name, such as `SIGTERM`, each time; the process then ends only by itself.

    Call it from the main thread, once.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _taken_note_of)

    def listen() -> None:
        while came := os.read(reading, 1):
            react(signal.Signals(came[0]).name)

    threading.Thread(target=listen, name="signals", daemon=True).start()


def _taken_note_of(_number: int, _frame: object) -> None:
    """The wakeup descriptor has told the thread."""
