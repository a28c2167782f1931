"""What asks a run to stop: signals, one after another, and a cap."""

import threading

from videogen.errors import Interrupted, Stopped


class Stops:
    """May be asked and told from many threads."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        """Something asked to stop."""
        self.hurry = threading.Event()
        """It was asked again: what runs is not waited for any more."""
        self.signals = 0
        self._why: Stopped | None = None
        self._guard = threading.Lock()

    def signal(self, name: str) -> None:
        """A signal came, such as `SIGTERM`."""
        with self._guard:
            self.signals += 1
            if self.asked.is_set():
                self.hurry.set()
            self._why = self._why or Interrupted(f"stopped by {name}")
            self.asked.set()

    def cap(self, why: str) -> None:
        """A cap is reached."""
        with self._guard:
            self._why = self._why or Stopped(why)
            self.asked.set()

    def why(self) -> Stopped:
        """What asked first."""
        return self._why or Interrupted("stopped")
