"""Renders the stand-in's videos: the job's own character, moved by the job's own motion video, and no model anywhere.

What it is for: the whole chain around the renderer (inputs, sizes, seeds, progress, files) can be seen to work.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from videogen.standin.caption import caption
from videogen.standin.figure import Figure, cut_out, packed
from videogen.standin.film import write_film
from videogen.standin.media import Pixels, Reals, UnreadableMedia, frames_in, read_picture
from videogen.standin.motion import Motion, idle, read_motion, smooth
from videogen.standin.puppet import Pose, draw
from videogen.standin.retouch import part, scaled, still, tracked

__all__ = ["Scene", "UnreadableMedia", "render", "render_frames"]

_EASED = 6
"""Frames over which a picture that goes on without a mover begins to move."""


@dataclass(frozen=True)
class Scene:
    """What one job wants to see.

    `length` in frames; sizes in pixels, even, because H.264 halves the colour planes.
    `strength` scales the motion: 0 stands still but for breathing, 1 follows the mover. `start`: the motion's frame at
    which it begins. `before`: the video that it goes on from, whose `shared` frames from `tail` it begins with.
    `replaces`: the figure stands in the motion's own place, instead of its mover.
    """

    image: Path | None
    motion: Path | None
    prompt: str
    seed: int
    width: int
    height: int
    length: int
    fps: float
    strength: float = 1.0
    start: int = 0
    before: Path | None = None
    tail: int = 0
    shared: int = 0
    replaces: bool = False

    def __post_init__(self) -> None:
        for name, size in (("width", self.width), ("height", self.height)):
            if size % 2 or not 32 <= size <= 8192:
                raise ValueError(f"{name}: should be an even number from 32 to 8192, got {size}")
        if self.length < 1:
            raise ValueError(f"length: should be at least 1 frame, got {self.length}")
        if not 0.1 <= self.fps <= 240:
            raise ValueError(f"fps: should be from 0.1 to 240, got {self.fps}")


@dataclass(frozen=True)
class _Chance:
    """What seed and prompt change: gently, and the same each time."""

    seed: int
    prompt: str
    random: np.random.Generator = field(init=False)
    tint: Reals = field(init=False)

    def __post_init__(self) -> None:
        hue = hashlib.sha256(self.prompt.encode()).digest()[0] / 256
        entropy = hashlib.sha256(f"{self.seed}\n{self.prompt}".encode()).digest()
        random = np.random.Generator(np.random.PCG64(int.from_bytes(entropy, "big")))
        colour = colorsys.hls_to_rgb((hue + random.uniform(-0.06, 0.06)) % 1, 0.80, 0.85)
        object.__setattr__(self, "random", random)
        object.__setattr__(self, "tint", np.array(colour, np.float32) * 255)


def render(
    scene: Scene,
    target: Path,
    progress: Callable[[int, int], None] | None = None,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write the scene as an mp4 (H.264, yuv420p, index first); `metadata` goes into the container as ComfyUI does it.

    `progress(done, length)` is called after each frame.
    Raises `UnreadableMedia` before anything is written when an input does not decode.
    """
    write_film(
        render_frames(scene),
        scene.fps,
        target,
        lambda done: progress(done, scene.length) if progress else None,
        metadata,
    )


def render_frames(scene: Scene) -> Iterator[Pixels]:
    """The frames, rows × columns × 3; the inputs are read and measured before this returns."""
    chance = _Chance(scene.seed, scene.prompt)
    moves = None
    if scene.motion is not None:
        measured = read_motion(scene.motion.read_bytes(), scene.motion.name)
        moves = measured.over(scene.length, scene.start)
    picture = None if scene.image is None else read_picture(scene.image.read_bytes(), scene.image.name)
    if scene.before is None:
        return _finished(scene, chance, _staged(scene, chance, picture, moves))
    shared = [
        scaled(frame, scene.width, scene.height)
        for frame in part(frames_in(scene.before), scene.tail, min(scene.shared, scene.length))
    ]
    if picture is None:  # the shared frames are all it knows; they bear their caption already
        last = Image.fromarray(shared[-1]).convert("RGBA")
        drawn = _bent(_covering(last, scene), _from_rest(_lively(moves, scene, chance), len(shared)), scene)
    else:
        drawn = _finished(scene, chance, _staged(scene, chance, picture, moves))
    return chain(shared, islice(drawn, len(shared), None))


def _from_rest(motion: Motion, frames: int) -> Motion:
    """The motion, but at rest in so many frames, and in full only some frames later."""
    later = np.arange(len(motion)) - frames + 1
    share = np.clip(later / _EASED, 0, 1).astype(np.float32)
    return replace(
        motion,
        shift=motion.shift * share,
        jump=motion.jump * share,
        height=1 + (motion.height - 1) * share,
        spine=motion.spine * share[:, None],
    )


def _staged(scene: Scene, chance: _Chance, picture: Image.Image | None, moves: Motion | None) -> Iterator[Pixels]:
    cut = None if picture is None else cut_out(picture, scene.width, scene.height)
    motion = _lively(moves, scene, chance)
    if cut is not None:
        figure, plate = cut
        plates = _vacated(scene) if scene.replaces else _lit(_tinted(plate, chance, 0.26), scene, chance)
        yield from _danced(figure, _fitted(motion, figure, scene), plates)
    elif picture is not None:
        yield from _bent(_covering(picture, scene), motion, scene)
    else:
        ramp = np.linspace(0, 1, scene.height, dtype=np.float32)[:, None, None]
        dark = np.array([26, 28, 44], np.float32)
        plate = np.broadcast_to(chance.tint * (1 - 0.7 * ramp) + dark * ramp * 0.7, (scene.height, scene.width, 3))
        yield from _lit(plate, scene, chance)


def _vacated(scene: Scene) -> Iterator[Pixels]:
    """The motion video without its mover; beyond its end the last frame stays."""
    assert scene.motion is not None
    sight = [
        scaled(frame, scene.width, scene.height) for frame in part(frames_in(scene.motion), scene.start, scene.length)
    ]
    behind = still(sight)
    for frame, mask in zip(sight, tracked(sight, behind), strict=True):
        empty = frame * (1 - mask[..., None]) + behind * mask[..., None]
        plate = np.round(empty).astype(np.uint8)
        yield plate.copy()
    for _ in range(len(sight), scene.length):
        yield plate.copy()


def _lively(moves: Motion | None, scene: Scene, chance: _Chance) -> Motion:
    """The mover's motion at the wanted strength, plus breathing and sway; these alone where there is no mover."""
    time = (scene.start + np.arange(scene.length, dtype=np.float32)) / scene.fps
    base, strength = moves or idle(scene.length), scene.strength
    calm = 0.35 if moves else 1.0
    phases = chance.random.uniform(0, 2 * np.pi, 4)

    def wave(which: int, hertz: float, size: float) -> Reals:
        return np.asarray(calm * size * np.sin(2 * np.pi * hertz * time + phases[which]), np.float32)

    lean = np.zeros((scene.length, 4), np.float32)
    lean[:, 2] = wave(0, 0.23, 0.035)
    return Motion(
        shift=base.shift * strength + wave(1, 0.17, 0.02),
        jump=base.jump * strength,
        height=1 + (base.height - 1) * strength + wave(2, 0.4, 0.012),
        spine=base.spine * strength + lean,
        arms=-60 + (base.arms + 60) * strength + (wave(3, 0.31, 9.0) + calm * 9)[:, None],
        feet=base.feet * strength,
        stance=base.stance * strength,
    )


def _fitted(motion: Motion, figure: Figure, scene: Scene) -> Iterator[Pose]:
    """The poses of a figure that has to stay in the frame: a wide dance is made narrower, never cut off."""
    room = max(0.02, min(figure.axis, scene.width - figure.axis) / figure.tall - figure.half - 0.17)
    narrow = min(1.0, room / max(float(np.abs(motion.shift).max()), 1e-6))
    above = max(0.0, figure.soles / figure.tall - 1.01)
    low = min(1.0, above / max(float((motion.jump + motion.height - 1).max()), 1e-6))
    late = np.concatenate([motion.arms[:1], motion.arms[:1], motion.arms])[: len(motion)]
    hands = smooth(late, 0.8)
    for i in range(len(motion)):
        yield Pose(
            shift=float(motion.shift[i]) * narrow,
            jump=float(motion.jump[i]) * low,
            height=min(max(float(motion.height[i]), 0.65), 1.15),
            spine=tuple(motion.spine[i].tolist()),
            arms=(float(motion.arms[i, 0]), float(motion.arms[i, 1])),
            hands=(float(hands[i, 0]), float(hands[i, 1])),
            feet=(float(motion.feet[i, 0]), float(motion.feet[i, 1])),
            stance=float(motion.stance[i]),
        )


def _danced(figure: Figure, poses: Iterator[Pose], plates: Iterator[Pixels]) -> Iterator[Pixels]:
    for plate, pose in zip(plates, poses, strict=True):
        draw(figure, pose, plate)
        yield plate


def _bent(picture: Image.Image, motion: Motion, scene: Scene) -> Iterator[Pixels]:
    """A picture that cannot be cut out moves as a whole: bent most in the middle, and not at all along its border."""
    height, width, scale = scene.height, scene.width, picture.height // scene.height
    sprite = packed(np.asarray(picture, np.float32)).ravel()
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    pin = (np.sin(np.pi * x / width) * np.sin(np.pi * y / height)) ** np.float32(0.7)
    up = np.clip(1.1 - 1.2 * y[:, 0] / height, 0, 1)
    tall = 0.7 * height
    for i in range(len(motion)):
        sideways = np.clip((np.polyval(motion.spine[i], up) + motion.shift[i]) * tall, -0.16 * width, 0.16 * width)
        rise = np.clip(motion.jump[i] + up * (motion.height[i] - 1), -0.16, 0.16) * tall
        from_x = np.clip((x - pin * sideways[:, None].astype(np.float32)) * scale, 0, width * scale - 1).astype(
            np.int32
        )
        from_y = np.clip((y + pin * rise[:, None].astype(np.float32)) * scale, 0, height * scale - 1).astype(np.int32)
        pixels = sprite[from_y * (width * scale) + from_x]
        yield np.ascontiguousarray(pixels.view(np.uint8).reshape(height, width, 4)[..., :3])


def _covering(picture: Image.Image, scene: Scene) -> Image.Image:
    """The picture cropped about its middle to the frame's shape, at twice its size."""
    fit = max(scene.width / picture.width, scene.height / picture.height)
    width, height = scene.width / fit, scene.height / fit
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    size = (scene.width * 2, scene.height * 2)
    return picture.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))


def _tinted(plate: Reals, chance: _Chance, amount: float) -> Reals:
    return np.asarray(plate * (1 - amount) + chance.tint * amount, np.float32)


def _lit(plate: Reals, scene: Scene, chance: _Chance) -> Iterator[Pixels]:
    """The background under a large soft light that wanders; a new array a frame."""
    height, width = plate.shape[:2]
    small = np.linspace(-1, 1, 96, dtype=np.float32)
    pool = np.exp(-2.2 * (small[None, :] ** 2 + small[:, None] ** 2))
    light = Image.fromarray(pool).resize((width * 2, height * 2), Image.Resampling.BICUBIC)
    gain = np.clip(220 + 50 * np.asarray(light, np.float32), 0, 280).astype(np.uint16)[..., None]
    base = np.clip(plate, 0, 236).astype(np.uint16)
    phase, speed = chance.random.uniform(0, 2 * np.pi, 2), chance.random.uniform(0.07, 0.13)
    for i in range(scene.length):
        turn = 2 * np.pi * speed * (scene.start + i) / scene.fps
        left = round(width / 2 * (1 + 0.8 * float(np.sin(turn + phase[0]))))
        top = round(height / 2 * (1 + 0.5 * float(np.cos(turn * 0.8 + phase[1]))))
        yield (base * gain[top : top + height, left : left + width] >> 8).astype(np.uint8)


def _finished(scene: Scene, chance: _Chance, frames: Iterator[Pixels]) -> Iterator[Pixels]:
    """Frames with a breath of grain, and the caption."""
    colours, cover = caption(scene.prompt, scene.seed, scene.width, scene.height)
    ink, clear = np.round(colours * cover * 256).astype(np.uint32), np.round((1 - cover) * 256).astype(np.uint32)
    strip = len(ink)
    grain = chance.random.integers(0, 4, (scene.height + 64, scene.width + 64, 1), np.uint8)
    for frame in frames:
        top, left = chance.random.integers(0, 64, 2)
        # Adding three at most to 252 at most cannot wrap around.
        pixels: Pixels = np.minimum(frame, 252) + grain[top : top + scene.height, left : left + scene.width]
        pixels[-strip:] = (pixels[-strip:] * clear + ink + 128) >> 8
        yield pixels
