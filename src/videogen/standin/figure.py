"""A character cut out of its picture into a small puppet: a body, and arms that turn at the shoulder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from videogen.standin.backdrop import Backdrop, backdrop, foreground, outside
from videogen.standin.media import Pixels, Reals

_SEEN = 256  # rows at which a picture is examined
_AIR = 0.92  # of the frame: the picture is drawn a little smaller, so that there is room to dance
Sprite = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Arm:
    """One arm; the joint is sideways from the axis and above the soles, both in heights of the figure."""

    sprite: Sprite
    side: int
    joint: tuple[float, float]
    reach: float
    rest: float  # degrees above the horizontal at which it was drawn


@dataclass(frozen=True)
class Figure:
    """A figure in the pixels of the frame it will be drawn into; sprites are `scale` times as large as the frame.

    Sprites are RGBA with colours already multiplied by alpha, four bytes in one number, because one look-up a pixel is
    what a frame costs.
    """

    body: Sprite
    arms: tuple[Arm, ...]
    scale: int
    axis: float
    soles: float
    tall: float
    half: float  # half the width of the trunk, in heights


def cut_out(picture: Image.Image, width: int, height: int) -> tuple[Figure, Reals] | None:
    """The figure and its clean background (rows × columns × 3), fitted into a frame; None where nothing can be cut.

    The border must be plain or softly graded, or the picture transparent around the figure.
    """
    fit = _AIR * min(width / picture.width, height / picture.height)
    scale = 3 if width * height <= 640 * 640 else 2
    mask, behind = _mask(picture)
    if mask is None:
        return None

    size = (max(1, round(picture.width * fit * scale)), max(1, round(picture.height * fit * scale)))
    big = picture.resize(size, Image.Resampling.LANCZOS)
    rgb = np.asarray(big.convert("RGB"), np.float32)
    shape = Image.fromarray((mask * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    alpha = np.asarray(shape, np.float32) / 255
    plate = behind.over(height, width) if behind else np.full((height, width, 3), 214, np.float32)

    if behind:
        # Edge pixels are part background: take that part out again, or the figure carries a rim of its old background.
        own = behind.over(size[1], size[0])
        rgb = np.clip((rgb - own * (1 - alpha[..., None])), 0, 255 * alpha[..., None])
    else:
        rgb *= alpha[..., None]

    frame = np.zeros((height * scale, width * scale, 4), np.float32)
    left, top = (width * scale - size[0]) // 2, (height * scale - size[1]) * 3 // 5
    frame[top : top + size[1], left : left + size[0]] = np.dstack([rgb, alpha * 255])[: height * scale, : width * scale]
    return _rig(frame, scale), plate


def packed(pixels: Reals) -> Sprite:
    """Premultiplied RGBA as one number a pixel."""
    bytes_: Pixels = np.ascontiguousarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))
    return bytes_.view(np.uint32)[..., 0]


def _mask(picture: Image.Image) -> tuple[Reals | None, Backdrop | None]:
    ratio = 4 * _SEEN / max(picture.size)
    size = (max(8, round(picture.width * ratio)), max(8, round(picture.height * ratio)))
    seen = np.asarray(picture.resize(size, Image.Resampling.BOX), np.float32)
    opaque = seen[..., 3] / np.float32(255)
    if float(opaque.mean()) < 0.97:
        return (opaque, None) if float(opaque.mean()) > 0.01 else (None, None)
    behind = backdrop(seen[..., :3])
    if not behind.plain:
        return None, None
    mask = foreground(seen[..., :3], behind.over(size[1], size[0]), max(9.0, 1.2 * behind.error))
    small = np.asarray(Image.fromarray(mask).resize((max(2, size[0] // 4), max(2, size[1] // 4)), Image.Resampling.BOX))
    hole = Image.fromarray((~outside(small) & (small < 0.5)).astype(np.uint8) * 255)
    # A highlight in the background's colour is small; what is larger and has that colour is a gap between the legs.
    gap = hole.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.MaxFilter(7))
    hole = ImageChops.subtract(hole, gap)
    filled = hole.resize(size, Image.Resampling.BILINEAR).filter(ImageFilter.GaussianBlur(1))
    mask = np.maximum(mask, np.asarray(filled, np.float32) / 255).astype(np.float32)
    return (mask, behind) if 0.01 < float(mask.mean()) < 0.75 else (None, None)


def _rig(frame: Reals, scale: int) -> Figure:
    step = max(1, frame.shape[0] // _SEEN)
    solid = frame[::step, ::step, 3] > 127
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if len(rows) < 8 or len(columns) < 4:
        rows, columns = np.arange(solid.shape[0]), np.arange(solid.shape[1])
    soles, tall = float(rows[-1] + 1), float(rows[-1] + 1 - rows[0])
    count = solid.sum(axis=0).astype(np.float32)
    axis = float(count**2 @ np.arange(len(count)) / max(float((count**2).sum()), 1.0))
    side = (np.arange(solid.shape[1]) - axis) / tall
    half = _half_width(count / tall, side)

    y, x = np.ogrid[: frame.shape[0], : frame.shape[1]]
    u = ((x / step - axis) / tall).astype(np.float32)
    q = ((soles - y / step) / tall).astype(np.float32)
    body, arms = frame, []
    for sign in (-1, 1):
        found = _find_arm(solid, sign, side, half, soles, tall)
        if found is None:
            continue
        arm, inner, thick = found
        high = np.arange(frame.shape[0]) / step - 0.5
        limit = np.interp(high, np.arange(len(inner)), inner).astype(np.float32)[:, None]
        beyond = _ramp(sign * u - limit, -0.002, 0.004)
        # The arm reaches behind the body and has a round end there, so that no gap opens when it turns.
        away = np.hypot(sign * u - arm[0], q - arm[1])
        root = _ramp(sign * u - limit, -0.016, -0.010) * (1 - _ramp(away, thick + 0.045, thick + 0.055))
        root = root * _ramp(q, arm[1] - thick - 0.01, arm[1] - thick)
        whole = np.maximum(np.maximum(beyond, root), 1 - _ramp(away, thick - 0.006, thick))
        arms.append(Arm(packed(frame * whole[..., None]), sign, (arm[0], arm[1]), arm[2], arm[3]))
        body = body * (1 - _ramp(sign * u - limit, 0.004, 0.010))[..., None]
    unit = step / scale
    return Figure(packed(body), tuple(arms), scale, (axis + 0.5) * unit, soles * unit, tall * unit, half)


def _half_width(filled: Reals, side: npt.NDArray[np.floating]) -> float:
    """How far from the axis the trunk ends: further out, less than a quarter of the height is filled."""
    out = [float(np.abs(side[(filled > 0.26) & (sign * side > 0)]).max(initial=0.04)) for sign in (-1, 1)]
    return min(max(*out, 0.05), 0.3)


def _find_arm(
    solid: npt.NDArray[np.bool_], sign: int, side: npt.NDArray[np.floating], half: float, soles: float, tall: float
) -> tuple[tuple[float, float, float, float], npt.NDArray[np.float64], float] | None:
    """What sticks out sideways: joint (sideways, up), reach and resting angle; where it begins in each row; thickness.

    None where no arm stands out, as with arms crossed or a long gown.
    """
    out = sign * side
    beyond = solid & (out > half + 0.02)
    width = beyond.sum(axis=1)
    up = (soles - np.arange(len(width)) - 0.5) / tall
    width[(up < 0.2) | (up > 0.92)] = 0
    runs = np.flatnonzero(np.diff(np.concatenate([[0], (width > 0).astype(np.int8), [0]]))).reshape(-1, 2)
    if not len(runs):
        return None
    start, stop = max(runs.tolist(), key=lambda run: int(width[run[0] : run[1]].sum()))
    rows, columns = np.nonzero(beyond[start:stop])
    reach = float(out[columns].max()) - half
    if stop - start < 0.05 * tall or reach < 0.05:
        return None

    inner = np.full(len(width), 9.0)
    order = np.argsort(out)
    for row in range(start, stop):
        filled = solid[row, order] & (out[order] > half)
        last = int(np.flatnonzero(filled).max(initial=0))
        gap = np.flatnonzero(~filled[:last])
        # Where background shows between arm and trunk, the arm begins there: a wide hem stays with the trunk.
        inner[row] = max(half, float(out[order][gap.max()]) - min(0.015, 0.5 * len(gap) / tall)) if len(gap) else half
    inner[stop : stop + 1] = inner[stop - 1]  # half a row of soft edge below the hand
    for row in range(start - 1, max(0, start - round(0.06 * tall)), -1):
        inner[row] = half  # the rounding of the shoulder, and half a row of soft edge above it
        if not (solid[row] & (out > half)).any():
            break

    root = np.flatnonzero(solid[start:stop, int(np.argmin(np.abs(out - half - 0.02)))])
    root = root[: int(np.argmax(np.diff(root, append=root[-1] + 9) > 1)) + 1] if len(root) else np.array([0])
    at, thick = start + float(root.mean()), 0.26 * len(root) / tall
    joint = float((soles - at - 0.5) / tall)
    height = up[start:stop][rows]
    far = out[columns] > half + 0.55 * reach
    rest = float(np.degrees(np.arctan2(height[far].mean() - joint, out[columns][far].mean() - half)))
    length = float(np.hypot(out[columns] - half, height - joint).max())
    return (half + 0.008, joint, length, rest), inner, min(max(thick, 0.015), 0.05)


def _ramp(value: Reals, low: float, high: float) -> Reals:
    return np.asarray(np.clip((value - low) / (high - low), 0, 1), np.float32)
