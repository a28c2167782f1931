"""Segments become one video, frame by frame."""

import threading
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.doubles.film import film, greys, numbered
from videogen.post.frames import CannotBeMade, Stopped
from videogen.post.stitch import GAIN, SHIFT, Seam, stitch


def _stitched(folder: Path, segments: list[Path], seam: Seam, length: int = 0) -> list[float]:
    told: list[tuple[int, int]] = []
    stitch(segments, folder / "whole.mp4", seam, length, 10, lambda *now: told.append(now), threading.Event())
    assert told[-1][0] == told[-1][1] == len(told)
    return greys(folder / "whole.mp4")


def _segments(folder: Path, *ranges: range, shift: float = 0, contrast: float = 1) -> list[Path]:
    """A film for each range; all but the first are moved in brightness."""
    return [
        film(folder / f"{at}.mp4", (numbered(n, shift=shift if at else 0, contrast=contrast if at else 1) for n in one))
        for at, one in enumerate(ranges)
    ]


@pytest.mark.parametrize("fade", [False, True])
@pytest.mark.parametrize("overlap", [0, 1, 4])
def test_every_frame_is_shown_once(tmp_path: Path, overlap: int, fade: bool) -> None:
    """Three segments with frames in common give every number once, in order, also when the last one is short."""
    last = range(20 - 2 * overlap, 22 - overlap)
    parts = _segments(tmp_path, range(10), range(10 - overlap, 20 - overlap), last)
    seen = _stitched(tmp_path, parts, Seam(overlap, fade, 0))

    assert seen == pytest.approx([40 + 6 * n for n in range(22 - overlap)], abs=1.5)


def test_it_can_be_cut_to_length(tmp_path: Path) -> None:
    """Frames beyond the length that is wanted are left out, and fewer are not made up."""
    parts = _segments(tmp_path, range(10), range(6, 16))

    assert len(_stitched(tmp_path, parts, Seam(4, fade=False, colour=0), 13)) == 13
    assert len(_stitched(tmp_path, parts, Seam(4, fade=False, colour=0), 99)) == 16


def test_a_fade_goes_from_one_to_the_other(tmp_path: Path) -> None:
    """The frames in common change from the first segment's to the second's, in equal steps."""
    parts = _segments(tmp_path, range(10), range(6, 16), shift=30)
    seen = _stitched(tmp_path, parts, Seam(4, fade=True, colour=0))
    plain = [40 + 6 * n for n in range(16)]

    over = [grey - want for grey, want in zip(seen, plain, strict=True)]
    assert over[:6] == pytest.approx([0] * 6, abs=1.5)
    assert over[6:10] == pytest.approx([6, 12, 18, 24], abs=1.5)
    assert over[10:] == pytest.approx([30] * 6, abs=1.5)


@pytest.mark.parametrize(
    ("shift", "contrast", "share", "left"),
    [(9, 1.0, 1.0, 0), (9, 1.0, 0.5, 4.5), (-8, 1.08, 1.0, 0), (40, 1.0, 1.0, 40 - SHIFT * 255 / 219)],
)
def test_a_colour_shift_is_taken_back(tmp_path: Path, shift: float, contrast: float, share: float, left: float) -> None:
    """Brightness and contrast that drifted come back, as far as is asked for, and never further than a drift goes."""
    parts = _segments(tmp_path, range(10), range(6, 16), shift=shift, contrast=contrast)
    seen = _stitched(tmp_path, parts, Seam(4, fade=False, colour=share))

    assert seen[10:] == pytest.approx([40 + 6 * n + left for n in range(10, 16)], abs=2.5)
    assert contrast < GAIN


def test_a_drift_does_not_add_up(tmp_path: Path) -> None:
    """Each segment is drawn to the one before as it is shown: after many, the first one's look is still there."""
    parts = [
        film(tmp_path / f"{at}.mp4", (numbered(n, shift=5 * at) for n in range(4 * at, 4 * at + 8))) for at in range(5)
    ]
    seen = _stitched(tmp_path, parts, Seam(4, fade=False, colour=1))

    assert seen == pytest.approx([40 + 6 * n for n in range(24)], abs=3)


def test_the_file_plays_everywhere(tmp_path: Path) -> None:
    """H.264, 4:2:0, the rate of the segments, no sound, and the index in front."""
    _stitched(tmp_path, _segments(tmp_path, range(10), range(6, 16)), Seam(4, fade=False, colour=1))
    data = (tmp_path / "whole.mp4").read_bytes()

    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(tmp_path / "whole.mp4") as container:
        (stream,) = container.streams
        assert isinstance(stream, av.VideoStream)
        assert (stream.codec_context.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", Fraction(16))
        assert [round(float(frame.time or 0) * 16) for frame in container.decode(stream)] == list(range(16))


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    """Twelve times as many frames take no more memory than the frames in common and a few more."""
    frame = 320 * 320 * 3 // 2
    peaks = []
    for count in (20, 240):
        part = film(tmp_path / f"{count}.mp4", (numbered(n % 30, (320, 320)) for n in range(count)))
        tracemalloc.start()
        stitch(
            [part, part],
            tmp_path / "whole.mp4",
            Seam(4, fade=True, colour=1),
            0,
            30,
            lambda *_: None,
            threading.Event(),
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 5 * frame
    assert peaks[1] < 60 * frame


def test_what_does_not_go_together_is_told(tmp_path: Path) -> None:
    """Another size, another rate, too few frames, no video: each is one sentence."""
    small = film(tmp_path / "a.mp4", (numbered(n) for n in range(8)))
    large = film(tmp_path / "b.mp4", (numbered(n, (96, 64)) for n in range(8)))
    quick = film(tmp_path / "c.mp4", (numbered(n) for n in range(8)), rate=24)
    odd = film(tmp_path / "e.mp4", (numbered(n, (65, 64)) for n in range(8)), pixels="yuv444p")
    (tmp_path / "d.mp4").write_bytes(b"no video")

    def said(*parts: Path, overlap: int = 4) -> str:
        with pytest.raises(CannotBeMade) as caught:
            _stitched(tmp_path, list(parts), Seam(overlap, fade=False, colour=1))
        return caught.value.message

    assert said(small, large) == "segment 2 is 96x64 at 16 fps, segment 1 is 64x64 at 16 fps"
    assert said(small, quick) == "segment 2 is 64x64 at 24 fps, segment 1 is 64x64 at 16 fps"
    assert said(small, small, overlap=9) == "segment 2 or the one before is shorter than the 9 frames in common"
    assert said(odd, odd) == "segment 1 is 65x64 at 16 fps, and both sides should be even"
    assert said(small, tmp_path / "d.mp4").startswith("d.mp4 cannot be read: ")


def test_it_ends_when_it_shall(tmp_path: Path) -> None:
    """After the word it stops at the next frame."""
    part = film(tmp_path / "a.mp4", (numbered(n) for n in range(20)))
    stop = threading.Event()
    with pytest.raises(Stopped):
        stitch(
            [part],
            tmp_path / "w.mp4",
            Seam(0, fade=False, colour=0),
            0,
            20,
            lambda done, _: stop.set() if done == 3 else None,
            stop,
        )
