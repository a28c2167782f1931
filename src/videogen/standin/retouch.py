"""What nodes do with pictures that are there: scale, upscale, interpolate, match colours, find who moves.

Small computations in place of the models; sizes and numbers of frames are those of the real nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from PIL import Image

from videogen.standin.backdrop import backdrop, foreground
from videogen.standin.media import Pixels, Reals

UPSCALE = 4
"""Every upscaling model of the manifest gives four times the width."""

_METHODS = {
    "nearest-exact": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_BEHIND = 24
"""Frames that are looked at to find what stands still."""
_MOVED = 26.0
"""Of 255: what differs more from what stands still moves."""
OBJECT, BLACK, WHITE = (np.array(colour, np.uint8) for colour in ((0, 0, 255), (0, 0, 0), (255, 255, 255)))
"""SCAIL-2's colour of the first person, and its two backgrounds."""


def scaled(picture: Pixels, width: int, height: int, method: str = "lanczos", crop: str = "center") -> Pixels:
    """`ImageScale`: cropped about its middle to the wanted shape, or stretched with `disabled`; 0 keeps the shape."""
    high, wide = picture.shape[:2]
    width, height = width or max(1, round(wide * height / high)), height or max(1, round(high * width / wide))
    left = top = 0.0
    if crop == "center":
        fit = max(width / wide, height / high)
        left, top = (wide - width / fit) / 2, (high - height / fit) / 2
    box = (left, top, wide - left, high - top)
    return np.asarray(Image.fromarray(picture).resize((width, height), _METHODS[method], box=box), np.uint8)


def upscaled(picture: Pixels) -> Pixels:
    """`ImageUpscaleWithModel`: four times as wide and as high."""
    height, width = picture.shape[:2]
    return scaled(picture, width * UPSCALE, height * UPSCALE)


def interpolated(frames: Iterable[Pixels], multiplier: int) -> Iterator[Pixels]:
    """`FrameInterpolate`: (n − 1) × multiplier + 1 frames; those between are mixed of their neighbours."""
    before: Pixels | None = None
    for frame in frames:
        if before is not None:
            for number in range(1, multiplier):
                mixed = before + (frame.astype(np.float32) - before) * np.float32(number / multiplier)
                yield np.round(mixed).astype(np.uint8)
        yield frame
        before = frame


def recoloured(frames: Iterable[Pixels], like: Pixels, strength: float) -> Iterator[Pixels]:
    """`ColorTransfer`: each frame gets mean and spread of the colours of `like`."""
    wanted = like.reshape(-1, 3).astype(np.float32)
    for frame in frames:
        own = frame.reshape(-1, 3).astype(np.float32)
        moved = (own - own.mean(0)) / np.maximum(own.std(0), 1) * wanted.std(0) + wanted.mean(0)
        mixed = own + (moved - own) * np.float32(strength)
        yield np.clip(np.round(mixed), 0, 255).astype(np.uint8).reshape(frame.shape)


def still(frames: Sequence[Pixels]) -> Reals:
    """What stands still in a video: what continues its border where that is plain, else the median of its frames."""
    middle = np.median(np.stack(frames[:: max(1, len(frames) // _BEHIND)]), axis=0).astype(np.float32)
    plain = backdrop(middle)
    return plain.over(*middle.shape[:2]) if plain.plain else middle


def tracked(frames: Iterable[Pixels], behind: Reals) -> Iterator[Reals]:
    """`SAM3_VideoTrack`: for each frame a soft mask from 0 to 1 of who stands before `behind`."""
    for frame in frames:
        yield foreground(frame.astype(np.float32), behind, _MOVED)


def coloured(masks: Iterable[Reals], background: Pixels) -> Iterator[Pixels]:
    """`SCAIL2ColoredMask`: one person in the colour that SCAIL-2 learned, on its background."""
    for mask in masks:
        yield np.where(mask[..., None] > 0.5, OBJECT, background)


def part(frames: Iterable[Pixels], first: int, length: int) -> Iterator[Pixels]:
    """`ImageFromBatch`: up to `length` frames from `first`; beyond the end the last one; below 0 from the end."""
    if first < 0:
        frames = list(frames)
        first = max(0, len(frames) + first)
    last: Pixels | None = None
    number = -1
    for number, last in enumerate(frames):
        if number >= first:
            yield last
        if number >= first + length - 1:
            return
    if last is not None and number < first:
        yield last
