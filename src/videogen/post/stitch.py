"""Segments into one video: frames that two of them have in common are shown once, and a colour shift is taken back.

What is held in memory is the frames in common, never a whole segment.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from videogen.post.frames import CannotBeMade, Shape, Writer, frames, shape_of

Planes = npt.NDArray[np.uint8]
"""A frame's Y, U and V behind one another, flat."""

GAIN = 1.12
"""A channel's contrast is changed at most so many times at a seam, up or down: more is another scene, not a drift."""
SHIFT = 12.0
"""Levels (of 255) by which a channel's mean is moved at most at a seam."""


@dataclass(frozen=True)
class Seam:
    """How two segments are joined: frames in common, faded or cut, and the share of a colour shift to take back."""

    overlap: int
    fade: bool
    colour: float


@dataclass(frozen=True)
class Correction:
    """Factor and summand of each channel (Y, U, V)."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    add: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def then(self, other: "Correction") -> "Correction":
        """Both, one after the other."""
        (a, b, c), (d, e, f) = self.gain, other.gain
        adds = tuple(g * add + more for g, add, more in zip(other.gain, self.add, other.add, strict=True))
        return Correction((a * d, b * e, c * f), (adds[0], adds[1], adds[2]))


def stitch(
    segments: Sequence[Path],
    target: Path,
    seam: Seam,
    length: int,
    crf: int,
    heard: Callable[[int, int], None],
    stop: threading.Event,
) -> None:
    """Writes one video of all segments, cut to `length` frames unless that is 0.

    Raises `CannotBeMade` for segments of different size or rate, or too short for their seam.
    """
    shapes = [shape_of(path) for path in segments]
    first = shapes[0]
    if first.width % 2 or first.height % 2:
        raise CannotBeMade(f"segment 1 is {first.words}, and both sides should be even")
    for number, shape in enumerate(shapes[1:], start=2):
        if (shape.width, shape.height, shape.rate) != (first.width, first.height, first.rate):
            raise CannotBeMade(f"segment {number} is {shape.words}, segment 1 is {first.words}")
    whole = sum(shape.frames for shape in shapes) - seam.overlap * (len(shapes) - 1)
    whole = min(whole, length) if length else whole
    with Writer(target, first, crf) as writer:
        for planes in islice(_joined(segments, first, seam, stop), length or None):
            writer.add(_frame(planes, first))
            heard(writer.written, max(whole, writer.written))


def match(before: Sequence[Planes], after: Sequence[Planes], pixels: int, share: float) -> Correction:
    """What makes `after` look like `before`, channel by channel, in mean and deviation, within `GAIN` and `SHIFT`."""
    if not share:
        return Correction()
    gains, adds = [], []
    for channel in _channels(pixels):
        was, now = (np.stack([one[channel] for one in some]).astype(np.float32) for some in (before, after))
        spread = float(now.std())
        gain = float(np.clip(was.std() / spread, 1 / GAIN, GAIN)) if spread > 1 else 1.0
        gain = 1 + (gain - 1) * share
        mean = float(now.mean())
        moved = float(np.clip(was.mean() - mean, -SHIFT, SHIFT)) * share
        gains.append(gain)
        adds.append(mean + moved - gain * mean)
    return Correction((gains[0], gains[1], gains[2]), (adds[0], adds[1], adds[2]))


def corrected(planes: Planes, correction: Correction, pixels: int) -> Planes:
    """The frame after the correction."""
    if correction == Correction():
        return planes
    found = np.empty_like(planes)
    for channel, gain, add in zip(_channels(pixels), correction.gain, correction.add, strict=True):
        table = np.clip(np.rint(np.arange(256) * gain + add), 0, 255).astype(np.uint8)
        found[channel] = table[planes[channel]]
    return found


def _joined(segments: Sequence[Path], shape: Shape, seam: Seam, stop: threading.Event) -> Iterator[Planes]:
    """Every frame of the whole. The last ones wait until it is known what follows."""
    pixels = shape.width * shape.height
    kept = max(seam.overlap, 1)
    held: deque[Planes] = deque()
    correction = Correction()
    for number, path in enumerate(segments, start=1):
        coming = (_planes(frame, shape) for frame in frames(path, stop))
        if number > 1:
            opening = list(islice(coming, kept))
            if len(opening) < kept or len(held) < kept:
                raise CannotBeMade(f"segment {number} or the one before is shorter than the {kept} frames in common")
            # A segment is drawn on from the one before, so it has that one's shift and perhaps one more.
            known = [corrected(one, correction, pixels) for one in opening]
            correction = correction.then(match(list(held), known, pixels, seam.colour))
            opening = [corrected(one, correction, pixels) for one in opening]
            if seam.overlap and seam.fade:
                pairs = enumerate(zip(held, opening, strict=True), start=1)
                held = deque(_mixed(old, new, at / (kept + 1)) for at, (old, new) in pairs)
            elif not seam.overlap:
                held.extend(opening)
        for planes in coming:
            held.append(corrected(planes, correction, pixels))
            while len(held) > kept:
                yield held.popleft()
    yield from held


def _mixed(old: Planes, new: Planes, weight: float) -> Planes:
    mixed = old.astype(np.float32) * (1 - weight) + new.astype(np.float32) * weight
    return np.rint(mixed).astype(np.uint8)


def _channels(pixels: int) -> tuple[slice, slice, slice]:
    return slice(0, pixels), slice(pixels, pixels * 5 // 4), slice(pixels * 5 // 4, pixels * 3 // 2)


def _planes(frame: VideoFrame, shape: Shape) -> Planes:
    if (frame.width, frame.height) != (shape.width, shape.height):
        raise CannotBeMade(f"its frames change size to {frame.width}x{frame.height}")
    return np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8).reshape(-1)


def _frame(planes: Planes, shape: Shape) -> VideoFrame:
    return VideoFrame.from_ndarray(planes.reshape(-1, shape.width), format="yuv420p")
