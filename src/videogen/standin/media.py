"""Pictures and videos as arrays, and one clear error for a file that is neither."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

Pixels = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float32]


class UnreadableMedia(ValueError):
    """A file given as a picture or as a video that does not decode as one."""


def read_picture(data: bytes, name: str) -> Image.Image:
    """The picture in these bytes as RGBA; `name` is only for the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as picture:
                return picture.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombWarning) as fault:
        raise UnreadableMedia(f"{name}: not an image that can be read ({fault})") from fault


def read_video(data: bytes, name: str, height: int, most: int) -> Reals:
    """Up to `most` frames scaled to `height` rows: frames × rows × columns × 3, values 0 to 255."""
    try:
        with av.open(io.BytesIO(data), "r") as container:
            if not container.streams.video:
                raise UnreadableMedia(f"{name}: has no video stream")
            frames = list(islice(_scaled(container.decode(video=0), height), most))
    except (av.error.FFmpegError, OSError) as fault:
        raise UnreadableMedia(f"{name}: not a video that can be read ({fault})") from fault
    if not frames:
        raise UnreadableMedia(f"{name}: has no frames")
    return np.stack(frames).astype(np.float32)


def frames_in(file: Path) -> Iterator[Pixels]:
    """A video's frames at their own size, one after the other."""
    try:
        with av.open(str(file), "r") as container:
            if not container.streams.video:
                raise UnreadableMedia(f"{file.name}: has no video stream")
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except (av.error.FFmpegError, OSError) as fault:
        raise UnreadableMedia(f"{file.name}: not a video that can be read ({fault})") from fault


def _scaled(frames: Iterator[av.VideoFrame], height: int) -> Iterator[Pixels]:
    for frame in frames:
        width = max(16, round(frame.width * height / frame.height / 4) * 4)
        small = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
        yield np.asarray(small.to_ndarray(), np.uint8)
