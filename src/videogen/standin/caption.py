"""The lines burnt into a stand-in's video, so that nobody takes it for a model's work."""

from __future__ import annotations

import hashlib
from itertools import groupby

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from videogen.standin.media import Reals


def caption(prompt: str, seed: int, width: int, height: int) -> tuple[Reals, Reals]:
    """The bottom strip of the frame: its colours (rows × columns × 3) and how much they cover (rows × columns × 1)."""
    size = max(8, min(round(height * 0.021), round(width * 0.036), 22))
    margin = max(2, round(size * 0.9))
    font = ImageFont.load_default(size=size)  # comes with Pillow; a system font would make pixels differ by machine
    lines = (f"STAND-IN  no model was run · seed {seed}", _drawable(prompt, font))
    first, second = (_clip(line, font, width - 2 * margin) for line in lines)
    strip = min(height, margin * 2 + round(size * 2.7))

    picture = Image.new("L", (width, strip))
    draw = ImageDraw.Draw(picture)
    top = strip - margin - round(size * 2.5)
    draw.text((margin, top), first, font=font, fill=255)
    draw.text((margin, top + round(size * 1.35)), second, font=font, fill=200)
    ink = np.asarray(picture, np.float32)[..., None] / 255
    shade = 0.62 * np.linspace(0, 1, strip, dtype=np.float32)[:, None, None] ** 0.7
    cover = 1 - (1 - ink) * (1 - shade)
    paper = np.array([14, 16, 26], np.float32)
    colours = (255 * ink + paper * (1 - ink) * shade) / np.maximum(cover, 1e-6)
    return colours.astype(np.float32), np.broadcast_to(cover, (strip, width, 1)).astype(np.float32)


def _drawable(prompt: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The prompt in one line; a script that the font lacks becomes "…", a prompt wholly in it a short fingerprint."""
    absent = bytes(font.getmask("\U0010fffe"))
    text = " ".join(prompt.split())
    runs = groupby(text, lambda c: c == " " or bytes(font.getmask(c)) != absent)
    line = "".join("".join(run) if known else "…" for known, run in runs)
    if text and not any(c.isalnum() for c in line):
        return f"prompt of {len(text)} characters · {hashlib.sha256(prompt.encode()).hexdigest()[:8]}"
    return line


def _clip(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    text = text[:400]
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"
