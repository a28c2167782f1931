"""Fonts that show what people write.

Pillow's own looks alike on every machine; it lacks Japanese, among others. Words that need more get a font that this
machine has, and where it has none no letter becomes a box.
"""

from functools import cache
from itertools import groupby

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_WIDE = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKjp-Regular.otf",
    "NotoSansJP-Regular.otf",
    "ipagp.ttf",
    "ipag.ttf",
    "TakaoPGothic.ttf",
    "VL-PGothic-Regular.ttf",
    "DroidSansFallbackFull.ttf",
    "ヒラギノ角ゴシック W3.ttc",
    "Arial Unicode.ttf",
)
"""Files with Japanese letters as Linux and macOS name them; Pillow looks for them where the system keeps fonts."""


def own(size: int) -> Font:
    """Pillow's own font, for words of this program; `size` in pixels."""
    return ImageFont.load_default(size)


def shown(text: str, size: int, otherwise: str) -> tuple[str, Font]:
    """The text in one line and a font that shows it; letters that no font here has become "…".

    When no letter or digit is left of it, `otherwise` is shown instead.
    """
    line = " ".join(text.split())
    face = own(size)
    lacking = _lacking(line, face)
    for path in _machine_fonts() if lacking else ():
        other = ImageFont.truetype(path, size)
        if len(less := _lacking(line, other)) < len(lacking):
            face, lacking = other, less
    runs = groupby(line, lambda letter: letter in lacking)
    words = "".join("…" if absent else "".join(run) for absent, run in runs)
    if line and not any(letter.isalnum() for letter in words):
        return otherwise, own(size)
    return words, face


def clipped(text: str, font: Font, room: float) -> str:
    """As much of the text as `room` pixels hold."""
    text = text[:400]
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"


def _lacking(line: str, font: Font) -> set[str]:
    """Letters that the font does not have: it draws the same sign for each of them."""
    absent = bytes(font.getmask("\U0010fffe"))  # no letter, and never will be one
    return {letter for letter in line if letter != " " and bytes(font.getmask(letter)) == absent}


@cache
def _machine_fonts() -> tuple[str, ...]:
    found = []
    for name in _WIDE:
        try:
            found.append(str(ImageFont.truetype(name).path))
        except OSError:
            continue
    return tuple(found)
