"""Looks into images and videos: what an input is, and whether an output is worth keeping."""

import itertools
import statistics
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import Interpolation
from PIL import Image, UnidentifiedImageError

from videogen import video_flaws
from videogen.errors import VideogenError
from videogen.flaw import Flaw
from videogen.frame_series import SIDE, FrameSeries, Pixels

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


@dataclass(frozen=True)
class Look:
    """A video after all of it was decoded once."""

    flaws: tuple[Flaw, ...]
    measures: dict[str, float]
    """How far it is from the thresholds of `video_flaws`; empty for a video that does not decode."""

    @property
    def broken(self) -> tuple[Flaw, ...]:
        """The flaws for which it is not worth keeping."""
        return tuple(flaw for flaw in self.flaws if flaw.severity == "broken")


def look(path: Path, expected: Expected | None = None, also: Callable[[av.VideoFrame], None] | None = None) -> Look:
    """Decodes all of a video, frame by frame, and says what is wrong with it. `also` sees each frame, too."""
    try:
        seen = _decode(path, also)
    except (av.error.FFmpegError, OSError) as error:
        return Look((_broken("unreadable", f"does not decode: {_reason(error)}"),), {})
    if not seen.series.frames:
        return Look((_broken("unreadable", "has no frames"),), {})
    found = (*_against(seen, expected or Expected()), *video_flaws.flaws(seen.series, seen.fps))
    return Look(found, video_flaws.measures(seen.series, seen.fps))


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
    series: FrameSeries
    width: int = 0
    height: int = 0
    declared: int = 0
    fps: float = 0.0
    times: list[float] = field(default_factory=list)
    """Second of each frame that has one."""
    damaged: int = 0
    """Frames that the decoder could only guess."""


def _decode(path: Path, also: Callable[[av.VideoFrame], None] | None) -> _Seen:
    seen = _Seen(FrameSeries())
    with av.open(path) as container:
        if not container.streams.video:
            return seen
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        seen.declared, seen.fps = stream.frames, float(stream.average_rate or 0)
        for frame in container.decode(stream):
            seen.width, seen.height = frame.width, frame.height
            seen.damaged += frame.is_corrupt
            if also is not None:
                also(frame)
            if frame.time is not None:
                seen.times.append(frame.time)
            small = frame.reformat(SIDE, SIDE, "rgb24", interpolation=Interpolation.AREA)
            seen.series.take(_bytes(frame.to_ndarray(format="gray")), _bytes(small.to_ndarray()))
    return seen


def _bytes(pixels: np.ndarray) -> Pixels:
    """PyAV's arrays of 8-bit formats, typed as what they are."""
    return pixels.astype(np.uint8, copy=False)


def _against(seen: _Seen, expected: Expected) -> list[Flaw]:
    found = []
    frames = seen.series.frames
    size = (expected.width or seen.width, expected.height or seen.height)
    if (seen.width, seen.height) != size:
        found.append(_broken("size", f"is {seen.width}x{seen.height}, should be {size[0]}x{size[1]}"))
    wanted = expected.frames or seen.declared or frames
    if frames != wanted:
        found.append(_broken("frames", f"has {frames} frames, should have {wanted}"))
    if expected.fps and abs(seen.fps - expected.fps) > 0.01 * expected.fps:
        found.append(_broken("fps", f"plays at {seen.fps:g} fps, should at {expected.fps:g}"))
    if seen.damaged:
        found.append(_broken("damaged", f"is damaged in {seen.damaged} of {frames} frames"))
    if len(seen.times) > 2:
        step = statistics.median(later - earlier for earlier, later in itertools.pairwise(seen.times))
        lasts, should = seen.times[-1] - seen.times[0] + step, step * len(seen.times)
        if abs(lasts - should) > max(1.5 * step, 0.02 * should):
            message = f"lasts {lasts:.2f} s, its frames {should:.2f} s: their times leave holes"
            found.append(Flaw("duration", "suspicious", message))
    return found


def _broken(kind: str, message: str) -> Flaw:
    return Flaw(kind, "broken", message)


def _reason(error: Exception) -> str:
    """The library's words without the path, which the caller names in its own way."""
    if isinstance(error, OSError | av.error.FFmpegError) and error.strerror:
        return error.strerror
    return str(error).split(" '/")[0].split(" <")[0]
