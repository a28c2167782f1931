"""What is read ahead lies in memory; what cannot be read harms nobody."""

import os
import threading
from pathlib import Path

from tests.unit.test_direct_file import is_cached
from videogen.read_ahead import ReadAhead, memory_bytes


def out_of_memory(path: Path) -> None:
    """Writes a file of which nothing lies in memory."""
    path.write_bytes(os.urandom(1 << 20))
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def test_files_come_into_memory_past_one_that_is_gone(tmp_path: Path) -> None:
    """One file that nobody can read does not keep the next one away."""
    out_of_memory(tmp_path / "model")
    ahead = ReadAhead(threading.Event())
    ahead.add(tmp_path / "gone")
    ahead.add(tmp_path / "model")

    assert ahead.finish(20)
    assert is_cached(tmp_path / "model")


def test_a_stop_ends_it(tmp_path: Path) -> None:
    """Nothing is read for a worker that ends."""
    out_of_memory(tmp_path / "model")
    stop = threading.Event()
    stop.set()
    ahead = ReadAhead(stop)
    ahead.add(tmp_path / "model")

    assert ahead.finish(20)
    assert not is_cached(tmp_path / "model")


def test_a_container_has_no_more_memory_than_the_machine() -> None:
    """The budget is counted from what may really be used."""
    assert 0 < memory_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
