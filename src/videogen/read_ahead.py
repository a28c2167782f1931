"""Brings files into the page cache before anybody asks for them.

A download goes past the cache (`videogen.direct_file`); the first job of a worker shall find its models in memory.
"""

import os
import queue
import threading
from pathlib import Path

_PIECE = 8 << 20
_SHARE = 0.5
"""Of the memory that this process may use; the rest is for who works with the files."""
_CGROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class ReadAhead:
    """Reads in the order of `add`, on a thread of its own, until half of the memory is spent or `stop` is set.

    A file that cannot be read is left to whoever needs it: nothing depends on this.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._buffer = bytearray(_PIECE)
        self._left = int(memory_bytes() * _SHARE)
        self._files: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="read ahead", daemon=True)
        self._thread.start()

    def add(self, path: Path) -> None:
        """This file next."""
        self._files.put(path)

    def finish(self, seconds: float) -> bool:
        """Whether all that was added is in memory after at most that long; nothing can be added any more."""
        self._files.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (path := self._files.get()) is not None:
            try:
                self._read(path)
            except OSError:
                continue

    def _read(self, path: Path) -> None:
        with path.open("rb", buffering=0) as file:  # read, and not only advised: Linux follows advice for a part only
            while not self._stop.is_set() and self._left >= _PIECE and (count := file.readinto(self._buffer)):
                self._left -= count


def memory_bytes() -> int:
    """What this process may use: the machine's memory, or less where a container has a limit."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in map(Path, _CGROUP):
        try:
            return min(whole, int(path.read_text()))
        except (OSError, ValueError):  # no such file, or the word "max"
            continue
    return whole
