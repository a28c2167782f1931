"""What is wrong with a video's pictures: flicker, held frames, cuts, jumps and flashes, each beside a good video."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from videogen import project
from videogen.frame_series import SIDE, FrameSeries
from videogen.media import Expected, look
from videogen.standin.render import Scene, render
from videogen.video_flaws import flaws

Pixels = npt.NDArray[np.uint8]
INPUTS = project.root() / "batches" / "inputs"


@pytest.fixture(scope="module")
def dance(tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    """A render of the stand-in, 40 frames: a character that dances before a slow light, with grain."""
    path = tmp_path_factory.mktemp("dance") / "dance.mp4"
    render(Scene(INPUTS / "character.png", INPUTS / "motion.mp4", "a dance", 7, 96, 160, 40, 16), path)
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)]


def found(frames: list[Pixels], fps: float = 16) -> list[tuple[str, float | None]]:
    """Kind and second of each flaw."""
    series = FrameSeries()
    for pixels in frames:
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        small = frame.reformat(SIDE, SIDE, "rgb24").to_ndarray()
        series.take(frame.to_ndarray(format="gray").astype(np.uint8), small.astype(np.uint8))
    seen = flaws(series, fps)
    assert all(flaw.severity == "suspicious" for flaw in seen)
    return [(flaw.kind, flaw.at) for flaw in seen]


def lighter(frame: Pixels, by: tuple[int, int, int]) -> Pixels:
    """The frame with that much more of red, green and blue."""
    return np.clip(frame.astype(int) + by, 0, 255).astype(np.uint8)


def test_a_good_video_has_no_flaw(dance: list[Pixels]) -> None:
    """A dance passes, at any speed."""
    assert found(dance) == []
    assert found(dance[::2], 8) == []
    assert found(dance[::-1]) == []


@pytest.mark.parametrize("colour", [(3, 3, 3), (4, 0, -4)], ids=["brightness", "colour"])
@pytest.mark.parametrize("period", [2, 4])
def test_flicker_is_seen(dance: list[Pixels], colour: tuple[int, int, int], period: int) -> None:
    """Three of 255 up and down are flicker, from frame to frame and every other one, of brightness or of colour."""
    red, green, blue = colour
    strobed = [
        lighter(frame, colour if i * 2 // period % 2 else (-red, -green, -blue)) for i, frame in enumerate(dance)
    ]

    assert [kind for kind, _ in found(strobed)] == ["flicker"]


def test_a_slow_change_of_light_is_no_flicker(dance: list[Pixels]) -> None:
    """A lamp that goes down and up within two seconds is light, not flicker."""
    dimmed = [lighter(f, (round(30 * np.cos(i / 5)),) * 3) for i, f in enumerate(dance)]

    assert found(dimmed) == []


def test_held_frames_are_seen(dance: list[Pixels]) -> None:
    """Half a second without motion is told with its second; a few frames alike, as in drawn films, are not."""
    assert found([*dance[:16], *[dance[16]] * 4, *dance[16:]], 8) == []
    assert found([*dance[:16], *[dance[16]] * 12, *dance[16:]]) == [("held", 1.0)]
    assert found([frame for frame in dance for _ in range(2)], 32) == []
    assert found([*dance[:16], *[dance[16]] * 12, *dance[16:]], 60) == []


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda frames: [*frames[:20], *[np.roll(f[::-1], 40, axis=0) for f in frames[20:]]], "cut"),
        (lambda frames: [*frames[:20], *[lighter(f, (-24, -24, -24)) for f in frames[20:]]], "jump"),
        (lambda frames: [*frames[:20], lighter(frames[20], (60, 60, 60)), *frames[21:]], "flash"),
        (lambda frames: [*frames[:20], *[f[::-1] for f in frames[20:23]], *frames[23:]], "flash"),
    ],
    ids=["cut", "jump", "flash", "flash of three"],
)
def test_a_sudden_change_is_seen(dance: list[Pixels], spoil: Callable[[list[Pixels]], list[Pixels]], kind: str) -> None:
    """Another picture, another light and a picture that comes and goes are told apart, each at its second."""
    assert found(spoil(dance)) == [(kind, 1.25)]


def test_a_still_picture_has_one_flaw(dance: list[Pixels]) -> None:
    """What is frozen from end to end is broken; that it is held as well is not said."""
    series = FrameSeries()
    for _ in range(20):
        series.take(dance[0][..., 0], dance[0][:SIDE, :SIDE])

    assert [(flaw.kind, flaw.severity) for flaw in flaws(series, 16)] == [("frozen", "broken")]


def test_a_slow_light_is_not_frozen(tmp_path: Path) -> None:
    """A scene without a figure moves by less than compression noise a pixel, and is a good video."""
    path = tmp_path / "dusk.mp4"
    render(Scene(None, None, "waves break on black rocks at dawn, slow camera", 7, 320, 576, 33, 16), path)

    assert look(path).flaws == ()


def encoded(path: Path, frames: list[Pixels], times: list[int] | None = None) -> Path:
    """The frames as a video of 16 a second, at those times where they are given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=16, options={"crf": "20", "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = times[i] if times else i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_hole_in_time_is_seen(dance: list[Pixels], tmp_path: Path) -> None:
    """Frames whose times leave a hole last longer than their number says."""
    regular = encoded(tmp_path / "regular.mp4", dance)
    hole = encoded(tmp_path / "hole.mp4", dance, [i + (16 if i > 19 else 0) for i in range(len(dance))])

    assert look(regular, Expected(96, 160, 40, 16)).flaws == ()
    assert "duration" in [flaw.kind for flaw in look(hole).flaws]


def test_a_look_keeps_its_numbers(dance: list[Pixels], tmp_path: Path) -> None:
    """How far a good video is from the thresholds is told as well."""
    seen = look(encoded(tmp_path / "v.mp4", dance))

    assert seen.flaws == ()
    assert 0 <= seen.measures["flicker_levels"] < 2
    assert 0 < seen.measures["mean_change"] < seen.measures["largest_step"]
    assert look(tmp_path / "absent.mp4").measures == {}


def test_memory_does_not_grow_with_length(dance: list[Pixels], tmp_path: Path) -> None:
    """Two hundred frames, 3 MB of brightness alone, are looked at with less than 1 MB."""
    path = encoded(tmp_path / "long.mp4", dance * 5)
    look(path)
    tracemalloc.start()
    try:
        look(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert 96 * 160 * 200 > 3e6
    assert peak < 1e6
