"""The post steps of chains: what becomes of finished videos without a GPU, frame by frame in constant memory."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from videogen.definition import Value
from videogen.post.frames import CannotBeMade, Stopped
from videogen.post.stitch import Seam, stitch
from videogen.post.vr180 import Screen, vr180
from videogen.post_steps import STITCH, VR180

__all__ = ["CannotBeMade", "Stopped", "run"]


def run(
    post: str,
    values: Mapping[str, Value],
    videos: Sequence[Path],
    target: Path,
    heard: Callable[[int, int], None],
    stop: threading.Event,
) -> None:
    """Makes `target` of the videos, in order, by the post step of that name; `heard` is told frames done and in all.

    Raises `CannotBeMade` for videos that do not go together, and `Stopped` after `stop`.
    """
    match post:
        case name if name == STITCH:
            seam = Seam(int(values["overlap"]), values["blend"] == "fade", float(values["colour"]))
            stitch(videos, target, seam, int(values["length"]), int(values["crf"]), heard, stop)
        case name if name == VR180:
            screen = Screen(float(values["fov"]), float(values["disparity"]), int(values["height"]))
            vr180(videos[0], target, screen, int(values["crf"]), heard, stop)
        case _:
            raise CannotBeMade(f"there is no post step `{post}`")
