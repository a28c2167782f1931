"""Tells what stands in front of a plain or softly graded background, from the colours along the border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videogen.standin.media import Reals

_PLAIN = 14.0  # of 255: along the border a plain background differs less than this from its smooth model


@dataclass(frozen=True)
class Backdrop:
    """A background as a smooth surface: a polynomial of second degree a channel over x and y from -1 to 1."""

    terms: Reals  # 6 × 3
    error: float  # how far the middle nine tenths of the border are from it, at most

    @property
    def plain(self) -> bool:
        """False for a photo of a room, say: then nothing can be separated by colour."""
        return self.error < _PLAIN

    def over(self, height: int, width: int) -> Reals:
        """The background without anything in front, stretched to a size: rows × columns × 3."""
        return np.asarray(np.clip(_surface(height, width) @ self.terms, 0, 255), np.float32)


def backdrop(picture: Reals) -> Backdrop:
    """The background that continues the border of a picture (rows × columns × 3); feet may touch the border."""
    height, width = picture.shape[:2]
    edge = max(1, round(min(height, width) * 0.03))
    border = np.ones((height, width), bool)
    border[edge:-edge, edge:-edge] = False
    base, colours = _surface(height, width)[border], picture[border]
    kept = np.ones(len(base), bool)
    for _ in range(3):
        terms = np.linalg.lstsq(base[kept], colours[kept], rcond=None)[0].astype(np.float32)
        distance = np.abs(base @ terms - colours).max(axis=1)
        kept = distance <= max(float(np.quantile(distance, 0.9)), 1.0)
    return Backdrop(terms, float(np.quantile(distance, 0.9)))


def foreground(picture: Reals, behind: Reals, threshold: float) -> Reals:
    """A soft mask from 0 to 1 of what differs from the background; works on one picture or on many."""
    distance = np.abs(picture - behind).max(axis=-1)
    return np.asarray(np.clip((distance - threshold) / threshold, 0, 1), np.float32)


def outside(mask: Reals) -> npt.NDArray[np.bool_]:
    """Where the background is that can be reached from the border: a hole inside the figure belongs to the figure."""
    empty = mask < 0.5
    reached = np.zeros_like(empty)
    reached[0], reached[-1], reached[:, 0], reached[:, -1] = empty[0], empty[-1], empty[:, 0], empty[:, -1]
    while True:
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= grown[:, :-1]
        grown[:, :-1] |= grown[:, 1:]
        grown &= empty
        if np.array_equal(grown, reached):
            return reached
        reached = grown


def _surface(height: int, width: int) -> Reals:
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1).astype(np.float32)
