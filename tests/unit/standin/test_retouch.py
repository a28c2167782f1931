"""The stand-in's small computations on pictures do what the nodes do to sizes, numbers and colours."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from videogen.standin import retouch
from videogen.standin.media import Pixels
from videogen.standin.pictures import Pictures


def _frames(*levels: int, height: int = 8, width: int = 8) -> list[Pixels]:
    return [np.full((height, width, 3), level, np.uint8) for level in levels]


def _levels(frames: Iterable[Pixels]) -> list[int]:
    return [int(frame.mean()) for frame in frames]


@pytest.mark.parametrize(
    ("first", "length", "levels"),
    [(0, 2, [1, 2]), (2, 2, [3, 4]), (3, 9, [4, 5]), (-2, 2, [4, 5]), (9, 3, [5]), (-9, 1, [1])],
)
def test_a_part_of_a_batch_never_goes_beyond_it(first: int, length: int, levels: list[int]) -> None:
    """From a frame, from the end, or beyond it, as ImageFromBatch clamps."""
    assert _levels(retouch.part(_frames(1, 2, 3, 4, 5), first, length)) == levels


def test_interpolation_puts_frames_between() -> None:
    """(n − 1) × multiplier + 1 frames; those between lie on the way."""
    assert _levels(retouch.interpolated(_frames(0, 40, 80), 4)) == [0, 10, 20, 30, 40, 50, 60, 70, 80]
    assert _levels(retouch.interpolated(_frames(7), 2)) == [7]


def test_scaling_crops_about_the_middle() -> None:
    """A wide picture loses its sides where it must become high, and is squeezed only on request."""
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = 200

    assert _levels([retouch.scaled(wide, 8, 8, "area")]) == [200]
    assert retouch.scaled(wide, 8, 8, "area", "disabled").mean() == pytest.approx(66.7, abs=2)
    assert retouch.scaled(wide, 12, 0, "area").shape == (4, 12, 3)
    assert retouch.upscaled(wide).shape == (32, 96, 3)


def test_colours_become_those_of_the_reference() -> None:
    """Mean and spread of each channel; at half strength half of the way."""
    random = np.random.default_rng(1)
    picture = random.integers(100, 140, (16, 16, 3)).astype(np.uint8)
    like = random.integers(20, 60, (16, 16, 3)).astype(np.uint8)

    assert next(retouch.recoloured([picture], like, 1.0)).mean() == pytest.approx(like.mean(), abs=1)
    assert next(retouch.recoloured([picture], like, 0.5)).mean() == pytest.approx(80, abs=3)


def test_who_moves_is_masked_in_the_colour_that_scail_learned() -> None:
    """A square that walks is blue, all else is the background."""
    frames = _frames(30, 30, 30, 30, 30, height=12, width=40)
    for number, frame in enumerate(frames):
        frame[4:8, 8 * number : 8 * number + 4] = 220
    masks = list(retouch.coloured(retouch.tracked(frames, retouch.still(frames)), retouch.WHITE))

    assert [tuple(mask[5, 8 * number + 1]) for number, mask in enumerate(masks)] == [(0, 0, 255)] * 5
    assert tuple(masks[0][0, 0]) == (255, 255, 255)
    assert (masks[2] == 255).all(axis=2).mean() > 0.9


def test_each_node_makes_what_it_is_called_for() -> None:
    """A batch of two colours, upscaled, interpolated and matched, keeps the sizes of the real nodes."""
    empty = {"width": 8, "height": 6, "batch_size": 1}
    prompt = {
        "dark": {"class_type": "EmptyImage", "inputs": {**empty, "color": 0x101010}},
        "light": {"class_type": "EmptyImage", "inputs": {**empty, "color": 0x505050}},
        "both": {"class_type": "ImageBatch", "inputs": {"image1": ["dark", 0], "image2": ["light", 0]}},
        "up": {"class_type": "ImageUpscaleWithModel", "inputs": {"image": ["both", 0], "upscale_model": ["x", 0]}},
        "more": {"class_type": "FrameInterpolate", "inputs": {"images": ["up", 0], "multiplier": 2}},
        "like": {
            "class_type": "ColorTransfer",
            "inputs": {"image_target": ["more", 0], "image_ref": ["light", 0], "strength": 1.0},
        },
        "video": {"class_type": "CreateVideo", "inputs": {"images": ["like", 0], "fps": 8.0}},
    }
    pictures = Pictures(prompt, {}, Path)

    assert [frame.shape for frame in pictures.of("up")] == [(24, 32, 3)] * 2
    assert _levels(pictures.of("more")) == [16, 48, 80]
    assert _levels(pictures.of("video")) == [80, 80, 80]
