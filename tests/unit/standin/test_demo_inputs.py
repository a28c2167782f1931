"""The demo's two inputs are what the batches and the guide say they are."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from videogen.standin.figure import cut_out
from videogen.standin.media import read_picture

INPUTS = Path(__file__).resolve().parents[3] / "batches" / "inputs"


def test_inputs_are_small() -> None:
    """A clone of the repository carries less than 300 kB for both."""
    assert sum((INPUTS / name).stat().st_size for name in ("character.png", "motion.mp4")) < 300_000


def test_motion_is_five_seconds_of_h264() -> None:
    """81 frames at 16 a second, 288 × 512, in the format that every player reads."""
    with av.open(str(INPUTS / "motion.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, float(stream.average_rate or 0)) == (288, 512, 16)
        assert sum(1 for _ in container.decode(video=0)) == 81


def test_motion_begins_and_ends_in_the_same_pose() -> None:
    """Played in a loop the dance does not jump."""
    with av.open(str(INPUTS / "motion.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]

    apart = [float(np.abs(frames[0] - frames[i]).mean()) for i in (-1, 4)]
    assert apart[0] < 1
    assert apart[1] > 2


def test_character_has_two_arms_that_can_be_found() -> None:
    """The picture is 576 × 1024 and comes apart into a body and two arms that hang alike."""
    picture = read_picture((INPUTS / "character.png").read_bytes(), "character.png")
    assert picture.size == (576, 1024)

    cut = cut_out(picture, 288, 512)

    assert cut is not None
    left, right = cut[0].arms
    assert (left.side, right.side) == (-1, 1)
    assert abs(left.rest - right.rest) < 4
    assert abs(left.joint[1] - right.joint[1]) < 0.02
