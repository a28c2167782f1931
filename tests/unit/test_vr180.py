"""A flat video becomes VR180: what players read in the file, and where the picture stands."""

import math
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from tests.doubles.film import Picture, film, greys, numbered
from videogen.post.frames import CannotBeMade
from videogen.post.spherical import mark_vr180
from videogen.post.vr180 import Screen, vr180

EYE = 256
_INSIDE = {b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"stsd": 8, b"avc1": 78, b"sv3d": 0, b"proj": 0}


def boxes(data: bytes, path: str = "") -> Iterator[tuple[str, bytes]]:
    """Path and body of every box: a reader of its own, written from ISO/IEC 14496-12 and the RFC."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        assert 8 <= size <= len(data) - at, f"{path}: {kind!r} has size {size}"
        here, body = f"{path}/{kind.decode()}", data[at + 8 : at + size]
        yield here, body
        if kind in _INSIDE:
            yield from boxes(body[_INSIDE[kind] :], here)
        at += size


def _made(folder: Path, pictures: list[Picture], fov: float = 90, disparity: float = 2) -> Path:
    source = film(folder / "flat.mp4", pictures)
    vr180(source, folder / "vr.mp4", Screen(fov, disparity, EYE), 8, lambda *_: None, threading.Event())
    assert sorted(path.name for path in folder.iterdir()) == ["flat.mp4", "vr.mp4"]
    return folder / "vr.mp4"


def _eyes(path: Path) -> tuple[Picture, Picture]:
    with av.open(path) as container:
        picture = np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)
    assert picture.shape == (EYE, 2 * EYE, 3)
    return picture[:, :EYE], picture[:, EYE:]


def _dotted(x: int, y: int, width: int = 120, height: int = 160) -> Picture:
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[y - 3 : y + 3, x - 3 : x + 3] = 255
    return picture


def _brightest(eye: Picture) -> tuple[float, float]:
    """Middle of the bright dot, x and y."""
    rows, columns = np.nonzero(eye[:, :, 0] > 180)
    return float(columns.mean()) + 0.5, float(rows.mean()) + 0.5


def test_players_are_told_what_it_is(tmp_path: Path) -> None:
    """In the sample entry, behind the decoder's box: left and right eye, an equirectangular half of a sphere."""
    found = list(boxes(_made(tmp_path, [numbered(n) for n in range(5)]).read_bytes()))
    entry = "/moov/trak/mdia/minf/stbl/stsd/avc1"
    order = [path.removeprefix(entry) for path, _ in found if path.startswith(entry + "/")]
    bodies = dict(found)

    assert order[:7] == ["/avcC", "/st3d", "/sv3d", "/sv3d/svhd", "/sv3d/proj", "/sv3d/proj/prhd", "/sv3d/proj/equi"]
    assert bodies[f"{entry}/st3d"] == b"\0\0\0\0\x02"
    assert bodies[f"{entry}/sv3d/svhd"] == b"\0\0\0\0video-gen\0"
    assert bodies[f"{entry}/sv3d/proj/prhd"] == bytes(16)
    version, *bounds = struct.unpack(">5I", bodies[f"{entry}/sv3d/proj/equi"])
    assert (version, [bound / 2**32 for bound in bounds]) == (0, [0, 0, 0.25, 0.25])


def test_ffmpeg_understands_it(tmp_path: Path) -> None:
    """FFmpeg reads both boxes as its own values and writes them again from those."""
    made = _made(tmp_path, [numbered(n) for n in range(5)])
    copy = tmp_path / "copy.mp4"
    with av.open(made) as source, av.open(copy, "w", options={"strict": "unofficial"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    before, after = (
        {path.rpartition("avc1")[2]: body for path, body in boxes(one.read_bytes()) if "avc1/s" in path}
        for one in (made, copy)
    )

    assert after["/st3d"] == before["/st3d"]
    assert after["/sv3d/proj/equi"] == before["/sv3d/proj/equi"]


def test_every_frame_is_still_there(tmp_path: Path) -> None:
    """The index, which has grown, still leads to each frame; they come in order."""
    made = greys(_made(tmp_path, [numbered(n) for n in range(12)]))

    assert len(made) == 12
    assert made == sorted(made)
    assert made[-1] > made[0] + 5


@pytest.mark.parametrize(("x", "y"), [(60, 80), (100, 40), (20, 130)])
@pytest.mark.parametrize("fov", [60.0, 100.0])
def test_a_point_stands_where_geometry_puts_it(tmp_path: Path, x: int, y: int, fov: float) -> None:
    """The angle from the middle is that of a flat screen of this width, less or more half the disparity."""
    eyes = _eyes(_made(tmp_path, [_dotted(x, y)] * 2, fov, 4))
    right, up = (
        (x / 60 - 1) * math.tan(math.radians(fov / 2)),
        (1 - y / 80) * math.tan(math.radians(fov / 2)) * 160 / 120,
    )

    for eye, turn in zip(eyes, (2, -2), strict=True):
        longitude = math.degrees(math.atan2(right, 1)) + turn
        latitude = math.degrees(math.atan2(up, math.hypot(right, 1)))
        want = (90 + longitude) / 180 * EYE, (90 - latitude) / 180 * EYE
        assert _brightest(eye) == pytest.approx(want, abs=1)


def test_the_rest_is_dark(tmp_path: Path) -> None:
    """Beside, above and below the screen there is black, whatever the picture's corners show."""
    white = np.full((120, 120, 3), 255, np.uint8)
    for eye in _eyes(_made(tmp_path, [white] * 2, 60, 0)):
        middle = EYE // 2
        assert eye[middle, middle].min() > 240
        for row, column in ((middle, 20), (middle, EYE - 20), (20, middle), (EYE - 20, middle), (3, 3)):
            assert eye[row, column].max() < 20


def test_no_disparity_is_flat(tmp_path: Path) -> None:
    """With 0 both eyes see the same."""
    left, right = _eyes(_made(tmp_path, [_dotted(40, 60)] * 2, 80, 0))

    assert int(np.abs(left.astype(int) - right.astype(int)).max()) < 12


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no MP4: it has no index"),
        (b"\0\0\0\1free" + b"\0\0\0\0\0\0\0\3", "impossible size"),
        (struct.pack(">I4s", 24, b"moov") + struct.pack(">I4s", 99, b"trak") + bytes(8), "impossible size"),
        (struct.pack(">I4s", 16, b"moov") + struct.pack(">I4s", 8, b"mvhd"), "should have one H.264 track"),
    ],
)
def test_what_is_no_such_file_is_told(tmp_path: Path, data: bytes, words: str) -> None:
    """A broken file is a sentence, and nothing is written."""
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(CannotBeMade, match=words):
        mark_vr180(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert not (tmp_path / "b.mp4").exists()
