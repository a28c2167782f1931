"""Work that is done again and again beside the work."""

import threading
from collections.abc import Callable


def every(seconds: float, act: Callable[[], object], stop: threading.Event, name: str, *, first: float) -> None:
    """Calls `act` on a thread of its own, after `first` seconds and then after `seconds` each, until `stop` is set.

    An error in it ends that.
    """

    def go_on() -> None:
        if not stop.wait(first):
            act()
        while not stop.wait(seconds):
            act()

    threading.Thread(target=go_on, name=name, daemon=True).start()
