"""Files that are either complete or not there, and a full disk as an error that says what to do."""

import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from videogen.errors import DiskFull


@contextmanager
def written(target: Path) -> Iterator[BinaryIO]:
    """A file to write; it takes the name `target` when the block ends well, and vanishes otherwise.

    Survives power loss once the block has ended. Raises `DiskFull`.
    """
    with explained(target):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".writing")
        temporary = Path(name)
        try:
            with open(handle, "wb") as file:
                yield file
                file.flush()
                os.fchmod(file.fileno(), 0o644)  # mkstemp hides files from all other users
                os.fsync(file.fileno())
            os.replace(temporary, target)
            settle(target.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def settle(folder: Path) -> None:
    """Makes renames in a folder survive power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def begin_writeback(handle: int, start: int, count: int) -> None:
    """Asks the system to write what lies in its cache, so that a later fsync has less to do; only Linux knows how."""
    if _sync_file_range is not None:
        _sync_file_range(handle, start, count, 2)  # SYNC_FILE_RANGE_WRITE, sync_file_range(2)


_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns "no space left" of the system into `DiskFull`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(f"{path}: no space left while writing", "free space there, or take a larger disk") from error


def require_free(folder: Path, needed: int, hint: str = "take a larger disk, or free space") -> None:
    """Raises `DiskFull` when a folder's disk has less than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        needs, has, lacks = (spell_bytes(count) for count in (needed, free, needed - free))
        raise DiskFull(f"{folder}: needs {needs}, has {has} free, {lacks} too little", hint)


def spell_bytes(count: float) -> str:
    """`59.7 GB`, as disks and clouds count."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
