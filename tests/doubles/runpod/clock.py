"""The time that a fake cloud lives by."""

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """Real time plus what was skipped or, from a fixed start, only what was skipped. Callable: the time now, UTC."""

    def __init__(self, start: datetime | None = None) -> None:
        """`start`: where a quick clock stands still; nothing: real time goes on."""
        self._start, self._skipped, self._lock = start, timedelta(), threading.Lock()

    @classmethod
    def quick(cls) -> "Clock":
        """One that moves only when it is told to; all its runs begin at the same moment."""
        return cls(datetime(2026, 11, 10, 12, tzinfo=UTC))

    @property
    def is_quick(self) -> bool:
        """Whether it stands still by itself."""
        return self._start is not None

    def __call__(self) -> datetime:
        with self._lock:
            return (self._start or datetime.now(UTC)) + self._skipped

    def advance(self, seconds: float) -> datetime:
        """Later by so much; the new time."""
        with self._lock:
            self._skipped += timedelta(seconds=seconds)
        return self()

    def wait(self, seconds: float) -> bool:
        """As `threading.Event.wait` of an event that nobody sets, at no cost of real time."""
        self.advance(seconds)
        return False
