"""Draws the demo's two inputs: `character.png`, a small robot in a coat, and `motion.mp4`, a figure that dances.

Run `python tools/draw_demo_inputs.py` after changing the drawing; the same code draws the same pixels again.
Both are made for this repository, so nobody's likeness or licence comes with them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

INPUTS = Path(__file__).resolve().parent.parent / "batches" / "inputs"

Point = tuple[float, float]

# ---- the character

WIDTH, HEIGHT, SCALE = 576, 1024, 3  # drawn three times as large, then reduced: clean edges

CORAL, CORAL_DEEP = "#ff7a52", "#e8502f"
CREAM, CREAM_DEEP = "#fffaf0", "#f0dcc4"
NAVY, NAVY_DEEP = "#34406b", "#1c2444"
TEAL, TEAL_DEEP = "#22c7b4", "#0d9488"
SUN, SUN_DEEP = "#ffd75e", "#f5ae2e"
GLOW = "#8ff5ff"


class Canvas:
    """A picture that is painted with soft, toy-like solids; all lengths are in final pixels."""

    def __init__(self, top: str, bottom: str) -> None:
        self.size = (WIDTH * SCALE, HEIGHT * SCALE)
        self.picture = _gradient(self.size, top, bottom)

    def blank(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        """An empty mask and the pen that draws on it, in enlarged pixels."""
        mask = Image.new("L", self.size)
        return mask, ImageDraw.Draw(mask)

    def box(self, centre: Point, width: float, height: float, radius: float) -> Image.Image:
        """A box with round corners."""
        mask, draw = self.blank()
        (x, y), w, h = centre, width / 2, height / 2
        draw.rounded_rectangle([v * SCALE for v in (x - w, y - h, x + w, y + h)], radius * SCALE, fill=255)
        return mask

    def oval(self, centre: Point, width: float, height: float) -> Image.Image:
        """An ellipse."""
        mask, draw = self.blank()
        (x, y), w, h = centre, width / 2, height / 2
        draw.ellipse([v * SCALE for v in (x - w, y - h, x + w, y + h)], fill=255)
        return mask

    def tube(self, start: Point, bend: Point, end: Point, first: float, last: float) -> Image.Image:
        """A limb: a quadratic curve with round ends whose thickness goes from `first` to `last`."""
        mask, draw = self.blank()
        for step in range(161):
            t = step / 160
            x, y = (
                (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c for a, b, c in zip(start, bend, end, strict=True)
            )
            r = (first + (last - first) * t) / 2
            draw.ellipse([v * SCALE for v in (x - r, y - r, x + r, y + r)], fill=255)
        return mask

    def blob(self, points: Sequence[Point], softness: float) -> Image.Image:
        """A polygon whose corners are rounded by about `softness` pixels."""
        mask, draw = self.blank()
        draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=255)
        soft = mask.filter(ImageFilter.GaussianBlur(softness * SCALE * 0.6))
        return soft.point(lambda v: max(0, min(255, (v - 118) * 12)))

    def paint(self, mask: Image.Image, top: str, bottom: str, depth: float = 14) -> None:
        """Fill a shape: a gradient over its own height, light from the upper left, shade at the lower right."""
        area = mask.getbbox()
        if area is None:
            return
        margin = int(depth * SCALE) * 2
        area = (area[0] - margin, area[1] - margin, area[2] + margin, area[3] + margin)
        shape = mask.crop(area)
        body = _gradient(shape.size, top, bottom)
        soft = shape.filter(ImageFilter.GaussianBlur(depth * SCALE * 0.5))
        shift = round(depth * SCALE * 0.35)
        shade = ImageChops.subtract(shape, ImageChops.offset(soft, -shift, -shift))
        light = ImageChops.subtract(shape, ImageChops.offset(soft, shift, shift))
        body.paste(ImageColor.getrgb("#2a1238"), (0, 0), shade.point(lambda v: int(v * 0.34)))
        body.paste((255, 255, 255), (0, 0), light.point(lambda v: int(v * 0.46)))
        self.picture.paste(body, area[:2], shape)

    def glow(self, mask: Image.Image, colour: str, radius: float, strength: float) -> None:
        """Let a shape shine beyond its edge."""
        halo = mask.filter(ImageFilter.GaussianBlur(radius * SCALE)).point(lambda v: int(v * strength))
        self.picture.paste(ImageColor.getrgb(colour), (0, 0), halo)

    def finish(self) -> Image.Image:
        """The picture at its final size."""
        return self.picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _gradient(size: tuple[int, int], top: str, bottom: str) -> Image.Image:
    ramp = np.linspace(0, 1, size[1], dtype=np.float32)[:, None]
    colours = np.array(ImageColor.getrgb(top)) * (1 - ramp) + np.array(ImageColor.getrgb(bottom)) * ramp
    column = Image.fromarray(colours.round().astype(np.uint8)[:, None, :])
    return column.resize(size, Image.Resampling.NEAREST)


def draw_character() -> Image.Image:
    """A small friendly robot in a coral coat, front view, arms a little away from the body."""
    c = Canvas("#e6edf9", "#c3d1ec")
    mid = WIDTH / 2

    for side in (-1, 1):  # legs and boots
        c.paint(c.tube((mid + side * 40, 640), (mid + side * 44, 740), (mid + side * 46, 850), 56, 48), NAVY, NAVY_DEEP)
        c.paint(c.box((mid + side * 46, 836), 66, 52, 20), TEAL, TEAL_DEEP)
        c.paint(c.box((mid + side * 54, 879), 96, 58, 28), TEAL, TEAL_DEEP)
        c.paint(c.box((mid + side * 54, 903), 104, 18, 9), CREAM, CREAM_DEEP, 6)
    for side in (-1, 1):  # arms, cuffs, gloves
        hand = (mid + side * 182, 606)
        c.paint(
            c.tube((mid + side * 66, 446), (mid + side * 146, 500), (mid + side * 170, 580), 62, 46), CORAL, CORAL_DEEP
        )
        c.paint(c.oval(hand, 66, 68), CREAM, CREAM_DEEP)
        c.paint(
            c.tube((hand[0] - side * 26, 596), (hand[0] - side * 34, 604), (hand[0] - side * 32, 618), 24, 20),
            CREAM,
            CREAM_DEEP,
            6,
        )
        c.paint(
            c.tube((hand[0] - 24, 582 + side * 5), (hand[0], 575), (hand[0] + 24, 582 - side * 5), 20, 20),
            NAVY,
            NAVY_DEEP,
            6,
        )

    coat = [
        (mid - 74, 404),
        (mid + 74, 404),
        (mid + 92, 470),
        (mid + 98, 580),
        (mid + 116, 694),
        (mid - 116, 694),
        (mid - 98, 580),
        (mid - 92, 470),
    ]
    c.paint(c.blob(coat, 22), CORAL, CORAL_DEEP, 20)
    c.paint(c.box((mid, 672), 206, 15, 7), SUN, SUN_DEEP, 4)
    c.paint(c.box((mid, 556), 7, 214, 3), CREAM, CREAM_DEEP, 3)
    for y in (516, 566, 616):
        c.paint(c.oval((mid + 20, y), 17, 17), SUN, SUN_DEEP, 4)
    for side in (-1, 1):
        c.paint(c.box((mid + side * 62, 614), 52, 11, 5), CORAL_DEEP, "#c23d20", 3)
    c.paint(c.oval((mid - 48, 508), 34, 34), CREAM, CREAM_DEEP, 5)
    c.paint(c.oval((mid - 48, 508), 18, 18), TEAL, TEAL_DEEP, 4)

    c.paint(c.tube((mid + 44, 424), (mid + 62, 470), (mid + 50, 540), 44, 34), TEAL, TEAL_DEEP)  # scarf, its tail first
    c.paint(c.box((mid, 412), 176, 50, 25), TEAL, TEAL_DEEP)

    c.paint(c.box((mid, 196), 9, 62, 4), NAVY, NAVY_DEEP, 4)  # antenna
    c.paint(c.oval((mid, 160), 36, 36), SUN, SUN_DEEP, 10)
    for side in (-1, 1):
        c.paint(c.oval((mid + side * 104, 306), 46, 66), CORAL, CORAL_DEEP)
    c.paint(c.box((mid, 304), 208, 180, 76), CREAM, CREAM_DEEP, 22)
    c.paint(c.box((mid, 312), 158, 106, 48), NAVY, NAVY_DEEP, 12)
    eyes = ImageChops.lighter(c.oval((mid - 36, 304), 26, 40), c.oval((mid + 36, 304), 26, 40))
    c.glow(eyes, GLOW, 8, 0.55)
    c.paint(eyes, "#d8fdff", GLOW, 3)
    smile, pen = c.blank()
    pen.arc([v * SCALE for v in (mid - 17, 318, mid + 17, 345)], 25, 155, fill=255, width=5 * SCALE)
    c.glow(smile, GLOW, 4, 0.6)
    c.paint(smile, GLOW, GLOW, 1)
    c.glow(c.tube((mid - 58, 276), (mid - 40, 266), (mid - 10, 266), 7, 5), "#ffffff", 2, 0.5)  # a reflex on the visor
    return c.finish()


# ---- the mover

SIZE, FPS, FRAMES, OVER = (288, 512), 16, 81, 3
BODY = 286.0  # height of the figure in pixels
GROUND = 440.0
ENCODING = {"preset": "veryslow", "crf": "20", "x264-params": "cpu-independent=1"}  # else bytes differ by processor

# One row a beat (half a second): hip x and drop, lean and head tilt in degrees, feet x, both feet up, and for each arm
# the angles of upper arm and forearm in degrees from hanging down, outwards positive. Lengths in body heights.
BEATS = np.array(
    [
        # hip x  drop  lean  head  footL   footR   up    armL        armR
        [0.00, 0.015, 0, 0, -0.07, 0.07, 0.00, 28, 18, 28, 18],
        [-0.12, 0.050, -7, 6, -0.24, 0.00, 0.00, 150, 165, 55, 20],
        [-0.14, 0.020, 5, -6, -0.21, -0.07, 0.00, 60, 120, 70, 130],
        [0.12, 0.055, 8, -6, 0.01, 0.25, 0.00, 50, 20, 150, 165],
        [0.14, 0.020, -5, 6, 0.07, 0.21, 0.00, 80, 80, 80, 80],
        [0.02, 0.150, 2, 0, -0.09, 0.12, 0.00, 35, 10, 35, 10],
        [0.00, 0.000, 0, 0, -0.11, 0.11, 0.13, 150, 170, 150, 170],
        [-0.02, 0.110, 0, 0, -0.13, 0.10, 0.00, 75, 50, 75, 50],
        [0.07, 0.040, -15, -8, -0.13, 0.12, 0.00, 40, 70, 140, 120],
        [-0.07, 0.040, 15, 8, -0.12, 0.12, 0.00, 140, 120, 40, 70],
        [0.00, 0.015, 0, 0, -0.07, 0.07, 0.00, 28, 18, 28, 18],
    ],
    dtype=np.float64,
)

# fmt: off
LIMBS = [
    "#ff4d4d", "#ff9a3d", "#ffd23d", "#b6e33d", "#4ddc6a", "#3ddcb0",
    "#3dc3ff", "#4d7dff", "#8a5cff", "#d65cff", "#ff5cb8", "#ff5c86",
]
# fmt: on


def _pose(time: float) -> np.ndarray:
    """The row of `BEATS` at a time in beats: Catmull-Rom, so the dance flows through each beat and closes its loop."""
    last = len(BEATS) - 1
    at = min(int(time), last - 1)
    t = time - at
    p0, p1, p2, p3 = (
        BEATS[(at - 1) % last],
        BEATS[at],
        BEATS[at + 1],
        BEATS[(at + 2) % last if at + 2 > last else at + 2],
    )
    curve: np.ndarray = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return curve


def _knee(hip: Point, foot: Point, bone: float, outwards: int) -> Point:
    dx, dy = foot[0] - hip[0], foot[1] - hip[1]
    reach = min(math.hypot(dx, dy), 2 * bone - 1e-6)
    bow = math.sqrt(bone**2 - (reach / 2) ** 2) * 0.45
    length = math.hypot(dx, dy)
    return (hip[0] + dx / 2 - outwards * dy / length * bow, hip[1] + dy / 2 + outwards * dx / length * bow)


def _joints(time: float) -> list[tuple[Point, Point]]:
    """The figure's twelve limbs in pixels, at a time in beats."""
    hip_x, drop, lean, head, left, right, up, *arms = _pose(time)
    speed = (_pose(min(time + 0.05, len(BEATS) - 1)) - _pose(max(time - 0.05, 0)))[4:6] / 0.1
    feet = [(x, max(up, 0) + 0.05 * min(abs(v) / 0.25, 1)) for x, v in zip((left, right), speed, strict=True)]
    hip = (hip_x, 0.485 - drop + max(up, 0))
    tilt = math.radians(lean)
    neck = (hip[0] + 0.33 * math.sin(tilt), hip[1] + 0.33 * math.cos(tilt))
    nod = tilt + math.radians(head)
    crown = (neck[0] + 0.11 * math.sin(nod), neck[1] + 0.11 * math.cos(nod))
    limbs: list[tuple[Point, Point]] = [(hip, neck), (neck, crown)]
    for side, (upper, fore) in zip((-1, 1), (arms[:2], arms[2:]), strict=True):
        shoulder = (neck[0] + side * 0.10 * math.cos(tilt), neck[1] - 0.02 - side * 0.10 * math.sin(tilt))
        elbow = _along(shoulder, side, upper + side * -lean * 0.5, 0.155)
        limbs += [(neck, shoulder), (shoulder, elbow), (elbow, _along(elbow, side, fore, 0.15))]
    for side, foot in zip((-1, 1), feet, strict=True):
        socket = (hip[0] + side * 0.055, hip[1])
        knee = _knee(socket, foot, 0.255, side)
        limbs += [(socket, knee), (knee, foot)]
    return [(_pixel(a), _pixel(b)) for a, b in limbs]


def _along(start: Point, side: int, degrees: float, length: float) -> Point:
    angle = math.radians(degrees)
    return (start[0] + side * length * math.sin(angle), start[1] - length * math.cos(angle))


def _pixel(point: Point) -> Point:
    return (SIZE[0] / 2 + point[0] * BODY, GROUND - point[1] * BODY)


def draw_motion() -> Iterator[Image.Image]:
    """The dance, frame by frame: sway, steps to both sides, crouch, jump, two leans."""
    for index in range(FRAMES):
        picture = Image.new("RGB", (SIZE[0] * OVER, SIZE[1] * OVER), "#12141c")
        draw = ImageDraw.Draw(picture)
        limbs = _joints(index / FPS * 2)
        for (start, end), colour in zip(limbs, LIMBS, strict=True):
            draw.line([(x * OVER, y * OVER) for x, y in (start, end)], fill=colour, width=11 * OVER)
            for x, y in (start, end):
                draw.ellipse([v * OVER for v in (x - 5.5, y - 5.5, x + 5.5, y + 5.5)], fill=colour)
        x, y = limbs[1][1]
        draw.ellipse([v * OVER for v in (x - 21, y - 24, x + 21, y + 18)], fill=LIMBS[1])
        for joint in {point for limb in limbs for point in limb} - {limbs[1][1]}:
            draw.ellipse([v * OVER for v in (joint[0] - 3, joint[1] - 3, joint[0] + 3, joint[1] + 3)], fill="#ffffff")
        yield picture.resize(SIZE, Image.Resampling.LANCZOS)


def write_video(frames: Iterator[Image.Image], target: Path) -> None:
    """The frames as H.264, index first; one thread, so that the same frames give the same file."""
    with av.open(str(target), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options=ENCODING)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.thread_count = 1
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode())


def main() -> None:
    """Draw both files."""
    parser = argparse.ArgumentParser(description="Draws the demo's character and motion video.")
    parser.add_argument("--into", type=Path, default=INPUTS, help="folder (default: batches/inputs)")
    into: Path = parser.parse_args().into
    into.mkdir(parents=True, exist_ok=True)
    draw_character().save(into / "character.png", optimize=True)
    write_video(draw_motion(), into / "motion.mp4")


if __name__ == "__main__":
    main()
