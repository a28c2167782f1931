"""How the mover of a motion video moves, as a few smooth curves that a figure can follow.

All lengths are in heights of the mover, so the same dance fits a figure of any size.
The person or skeleton is found as what stands before the background; no model is needed for that, and none is used.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, fields, replace

import numpy as np

from videogen.standin.backdrop import backdrop, foreground
from videogen.standin.media import Reals, read_video

ROWS = 192  # the video is measured at this height: enough for a limb, and quick
LONGEST = 1500  # frames that are looked at; later ones are not used

_ARM_DOWN = -60.0  # degrees: the direction of an arm that hangs where the torso hides it
_KEPT = 32
_known: dict[str, Motion] = {}


@dataclass(frozen=True)
class Motion:
    """One row a frame. Angles are degrees above the horizontal; left and right as the viewer sees them."""

    shift: Reals  # sideways, from the middle of the dance
    jump: Reals  # feet above the ground
    height: Reals  # 1 upright, less when crouching
    spine: Reals  # frames × 4: sideways bend as a cubic of 0 at the feet to 1 at the crown, highest power first
    arms: Reals  # frames × 2
    feet: Reals  # frames × 2: each foot above the other
    stance: Reals  # how much wider than usual the feet stand

    def __len__(self) -> int:
        return len(self.shift)

    def over(self, length: int, start: int = 0) -> Motion:
        """Frame for frame from `start`, as ComfyUI hands a loaded video on.

        Of a longer video the rest is not used; a shorter one is danced back and forth.
        """
        last = len(self) - 1
        steps = np.arange(start, start + length) % max(1, 2 * last)
        at = np.minimum(np.where(steps > last, 2 * last - steps, steps), last)
        return replace(self, **{field.name: getattr(self, field.name)[at] for field in fields(self)})


def read_motion(data: bytes, name: str) -> Motion:
    """The motion in a video file; the same bytes are measured once a process."""
    digest = hashlib.sha256(data).hexdigest()
    if digest not in _known:
        measured = measure(read_video(data, name, ROWS, LONGEST))
        while len(_known) >= _KEPT:
            _known.pop(next(iter(_known)))
        _known[digest] = measured
    return _known[digest]


def measure(frames: Reals) -> Motion:
    """The motion in decoded frames. A video in which nothing stands out gives a motion that stays at rest."""
    middle = np.median(frames[:: max(1, len(frames) // 40)], axis=0)
    plain = backdrop(middle)
    behind = plain.over(*middle.shape[:2]) if plain.plain else middle
    mask = foreground(frames, behind, 20.0 + plain.error if plain.plain else 26.0)
    seen = mask.mean(axis=(1, 2)) > 0.002
    if not seen.any():
        return idle(len(frames))
    # A frame in which the mover is away keeps the pose of the nearest frame before, or of the first one seen.
    at = np.maximum.accumulate(np.where(seen, np.arange(len(frames)), int(np.argmax(seen))))
    mask = mask[at]

    tall = _tall(mask)
    axis = _axis(mask, tall)
    top, bottom = _ends(mask, axis, tall)
    tall = float(np.median(bottom - top))
    poses = np.array([_pose(*frame, tall) for frame in zip(mask, axis, top, bottom, strict=True)], np.float32)
    poses = smooth(poses, 1.2)
    axis, top, bottom = (smooth(curve, 0.8) for curve in (axis, top, bottom))
    return Motion(
        shift=((axis - np.median(axis)) / tall).astype(np.float32),
        jump=np.clip((np.quantile(bottom, 0.75) - bottom) / tall, 0, 0.35).astype(np.float32),
        height=np.clip((bottom - top) / tall, 0.7, 1.15).astype(np.float32),
        spine=poses[:, 0:4],
        arms=poses[:, 4:6],
        feet=poses[:, 6:8],
        stance=np.clip(poses[:, 8] - np.median(poses[:, 8]), -0.03, 0.12),
    )


def idle(length: int) -> Motion:
    """Nobody moves: upright, arms down."""
    still, pair = np.zeros(length, np.float32), np.zeros((length, 2), np.float32)
    return Motion(still, still, still + 1, np.zeros((length, 4), np.float32), pair + np.float32(_ARM_DOWN), pair, still)


def smooth(curve: Reals, sigma: float) -> Reals:
    """The curve without jitter: a Gaussian over frames, ends held."""
    reach = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(curve, [(reach, reach)] + [(0, 0)] * (curve.ndim - 1), mode="edge")
    total = sum(weight * padded[i : i + len(curve)] for i, weight in enumerate(kernel))
    return np.asarray(total, np.float32)


def _tall(mask: Reals) -> float:
    rows = mask.sum(axis=2).cumsum(axis=1)
    low, high = ((rows < part * rows[:, -1:]).sum(axis=1) for part in (0.01, 0.99))
    return max(8.0, float(np.median(high - low)))


def _axis(mask: Reals, tall: float) -> Reals:
    """Where the trunk is: mean shift over the columns, so a stretched arm does not pull it aside."""
    columns, x = mask.sum(axis=1), np.arange(mask.shape[2], dtype=np.float32)
    centre = (columns @ x) / columns.sum(axis=1)
    for _ in range(6):
        near = columns * np.exp(-0.5 * ((x - centre[:, None]) / (0.13 * tall)) ** 2)
        centre = (near @ x) / np.maximum(near.sum(axis=1), 1e-6)
    return np.asarray(centre, np.float32)


def _ends(mask: Reals, axis: Reals, tall: float) -> tuple[Reals, Reals]:
    """Crown and soles; the crown is looked for near the axis, so that raised hands do not count as height."""
    x = np.arange(mask.shape[2], dtype=np.float32)
    near = np.exp(-0.5 * ((x - axis[:, None]) / (0.09 * tall)) ** 2).astype(np.float32)
    trunk = np.einsum("fyx,fx->fy", mask, near).cumsum(axis=1)
    whole = mask.sum(axis=2).cumsum(axis=1)
    top = (trunk < 0.006 * trunk[:, -1:]).sum(axis=1)
    bottom = (whole < 0.996 * whole[:, -1:]).sum(axis=1)
    return top.astype(np.float32), np.maximum(bottom, top + 4).astype(np.float32)


def _pose(mask: Reals, axis: float, top: float, bottom: float, tall: float) -> list[float]:
    """Bend (4), arms (2), feet (2), stance of one frame."""
    rows, columns = np.arange(mask.shape[0], dtype=np.float32), np.arange(mask.shape[1], dtype=np.float32)
    side = (columns - axis) / tall
    up = (bottom - rows) / (bottom - top)

    trunk = mask * np.exp(-0.5 * (side / 0.12) ** 2)
    weight = trunk.sum(axis=1)
    used = (weight > 0.5) & (up > -0.05) & (up < 1.05)
    bend = np.zeros(4)
    if used.sum() > 20:
        centre = (trunk @ side)[used] / weight[used]
        bend = np.polyfit(up[used], np.clip(centre, -0.2, 0.2), 3, w=np.sqrt(weight[used]))

    arms = []
    for sign in (-1, 1):
        arm = mask * np.where(sign * side > 0.12, sign * side, 0) * ((up > 0.42) & (rows > top - 0.5 * tall))[:, None]
        total = float(arm.sum())
        prior = 0.00012 * tall * tall
        out, above = float((arm @ (sign * side - 0.09)).sum()), float((arm.sum(axis=1) * (up - 0.78)).sum())
        angle = math.degrees(math.atan2(above, out)) if total > 0 else _ARM_DOWN
        arms.append((total * angle + prior * _ARM_DOWN) / (total + prior))

    legs = mask * (up < 0.3)[:, None]
    columns_of_legs = legs.sum(axis=0)
    middle = float(columns_of_legs @ side) / max(float(columns_of_legs.sum()), 1e-6)
    soles = []
    for sign in (-1, 1):
        profile = legs[:, sign * (side - middle) > 0].sum(axis=1).cumsum()
        soles.append(float((profile < 0.98 * profile[-1]).sum()) if profile[-1] > 2 else bottom)
    lowest = max(soles)
    feet = [min(max((lowest - sole) / tall - 0.01, 0.0), 0.16) for sole in soles]
    soles_at = (mask * (up < 0.12)[:, None]).sum(axis=0)
    mean = float(soles_at @ side) / max(float(soles_at.sum()), 1e-6)
    stance = math.sqrt(float(soles_at @ (side - mean) ** 2) / max(float(soles_at.sum()), 1e-6))
    return [*bend.tolist(), *arms, *feet, stance]
