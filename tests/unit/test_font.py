"""Words are shown, or said in another way; never as boxes."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import ImageFont

from videogen import font

SHOW = "import sys; from videogen import font; print(font.shown(sys.argv[1], 16, 'job-1')[0])"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a walk,\n seed 7", "a walk, seed 7"),
        ("prompt 夜の街を歩く人, seed 7", "prompt …, seed 7"),
        ("夜の街を歩く人", "job-1"),
        ("", ""),
    ],
)
def test_without_fonts_nothing_is_a_box(tmp_path: Path, text: str, shown: str) -> None:
    """On a machine without any font Pillow's own shows what it can; of the rest stays a "…" or another word."""
    none = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_DATA_DIRS": str(tmp_path)}
    command = [sys.executable, "-X", "utf8", "-c", SHOW, text]
    said = subprocess.run(command, env=none, timeout=30, capture_output=True, text=True, check=True)

    assert said.stdout == shown + "\n"


def test_a_font_of_the_machine_shows_japanese() -> None:
    """Where a font with the letters is installed the whole text stays, and what no font has is still no box."""
    text, face = font.shown("夜の街を歩く人, seed 7", 16, "job-1")
    if "夜" not in text:
        pytest.skip("no font with Japanese letters here")
    mixed, _ = font.shown("夜の街 \U0010fffd", 16, "job-1")

    assert text == "夜の街を歩く人, seed 7"
    assert isinstance(face, ImageFont.FreeTypeFont)
    assert bytes(face.getmask("夜")) != bytes(face.getmask("街"))
    assert mixed == "夜の街 …"


def test_plain_words_look_alike_everywhere() -> None:
    """What Pillow's own font shows is drawn with it, whatever the machine has."""
    _, face = font.shown("a walk", 16, "job-1")

    assert bytes(face.getmask("walk")) == bytes(font.own(16).getmask("walk"))


def test_long_words_are_cut_to_their_room() -> None:
    """A text is as wide as it may be and ends in "…" when it is cut."""
    face = font.own(16)
    cut = font.clipped("w" * 900, face, 100)

    assert cut.endswith("w…")
    assert 80 < face.getlength(cut) <= 100
    assert font.clipped("short", face, 100) == "short"
