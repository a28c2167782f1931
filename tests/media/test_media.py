"""What is seen in images and videos."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from videogen.contact_sheet import contact_sheet
from videogen.flaw import Flaw
from videogen.media import Expected, UnreadableMedia, look, probe

Frames = list[npt.NDArray[np.uint8]]
FADE = np.tile(np.linspace(0, 255, 128, dtype=np.uint8)[None, :, None], (96, 1, 3))


def _encoded(path: Path, frames: Frames, fps: int = 16, flags: str = "") -> Path:
    with av.open(path, "w", options={"movflags": flags} if flags else {}) as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "28"})
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def _moving(count: int, size: int = 4) -> Frames:
    frames = []
    for step in range(count):
        frame = FADE.copy()
        frame[40 : 40 + size, 8 + step : 8 + step + size] = 255
        frames.append(frame)
    return frames


def said(flaws: Sequence[Flaw]) -> list[str]:
    """Their messages, all of which say that the video is broken."""
    assert {flaw.severity for flaw in flaws} <= {"broken"}
    return [flaw.message for flaw in flaws]


def test_a_good_video_has_no_findings(tmp_path: Path) -> None:
    """Four pixels that move are motion enough; size, frames and rate are as they should be."""
    path = _encoded(tmp_path / "v.mp4", _moving(9))

    assert look(path, Expected(128, 96, 9, 16)).flaws == ()
    assert look(path).flaws == ()
    seen = probe(path, "video")
    assert (seen.width, seen.height, seen.frames, seen.fps) == (128, 96, 9, 16.0)
    assert seen.duration == pytest.approx(9 / 16, abs=0.05)


def test_every_wrong_number_is_a_finding(tmp_path: Path) -> None:
    """Size, frames and rate are all told at once, each with what it should be."""
    path = _encoded(tmp_path / "v.mp4", _moving(9))

    assert said(look(path, Expected(64, 96, 33, 24)).flaws) == [
        "is 128x96, should be 64x96",
        "has 9 frames, should have 33",
        "plays at 16 fps, should at 24",
    ]


@pytest.mark.parametrize(
    ("frames", "finding"),
    [
        ([np.zeros((96, 128, 3), np.uint8)] * 6, "is black in 6 of 6 frames"),
        ([np.full((96, 128, 3), 90, np.uint8)] * 6, "shows one colour in 6 of 6 frames"),
        ([FADE] * 6, "is frozen: no frame differs from the first"),
        ([*_moving(2), *[np.zeros((96, 128, 3), np.uint8)] * 4], "is black in 4 of 6 frames"),
    ],
)
def test_an_empty_video_is_seen(tmp_path: Path, frames: Frames, finding: str) -> None:
    """Black, plain and frozen videos are told apart."""
    assert said(look(_encoded(tmp_path / "v.mp4", frames)).flaws) == [finding]


def test_a_truncated_video_is_seen(tmp_path: Path) -> None:
    """A file of which the end is missing does not pass, wherever its index lies."""
    (tmp_path / "empty.mp4").write_bytes(b"")
    for flags in ("", "faststart"):
        whole = _encoded(tmp_path / "v.mp4", _moving(33, 40), flags=flags).read_bytes()
        (tmp_path / f"cut{flags}.mp4").write_bytes(whole[: len(whole) * 3 // 4])

    assert said(look(tmp_path / "cut.mp4").flaws)[0].startswith("does not decode: ")
    assert look(tmp_path / "cutfaststart.mp4").flaws
    assert look(tmp_path / "empty.mp4").flaws
    assert said(look(tmp_path / "absent.mp4").flaws) == ["does not decode: No such file or directory"]


def test_an_input_must_be_what_it_is_called(tmp_path: Path) -> None:
    """An image is no video, a text is neither, and the error does not repeat the path."""
    picture, text = tmp_path / "p.png", tmp_path / "t.txt"
    Image.fromarray(FADE).save(picture)
    text.write_text("hello")

    assert probe(picture, "image").width == 128
    for path, kind in ((picture, "video"), (text, "video"), (text, "image"), (tmp_path / "no.png", "image")):
        with pytest.raises(UnreadableMedia) as caught:
            probe(path, kind)  # type: ignore[arg-type]  # the words of the table
        assert str(tmp_path) not in caught.value.message


def test_half_an_image_is_no_image(tmp_path: Path) -> None:
    """An image is decoded whole, since ComfyUI would do it too."""
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "p.png")
    data = (tmp_path / "p.png").read_bytes()
    (tmp_path / "half.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableMedia, match="not an image that can be read"):
        probe(tmp_path / "half.png", "image")


def test_expectations_come_from_a_jobs_parameters() -> None:
    """Numbers under the usual names are expected, everything else is not."""
    assert Expected.of({"width": 320, "length": 49, "fps": 16.0, "height": "tall", "seed": 1}) == Expected(
        320, None, 49, 16.0
    )


def test_a_contact_sheet_shows_a_row_a_video(tmp_path: Path) -> None:
    """Five moments a row, tall and broken videos too; labels in Japanese do not stop it."""
    wide = _encoded(tmp_path / "wide.mp4", _moving(9, 30))
    tall = _encoded(tmp_path / "tall.mp4", [np.rot90(frame).copy() for frame in _moving(9, 30)])
    entries = [("seed 1", wide), ("歩く人", tall), ("lost", tmp_path / "absent.mp4")]
    contact_sheet(entries, tmp_path / "sheets" / "sheet.png", "walk")

    with Image.open(tmp_path / "sheets" / "sheet.png") as sheet:
        one_row = sheet.height
        assert sheet.width > 5 * 200
    contact_sheet(entries[:1], tmp_path / "one.png", "w" * 500)
    with Image.open(tmp_path / "one.png") as sheet:
        assert sheet.height < one_row


def test_labels_without_a_font_are_told_apart(tmp_path: Path) -> None:
    """Where no font shows a label whole, the video's name says which one it is."""

    def sheet(label: str, name: str) -> bytes:
        contact_sheet([(label, tmp_path / name)], tmp_path / "sheet.png", "walk")
        return (tmp_path / "sheet.png").read_bytes()

    assert sheet("seed 1", "a.mp4") == sheet("seed 1", "b.mp4")
    for label in ("seed \U0010fffd", "\U0010fffd"):
        assert sheet(label, "a.mp4") != sheet(label, "b.mp4")
