"""A file that is written past the page cache holds the bytes that a plain one would, on disks that allow it or not."""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videogen.direct_file import ALIGNMENT, DirectFile

PIECE = 2 * ALIGNMENT


@pytest.fixture
def buffer() -> Iterator[memoryview]:
    """Memory as a download has it."""
    with mmap.mmap(-1, PIECE) as memory, memoryview(memory) as view:
        yield view


def test_pieces_in_any_order_become_the_file(tmp_path: Path, buffer: memoryview) -> None:
    """Whatever the length and the order, the settled file is the bytes, and nothing after them."""

    @settings(max_examples=40)
    @given(size=st.integers(1, 5 * PIECE), order=st.randoms(use_true_random=False))
    def check(size: int, order: Random) -> None:
        content = os.urandom(size)
        pieces = list(range(0, size, PIECE))
        order.shuffle(pieces)
        path = tmp_path / "file"
        path.unlink(missing_ok=True)
        file = DirectFile(path, size)
        for at in pieces:
            piece = content[at : at + PIECE]
            buffer[: len(piece)] = piece
            file.write(buffer, len(piece), at)
        file.settle()
        assert file.status().st_size == size
        file.close()
        assert path.read_bytes() == content

    check()


def test_what_was_written_is_read_back(tmp_path: Path, buffer: memoryview) -> None:
    """Also the odd piece at the end; and a piece that the file does not have is no success."""
    file = DirectFile(tmp_path / "file", PIECE + 10)
    buffer[:10] = b"0123456789"
    file.write(buffer, 10, PIECE)
    file.settle()
    buffer[:10] = bytes(10)

    assert file.read(buffer, 10, PIECE)
    assert bytes(buffer[:10]) == b"0123456789"
    assert not file.read(buffer, 11, PIECE)
    file.close()
    file.close()


def test_large_files_leave_the_page_cache_alone(tmp_path: Path, buffer: memoryview) -> None:
    """On a disk that allows it, nothing of what was written lies in memory."""
    path = tmp_path / "file"
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT))
    except OSError:
        pytest.skip("this disk has no way past the page cache")
    plain = tmp_path / "plain"
    plain.write_bytes(bytes(PIECE))
    file = DirectFile(path, PIECE)
    file.write(buffer, PIECE, 0)

    assert is_cached(plain)
    assert not is_cached(path)
    file.close()


def test_a_disk_that_refuses_is_written_through_the_cache(tmp_path: Path, buffer: memoryview) -> None:
    """A write that is refused for its alignment goes again, the ordinary way, and the file stays right."""
    file = DirectFile(tmp_path / "file", PIECE)
    with memoryview(bytearray(PIECE + 1)) as odd:  # memory that no disk takes directly
        odd[1 : PIECE + 1] = b"x" * PIECE
        file.write(odd[1:], PIECE, 0)
    file.settle()
    file.close()

    assert (tmp_path / "file").read_bytes() == b"x" * PIECE


def test_a_disk_that_refuses_is_read_through_the_cache(tmp_path: Path) -> None:
    """What an earlier download left is read from such a disk, too, before anything is written to it."""
    (tmp_path / "file").write_bytes(b"x" * PIECE)
    file = DirectFile(tmp_path / "file", PIECE)
    with memoryview(bytearray(PIECE + 1)) as odd:
        assert file.read(odd[1:], PIECE, 0)
        assert odd[1:] == b"x" * PIECE
    file.close()


def is_cached(path: Path) -> bool:
    """Whether its first page can be read without asking the disk; ask once, since to ask begins a read."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(handle, [bytearray(1)], 0, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
