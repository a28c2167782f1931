"""A large file written in aligned pieces past the page cache, where its disk lets us.

A page that the cache has to find, fill and write out later costs more processor time than the whole rest of a
download (docs/decisions/0010). Where a disk refuses, the same calls go through the cache.
"""

import errno
import fcntl
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from videogen.disk import begin_writeback

ALIGNMENT = 4096
"""Offsets, and the memory that is handed in, are multiples of it; no disk in use wants more."""


class DirectFile:
    """A file of a known size that grows in any order; open until `close`."""

    def __init__(self, path: Path, size: int) -> None:
        self._size = size
        self._handle, self._direct = _opened(path)
        os.ftruncate(self._handle, size)

    def write(self, buffer: memoryview, count: int, at: int) -> None:
        """Writes the buffer's first `count` bytes at an offset; the buffer has room up to the next multiple."""
        start, left = at, buffer[: -(-count // ALIGNMENT) * ALIGNMENT if self._direct else count]
        while left:
            written = self._asked(partial(os.pwrite, self._handle, left, at))
            left, at = left[written:], at + written
        if not self._direct:
            begin_writeback(self._handle, start, count)

    def read(self, buffer: memoryview, count: int, at: int) -> bool:
        """Whether the file had `count` bytes at that offset for the buffer, which has room up to the next multiple."""
        room = buffer[: -(-count // ALIGNMENT) * ALIGNMENT]
        return self._asked(partial(os.preadv, self._handle, [room], at)) >= count

    def settle(self) -> None:
        """Makes the bytes survive power loss."""
        os.ftruncate(self._handle, self._size)  # the last piece was written up to the next multiple
        os.fsync(self._handle)

    def status(self) -> os.stat_result:
        """What the disk says of the file; a rename changes it."""
        return os.fstat(self._handle)

    def close(self) -> None:
        """Ends it; may be called again."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _asked(self, call: Callable[[], int]) -> int:
        """What the disk answers; through the cache from the first refusal on."""
        try:
            return call()
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise  # two threads may be refused at once: who comes second only asks again
        self._direct = False
        fcntl.fcntl(self._handle, fcntl.F_SETFL, fcntl.fcntl(self._handle, fcntl.F_GETFL) & ~_DIRECT)
        return call()


_DIRECT = getattr(os, "O_DIRECT", 0)


def _opened(path: Path) -> tuple[int, bool]:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    if _DIRECT:
        try:
            return os.open(path, flags | _DIRECT, 0o644), True
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
    return os.open(path, flags, 0o644), False
