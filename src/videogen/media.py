"""Looks into images and videos: what an input is, and whether an output is worth keeping."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from videogen.errors import VideogenError

Pixels = npt.NDArray[np.int16]

DARK = 16
"""A frame whose brightest pixel (0–255) is not above this is black."""
CHANGE = 16
"""A pixel that differs by more than this from the first frame has moved; compression noise of x264 at crf 28 stays
below 12, measured on noise and on gradients."""
MOVED = 1e-4
"""Share of pixels that must have moved in some frame: a 4×4 square that moves in 416×240 is three times this."""

_NOT_VIDEO = ("image2", "tty")
"""FFmpeg also plays single images (`image2`, `png_pipe`, …) and plain text (`tty`)."""


class UnreadableMedia(VideogenError):
    """The file does not decode as what it should be; the message does not name the file."""


@dataclass(frozen=True)
class Probe:
    """What a file is. An image is one frame without rate."""

    width: int
    height: int
    frames: int
    fps: float
    duration: float
    """Seconds."""


@dataclass(frozen=True)
class Expected:
    """What a video should be; nothing where the job does not say."""

    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: float | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, object]) -> "Expected":
        """From a job's `width`, `height`, `length` and `fps`, the names that every workflow uses for them."""

        def number(name: str) -> Any:
            value = parameters.get(name)
            return value if isinstance(value, int | float) and not isinstance(value, bool) else None

        return cls(number("width"), number("height"), number("length"), number("fps"))


def probe(path: Path, kind: Literal["image", "video"]) -> Probe:
    """What the file is; raises `UnreadableMedia` unless it decodes: an image whole, a video to its first frame."""
    return _probe_image(path) if kind == "image" else _probe_video(path)


def check_video(path: Path, expected: Expected | None = None) -> list[str]:
    """What is wrong with a rendered video, found by decoding all of it; an empty list means that it may be kept."""
    try:
        seen = _decode(path)
    except (av.error.FFmpegError, OSError) as error:
        return [f"does not decode: {_reason(error)}"]
    if not seen.frames:
        return ["has no frames"]
    return [*_against(seen, expected or Expected()), *_emptiness(seen)]


def _probe_image(path: Path) -> Probe:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
                return Probe(image.width, image.height, 1, 0.0, 0.0)
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableMedia(f"not an image that can be read: {_reason(error)}") from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's decoders raise all three for broken data
        raise UnreadableMedia(f"not an image that can be read: {_reason(error)}") from error


def _probe_video(path: Path) -> Probe:
    try:
        with av.open(path) as container:
            if not container.streams.video or container.format.name in _NOT_VIDEO or "_pipe" in container.format.name:
                raise UnreadableMedia("has no video stream")
            stream = container.streams.video[0]
            first = next(container.decode(stream), None)
            if first is None:
                raise UnreadableMedia("has no frames")
            rate = float(stream.average_rate or 0)
            length = float((stream.duration or 0) * (stream.time_base or Fraction(0)))
            duration = length or (container.duration or 0) / av.time_base
            return Probe(first.width, first.height, stream.frames or round(duration * rate), rate, duration)
    except (av.error.FFmpegError, OSError) as error:
        raise UnreadableMedia(f"not a video that can be read: {_reason(error)}") from error


@dataclass
class _Seen:
    width: int = 0
    height: int = 0
    frames: int = 0
    declared: int = 0
    fps: float = 0.0
    black: int = 0
    plain: int = 0
    moved: float = 0.0


def _decode(path: Path) -> _Seen:
    seen = _Seen()
    first: Pixels | None = None
    with av.open(path) as container:
        if not container.streams.video:
            return seen
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        seen.declared, seen.fps = stream.frames, float(stream.average_rate or 0)
        for frame in container.decode(stream):
            grey: Pixels = frame.to_ndarray(format="gray").astype(np.int16)
            seen.frames += 1
            seen.height, seen.width = grey.shape
            seen.black += int(grey.max() <= DARK)
            seen.plain += int(grey.max() - grey.min() <= CHANGE)
            if first is None:
                first = grey
            elif first.shape == grey.shape:
                seen.moved = max(seen.moved, float((np.abs(grey - first) > CHANGE).mean()))
    return seen


def _against(seen: _Seen, expected: Expected) -> list[str]:
    found = []
    size = (expected.width or seen.width, expected.height or seen.height)
    if (seen.width, seen.height) != size:
        found.append(f"is {seen.width}x{seen.height}, should be {size[0]}x{size[1]}")
    frames = expected.frames or seen.declared or seen.frames
    if seen.frames != frames:
        found.append(f"has {seen.frames} frames, should have {frames}")
    if expected.fps and abs(seen.fps - expected.fps) > 0.01 * expected.fps:
        found.append(f"plays at {seen.fps:g} fps, should at {expected.fps:g}")
    return found


def _emptiness(seen: _Seen) -> list[str]:
    """Black or plain for half of its length, or still: a fade passes, a render that became NaN does not."""
    if seen.black * 2 >= seen.frames:
        return [f"is black in {seen.black} of {seen.frames} frames"]
    if seen.plain * 2 >= seen.frames:
        return [f"shows one colour in {seen.plain} of {seen.frames} frames"]
    if seen.frames > 1 and seen.moved < MOVED:
        return ["is frozen: no frame differs from the first"]
    return []


def _reason(error: Exception) -> str:
    """The library's words without the path, which the caller names in its own way."""
    if isinstance(error, OSError | av.error.FFmpegError) and error.strerror:
        return error.strerror
    return str(error).split(" '/")[0].split(" <")[0]
