"""Tells players that a video is VR180: the boxes `st3d` and `sv3d` of the Spherical Video V2 RFC, put into an MP4.

https://github.com/google/spatial-media/blob/master/docs/spherical-video-v2-rfc.md
"""

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from videogen.post.frames import CannotBeMade

_LEFT_RIGHT = 2
_QUARTER = 1 << 30
"""A quarter of the whole circle, as 0.32 fixed point: half a sphere leaves one out on either side."""
_SOURCE = b"video-gen\0"
_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_ENTRY = 78
"""Bytes of a VisualSampleEntry before the boxes inside it. ISO/IEC 14496-12, 12.1.3"""


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, body: bytes) -> bytes:
    return _box(kind, bytes(4) + body)


STEREO = _full_box(b"st3d", bytes([_LEFT_RIGHT]))
SPHERE = _box(
    b"sv3d",
    _full_box(b"svhd", _SOURCE)
    + _box(
        b"proj",
        _full_box(b"prhd", bytes(12)) + _full_box(b"equi", struct.pack(">4I", 0, 0, _QUARTER, _QUARTER)),
    ),
)


def mark_vr180(path: Path, target: Path) -> None:
    """Copies an MP4 of H.264 with what makes it VR180: left and right eye side by side, each half a sphere.

    The copy streams; only the index is held in memory. Raises `CannotBeMade` for a file that is no such MP4.
    """
    with path.open("rb") as source:
        places = list(_top(source))
        index = next(((start, size) for kind, start, size in places if kind == b"moov"), None)
        if index is None:
            raise CannotBeMade(f"{path.name} is no MP4: it has no index")
        start, size = index
        source.seek(start)
        before = source.read(size)
        in_front = any(kind == b"mdat" and at > start for kind, at, _ in places)
        after = _rewritten(before, len(STEREO) + len(SPHERE) if in_front else 0)
        if len(after) != len(before) + len(STEREO) + len(SPHERE):
            raise CannotBeMade(f"{path.name} should have one H.264 track and no other")
        with target.open("wb") as marked:
            source.seek(0)
            marked.write(source.read(start))
            marked.write(after)
            source.seek(start + size)
            shutil.copyfileobj(source, marked, 1 << 20)


def _top(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and size of each box of the file."""
    start = 0
    while len(head := file.read(16)) >= 8:
        size, kind = struct.unpack_from(">I4s", head)
        if size == 1 and len(head) == 16:
            size = struct.unpack_from(">Q", head, 8)[0]
        elif size == 0:
            size = file.seek(0, 2) - start
        if size < 8:
            raise CannotBeMade("a box of the MP4 has an impossible size")
        yield kind, start, size
        start += size
        file.seek(start)


def _inside(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each box in the body of another."""
    start = 0
    while start + 8 <= len(body):
        size, kind = struct.unpack_from(">I4s", body, start)
        if not 8 <= size <= len(body) - start:
            raise CannotBeMade("a box of the MP4's index has an impossible size")
        yield kind, body[start + 8 : start + size]
        start += size


def _rewritten(moov: bytes, shift: int) -> bytes:
    """The index with both boxes in the sample entry of its video, and its chunks `shift` bytes further on."""
    return b"".join(_box(kind, _body(kind, body, shift)) for kind, body in _inside(moov))


def _body(kind: bytes, body: bytes, shift: int) -> bytes:
    if kind in _CONTAINERS:
        return b"".join(_box(inner, _body(inner, one, shift)) for inner, one in _inside(body))
    if kind == b"stsd":
        return body[:8] + b"".join(_box(inner, _body(inner, one, shift)) for inner, one in _inside(body[8:]))
    if kind == b"avc1":
        return body[:_ENTRY] + b"".join(_with_sphere(inner, one) for inner, one in _inside(body[_ENTRY:]))
    if kind in (b"stco", b"co64"):
        form = f">{(len(body) - 8) // (4 if kind == b'stco' else 8)}{'I' if kind == b'stco' else 'Q'}"
        return body[:8] + struct.pack(form, *(at + shift for at in struct.unpack_from(form, body, 8)))
    return body


def _with_sphere(kind: bytes, body: bytes) -> bytes:
    """The boxes must come after those that a sample entry needs, and before optional ones."""
    return _box(kind, body) + (STEREO + SPHERE if kind == b"avcC" else b"")
