"""A flat video as VR180: each eye sees it as a flat screen that stands in the dark, in front of the viewer.

It is what it is: no depth inside the picture, which a flat video does not have. Both eyes see the same picture, turned
against each other, so that the screen stands at a distance: 6.3 cm between the eyes and 1° make 3.6 m. What the screen
does not fill is black. The projection is the equirectangular one of half a sphere, left and right eye side by side.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
from av.filter import Graph

from videogen.post.frames import Writer, frames, shape_of
from videogen.post.spherical import mark_vr180

_FRAME = 2
"""Pixels of black round the picture, so that its edge ends in black: the projection repeats the picture's corner."""


@dataclass(frozen=True)
class Screen:
    """Degrees that the width of the screen fills, degrees between both eyes' pictures, pixels of an eye's side."""

    fov: float
    disparity: float
    eye: int


def vr180(
    video: Path,
    target: Path,
    screen: Screen,
    crf: int,
    heard: Callable[[int, int], None],
    stop: threading.Event,
) -> None:
    """Writes the video as VR180 with its metadata; raises `CannotBeMade` for one that cannot be read."""
    flat = shape_of(video)
    plain = target.with_name(f"{target.stem}.plain{target.suffix}")
    try:
        with Writer(plain, replace(flat, width=2 * screen.eye, height=screen.eye), crf) as writer:
            projection: Graph | None = None
            for frame in frames(video, stop):
                frame.pts = writer.written
                projection = projection or _projection(frame, screen)
                projection.push(frame)
                seen = projection.pull()
                assert isinstance(seen, av.VideoFrame)
                writer.add(seen)
                heard(writer.written, max(flat.frames, writer.written))
        mark_vr180(plain, target)
    finally:
        plain.unlink(missing_ok=True)


def _projection(frame: av.VideoFrame, screen: Screen) -> Graph:
    """FFmpeg's own filters from a frame to both eyes."""
    width, height = frame.width + 2 * _FRAME, frame.height + 2 * _FRAME
    half = math.tan(math.radians(screen.fov) / 2) / frame.width
    wide, high = (2 * math.degrees(math.atan(half * side)) for side in (width, height))
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    padded = graph.add("pad", f"{width}:{height}:{_FRAME}:{_FRAME}:black")
    both, beside = graph.add("split"), graph.add("hstack")
    source.link_to(padded)
    padded.link_to(both)
    for eye, turn in enumerate((screen.disparity / 2, -screen.disparity / 2)):
        one = graph.add(
            "v360",
            f"input=flat:output=hequirect:ih_fov={wide}:iv_fov={high}:w={screen.eye}:h={screen.eye}"
            f":yaw={-turn}:interp=cubic",
        )
        both.link_to(one, eye)
        one.link_to(beside, 0, eye)
    yuv, sink = graph.add("format", "yuv420p"), graph.add("buffersink")
    beside.link_to(yuv)
    yuv.link_to(sink)
    graph.configure()
    return graph
