"""The lines burnt into a stand-in's video, so that nobody takes it for a model's work."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image, ImageDraw

from videogen import font
from videogen.standin.media import Reals


def caption(prompt: str, seed: int, width: int, height: int) -> tuple[Reals, Reals]:
    """The bottom strip of the frame: its colours (rows × columns × 3) and how much they cover (rows × columns × 1)."""
    size = max(8, min(round(height * 0.021), round(width * 0.036), 22))
    margin = max(2, round(size * 0.9))
    plain = font.own(size)  # as long as it shows the prompt, pixels are the same on every machine
    mark = f"prompt of {len(prompt)} characters · {hashlib.sha256(prompt.encode()).hexdigest()[:8]}"
    words, face = font.shown(prompt[:400], size, mark)
    room = width - 2 * margin
    strip = min(height, margin * 2 + round(size * 2.7))

    picture = Image.new("L", (width, strip))
    draw = ImageDraw.Draw(picture)
    top = strip - margin - round(size * 2.5)
    said = font.clipped(f"STAND-IN  no model was run · seed {seed}", plain, room)
    draw.text((margin, top), said, font=plain, fill=255)
    draw.text((margin, top + round(size * 1.35)), font.clipped(words, face, room), font=face, fill=200)
    ink = np.asarray(picture, np.float32)[..., None] / 255
    shade = 0.62 * np.linspace(0, 1, strip, dtype=np.float32)[:, None, None] ** 0.7
    cover = 1 - (1 - ink) * (1 - shade)
    paper = np.array([14, 16, 26], np.float32)
    colours = (255 * ink + paper * (1 - ink) * shade) / np.maximum(cover, 1e-6)
    return colours.astype(np.float32), np.broadcast_to(cover, (strip, width, 1)).astype(np.float32)
