"""Writes frames as the mp4 that ComfyUI would write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av

from videogen.standin.media import Pixels

# Without `cpu-independent` x264's macroblock tree gives other bytes for the same frames from run to run (measured with
# PyAV 18.1); with it, and in one thread, a video depends on its frames only.
_ENCODING = {"preset": "veryfast", "crf": "19", "x264-params": "cpu-independent=1"}


def write_film(
    frames: Iterable[Pixels], fps: float, target: Path, told: Callable[[int], None], metadata: Mapping[str, str]
) -> None:
    """H.264, yuv420p, index first; as large as the first frame; `told(done)` is called after each one.

    Raises `ValueError` where there is no frame, or one of odd size, because H.264 halves the colour planes.
    """
    waiting = iter(frames)
    first = next(waiting, None)
    if first is None:
        raise ValueError("there are no pictures to make a video of")
    height, width = first.shape[:2]
    if width % 2 or height % 2:
        raise ValueError(f"H.264 wants even sizes, got {width}x{height}")
    options = {"movflags": "use_metadata_tags+faststart"}
    with av.open(str(target), "w", format="mp4", options=options) as container:
        container.metadata.update(metadata)
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=_ENCODING)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        for done, pixels in enumerate(chain([first], waiting), 1):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            told(done)
        container.mux(stream.encode())
