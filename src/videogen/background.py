"""Work that is done beside the work: again and again, or once and not waited for too long."""

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


def within(seconds: float, act: Callable[[], object], name: str) -> bool:
    """Calls `act` on a thread of its own; whether it returned within `seconds`. If not, it is left to itself.

    For what takes deadlines of its own that do not cover all of it, such as the resolver's.
    """
    thread = threading.Thread(target=act, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
