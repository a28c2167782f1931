"""What a video's frames tell one after the other, in one pass: a handful of numbers a frame, and a few pictures.

Nothing of a frame is kept but numbers, so that an hour of video takes a few megabytes.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]

SIDE = 64
"""Pixels of the small square picture in which colours and changes are measured: grain is averaged away in it."""
DARK = 16
"""A frame whose brightest pixel (0–255) is not above this is black."""
CHANGE = 16
"""A pixel that differs by more than this from the first frame has moved; compression noise of x264 at crf 28 stays
below 12, measured on noise and on gradients."""
MOVED = 1e-4
"""Share of pixels that must have moved in some frame: a 4×4 square that moves in 416×240 is three times this."""
PARTS = 8
"""Rows and columns of parts whose mean brightness is compared with the first frame's."""
LIT = 4.0
"""A part that differs by this (0–255) has moved, although no pixel of it did by `CHANGE`: mist, dusk, slow light. Still
pictures differ by less than 0.9 up to crf 28 and by 2.9 at crf 42; a light that wanders for a second, by over 6.5."""


@dataclass
class FrameSeries:
    """Takes frames in order; read it after the last one."""

    frames: int = 0
    black: int = 0
    plain: int = 0
    """Frames of one colour, black ones included."""
    moved: bool = False
    """Whether any frame differs from the first."""
    _levels: list[Numbers] = field(default_factory=list)
    _changes: list[float] = field(default_factory=list)
    _shapes: list[float] = field(default_factory=list)
    _first: Pixels | None = None
    _lit: Numbers | None = None
    """The parts of the first frame."""
    _last: npt.NDArray[np.int16] | None = None

    def take(self, grey: Pixels, small: Pixels) -> None:
        """One frame: its brightness at full size, and its colours at `SIDE` × `SIDE`."""
        low, high = int(grey.min()), int(grey.max())
        self.frames += 1
        self.black += high <= DARK
        self.plain += high - low <= CHANGE
        if self._first is None or self._lit is None:
            self._first, self._lit = grey, _parts(small)
        elif not self.moved and self._first.shape == grey.shape:
            apart = np.maximum(grey, self._first) - np.minimum(grey, self._first)
            self.moved = bool(np.count_nonzero(apart > CHANGE) >= MOVED * grey.size)
            self.moved = self.moved or bool(np.abs(_parts(small) - self._lit).max() >= LIT)
        colours = small.astype(np.int16)
        self._levels.append(colours.mean(axis=(0, 1)))
        difference = colours - (colours if self._last is None else self._last)
        self._changes.append(float(np.abs(difference).mean()))
        self._shapes.append(float(np.abs(difference - difference.mean(axis=(0, 1))).mean()))
        self._last = colours

    @property
    def levels(self) -> Numbers:
        """A row a frame: mean red, green and blue, 0–255."""
        return np.array(self._levels).reshape(-1, 3)

    @property
    def changes(self) -> Numbers:
        """How much each frame differs from the one before, mean over the small picture, 0–255; 0 for the first."""
        return np.array(self._changes)

    @property
    def shapes(self) -> Numbers:
        """The part of `changes` that is not a change of the whole picture's colour."""
        return np.array(self._shapes)


def _parts(small: Pixels) -> Numbers:
    """Mean brightness of `PARTS` × `PARTS` parts."""
    side = SIDE // PARTS
    return np.asarray(small.mean(axis=2).reshape(PARTS, side, PARTS, side).mean(axis=(1, 3)))
