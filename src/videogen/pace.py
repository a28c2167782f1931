"""How time passes for those who wait: really, or as quickly as a test lets it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Pace:
    """The time of day, the time for deadlines, and waiting; all three must belong together."""

    clock: Callable[[], datetime] = _utc
    now: Callable[[], float] = time.monotonic
    """Seconds on a clock that is never set."""
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    """Waits so many seconds, or until the event is set; says whether it is."""

    def sleep(self, seconds: float) -> None:
        """Waits without a way to be stopped; for short times."""
        self.wait(threading.Event(), seconds)
