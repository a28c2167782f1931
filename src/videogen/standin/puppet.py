"""Draws a figure in one pose over a background."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from videogen.standin.figure import Arm, Figure, Sprite
from videogen.standin.media import Pixels, Reals

_HIP = 0.42  # the legs end here, in heights of the figure: an upright body's hip, a little softened


@dataclass(frozen=True)
class Pose:
    """One moment; lengths in heights of the figure, angles in degrees above the horizontal, left before right."""

    shift: float
    jump: float
    height: float
    spine: tuple[float, ...]
    arms: tuple[float, float]
    hands: tuple[float, float]  # the angle at the hand's end: a little later than the arm's
    feet: tuple[float, float]
    stance: float


def draw(figure: Figure, pose: Pose, onto: Pixels) -> None:
    """Shadow, arms, body, in place. Every pixel asks where in the sprite it comes from, so nothing tears."""
    _shadow(figure, pose, onto)
    for arm in figure.arms:
        _draw_arm(figure, arm, pose, onto)
    wide = figure.half + 0.30
    box = _box(figure, pose, onto, -wide, wide, -0.06, 1.05)
    if box is not None:
        rows, columns = box
        side, up = _local(figure, pose, rows, columns)
        _legs(pose, side, up)
        _paste(figure, figure.body, side, up, onto[rows, columns])


def _draw_arm(figure: Figure, arm: Arm, pose: Pose, onto: Pixels) -> None:
    which = 0 if arm.side < 0 else 1
    turn = math.radians(min(max(pose.arms[which] - arm.rest, -20.0), 115.0))
    trail = math.radians(min(max(pose.hands[which] - arm.rest, -20.0), 115.0)) - turn
    trail = min(max(trail, -0.5), 0.5)
    out, joint = arm.joint
    reach = arm.reach + 0.06
    sides = sorted((arm.side * (out - 0.10), arm.side * (out + reach)))
    box = _box(figure, pose, onto, sides[0], sides[1], joint - reach, joint + reach)
    if box is None:
        return
    rows, columns = box
    side, up = _local(figure, pose, rows, columns)
    x, y = side * np.float32(arm.side) - np.float32(out), up - np.float32(joint)
    far = np.minimum(np.hypot(x, y) / np.float32(arm.reach), 1)
    angle = np.float32(turn) + np.float32(trail) * far * far
    cosine, sine = np.cos(angle), np.sin(angle)
    drawn_x, drawn_y = (x * cosine + y * sine + out) * arm.side, y * cosine - x * sine + joint
    _paste(figure, arm.sprite, drawn_x, drawn_y, onto[rows, columns])


def _box(
    figure: Figure, pose: Pose, onto: Pixels, left: float, right: float, low: float, high: float
) -> tuple[slice, slice] | None:
    """The rows and columns of the frame that a part of the figure can reach; None outside the frame."""
    bend = [float(np.polyval(pose.spine, up)) for up in np.linspace(max(low, 0), min(high, 1), 8)]
    stretch = pose.height**-0.5
    edges = (min(bend) + left * stretch, max(bend) + right * stretch)
    x = [figure.axis + figure.tall * (pose.shift + edge) for edge in edges]
    y = [figure.soles - figure.tall * (pose.jump + up * pose.height) for up in (high, low)]
    columns = slice(max(0, math.floor(x[0])), min(onto.shape[1], math.ceil(x[1]) + 1))
    rows = slice(max(0, math.floor(y[0])), min(onto.shape[0], math.ceil(y[1]) + 1))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def _local(figure: Figure, pose: Pose, rows: slice, columns: slice) -> tuple[Reals, Reals]:
    """Pixels as sideways from the axis and up from the soles, in the picture's own pose: both rows × columns."""
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + np.float32(0.5)
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] + np.float32(0.5)
    up = ((figure.soles - y) / figure.tall - pose.jump) / pose.height
    bend = np.polyval(np.array(pose.spine), np.clip(up, 0, 1)) + pose.shift
    side = ((x - figure.axis) / figure.tall - bend) * pose.height**0.5
    return side.astype(np.float32), np.broadcast_to(up, side.shape).astype(np.float32)


def _legs(pose: Pose, side: Reals, up: Reals) -> None:
    """Feet lifted one by one and set apart; changes both arrays in place."""
    part = up[:, 0] < _HIP
    weight = np.clip(1 - up[part, :1] / np.float32(_HIP), 0, 1.2)
    weight = weight * weight * (3 - 2 * np.minimum(weight, 1))
    right = 1 / (1 + np.exp(np.clip(side[part] * -90, -30, 30)))
    up[part] -= weight * (pose.feet[0] + (pose.feet[1] - pose.feet[0]) * right)
    side[part] -= weight * np.float32(pose.stance) * (2 * right - 1)


def _paste(figure: Figure, sprite: Sprite, side: Reals, up: Reals, onto: Pixels) -> None:
    height, width = sprite.shape
    scale = np.float32(figure.scale * figure.tall)
    x = (side * scale + np.float32(figure.scale * figure.axis)).astype(np.int32)
    y = (np.float32(figure.scale * figure.soles) - up * scale).astype(np.int32)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    at = np.where(inside, y * width + x, 0)
    found = np.where(inside, sprite.ravel()[at], np.uint32(0))
    used = np.flatnonzero(found.any(axis=1))
    if not len(used):
        return
    rows = slice(used[0], used[-1] + 1)
    pixels = np.ascontiguousarray(found[rows]).view(np.uint8).reshape(*found[rows].shape, 4)
    through = (255 - pixels[..., 3:]).astype(np.uint16)
    under = onto[rows]
    under[...] = pixels[..., :3] + ((under * through + 127) // 255).astype(np.uint8)


def _shadow(figure: Figure, pose: Pose, onto: Pixels) -> None:
    """A soft patch on the ground; a jump makes it wide and faint."""
    wide, flat = figure.tall * (figure.half * 1.35 + pose.stance + 0.25 * pose.jump), figure.tall * 0.03
    middle = figure.axis + figure.tall * (pose.shift + pose.spine[-1])
    ground = figure.soles - figure.tall * 0.008
    top, bottom = max(0, int(ground - 3 * flat)), min(onto.shape[0], int(ground + 3 * flat) + 1)
    if top >= bottom:
        return
    y = np.exp(-0.5 * ((np.arange(top, bottom) + 0.5 - ground) / flat) ** 2)[:, None]
    x = np.exp(-(np.abs((np.arange(onto.shape[1]) + 0.5 - middle) / wide) ** 3))[None, :]
    strength = 0.34 / (1 + 7 * max(pose.jump, 0.0))
    part = onto[top:bottom]
    part[...] = (part * (1 - strength * (y * x)[..., None])).astype(np.uint8)
