"""One `submit` a ledger: two at once would both lease the same job."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from videogen.disk import explained
from videogen.errors import VideogenError


@contextmanager
def exclusive(ledger: Path, whose: str = "submit works with this ledger") -> Iterator[None]:
    """Holds the ledger's lock; raises `VideogenError` with the pid of the process that has it, `whose` says for what.

    The kernel frees the lock when its holder ends, however it ends, so that a lock file that lies about is no lock.
    """
    path = ledger.with_name(ledger.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise VideogenError(f"{path}: cannot be written: {error}", "may you write into its folder?") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise VideogenError(f"{ledger}: another {whose} (pid {holder})", "wait for it to end, or stop it") from None
        with explained(path):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield
