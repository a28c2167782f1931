"""What the stand-in's renderer promises, read back from the videos it wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from videogen.standin.motion import read_motion
from videogen.standin.render import Scene, UnreadableMedia, render, render_frames

INPUTS = Path(__file__).resolve().parents[3] / "batches" / "inputs"
CORAL = np.array([244, 96, 60])  # the character's coat

Pixels = npt.NDArray[np.uint8]


@pytest.fixture
def scene() -> Scene:
    return Scene(
        image=INPUTS / "character.png",
        motion=INPUTS / "motion.mp4",
        prompt="a small robot dances in the morning light",
        seed=7,
        width=160,
        height=288,
        length=17,
        fps=16,
    )


@pytest.fixture
def rendered(tmp_path: Path) -> Callable[[Scene], Pixels]:
    """Render to a file and decode it again."""

    def rendered(scene: Scene) -> Pixels:
        render(scene, tmp_path / "video.mp4")
        with av.open(str(tmp_path / "video.mp4")) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])

    return rendered


def coat(frames: Pixels) -> npt.NDArray[np.bool_]:
    """Where the character's main colour is."""
    near: npt.NDArray[np.bool_] = np.abs(frames.astype(int) - CORAL).max(axis=-1) < 60
    return near


def coat_x(frames: Pixels) -> npt.NDArray[np.float64]:
    return np.array([np.nonzero(frame)[1].mean() for frame in coat(frames)])


def mover_x(length: int) -> npt.NDArray[np.float64]:
    """The middle of the bright pixels of the motion video, found without the code under test."""
    with av.open(str(INPUTS / "motion.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24").max(axis=-1) > 80 for frame in container.decode(video=0)]
    return np.array([np.nonzero(frame)[1].mean() for frame in frames[:length]])


@pytest.mark.parametrize(
    ("width", "height", "length", "fps"), [(160, 288, 17, 16), (288, 160, 5, 24), (96, 96, 1, 12.5)]
)
def test_video_is_what_was_ordered(
    scene: Scene, tmp_path: Path, width: int, height: int, length: int, fps: float
) -> None:
    """Codec, pixel format, size, rate and number of frames are exactly those of the scene."""
    target = tmp_path / "video.mp4"

    render(replace(scene, width=width, height=height, length=length, fps=fps), target)

    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (width, height) == (stream.width, stream.height)
        assert Fraction(fps) == stream.average_rate
        assert length == sum(1 for _ in container.decode(video=0))


def test_index_comes_first(scene: Scene, tmp_path: Path) -> None:
    """A browser can play the video while it loads: moov stands before mdat."""
    render(scene, tmp_path / "video.mp4")

    data = (tmp_path / "video.mp4").read_bytes()
    assert -1 < data.find(b"moov") < data.find(b"mdat")


def test_metadata_goes_into_the_container(scene: Scene, tmp_path: Path) -> None:
    """The graph can be read back from the file, as from a file of ComfyUI's."""
    render(scene, tmp_path / "video.mp4", metadata={"prompt": '{"3": "踊る"}'})

    with av.open(str(tmp_path / "video.mp4")) as container:
        assert container.metadata["prompt"] == '{"3": "踊る"}'


def test_progress_counts_every_frame(scene: Scene, tmp_path: Path) -> None:
    """Progress is told after each frame and ends with all of them."""
    told: list[tuple[int, int]] = []

    render(scene, tmp_path / "video.mp4", progress=lambda done, length: told.append((done, length)))

    assert [(done, 17) for done in range(1, 18)] == told


def test_character_goes_where_the_mover_goes(scene: Scene, rendered: Callable[[Scene], Pixels]) -> None:
    """The coat's place follows the mover's sideways over the whole dance."""
    frames = rendered(replace(scene, length=81))

    correlation = np.corrcoef(coat_x(frames), mover_x(81))[0, 1]
    assert correlation > 0.8
    assert np.ptp(coat_x(frames)) > 0.08 * scene.width


def test_character_jumps_and_crouches_with_the_mover(scene: Scene) -> None:
    """Its boots leave the ground in the jump, and its head goes down in the crouch before."""
    frames = np.stack(list(render_frames(replace(scene, length=60))))
    tops = np.array([np.nonzero(frame)[0].min() for frame in coat(frames)])

    assert tops[48] < tops[0] - 0.04 * scene.height
    assert tops[41] > tops[0] + 0.03 * scene.height


def test_character_is_in_every_frame(scene: Scene, rendered: Callable[[Scene], Pixels]) -> None:
    """Its coat covers a fair part of each frame, in about the same amount."""
    share = coat(rendered(replace(scene, length=81))).mean(axis=(1, 2))

    assert share.min() > 0.05
    assert share.max() < 2 * share.min()


def test_no_ghost_stays_where_the_character_stood(scene: Scene) -> None:
    """Coat-coloured pixels are one moving patch: none stays coloured in all frames at the dance's far ends."""
    frames = np.stack(list(render_frames(replace(scene, length=81))))
    left, right = int(np.argmin(coat_x(frames))), int(np.argmax(coat_x(frames)))
    columns = [np.nonzero(coat(frames[i : i + 1])[0][120:150])[1] for i in (left, right)]

    assert columns[0].max() < columns[1].max() - 8
    assert columns[0].min() < columns[1].min() - 8


def test_strength_scales_the_motion(scene: Scene) -> None:
    """At a tenth of the strength the character moves much less."""
    full, little = (
        np.ptp(coat_x(np.stack(list(render_frames(replace(scene, length=41, strength=strength))))))
        for strength in (1.0, 0.1)
    )

    assert little < 0.4 * full


def test_same_seed_gives_same_pixels(scene: Scene, rendered: Callable[[Scene], Pixels]) -> None:
    """A scene rendered twice decodes to the same pixels."""
    # Other memory in between: an encoder that reads what it should not would show it.
    first, _between, second = rendered(scene), rendered(replace(scene, seed=1)), rendered(scene)

    assert np.array_equal(first, second)


@pytest.mark.parametrize("change", [{"seed": 8}, {"prompt": "another evening"}])
def test_seed_and_prompt_change_the_picture(scene: Scene, change: dict[str, Any]) -> None:
    """Another seed or prompt can be seen above the caption too, and the character stays recognisable."""
    one = np.stack(list(render_frames(scene))).astype(int)
    other = np.stack(list(render_frames(replace(scene, **change)))).astype(int)

    assert np.abs(one - other)[:, :200].mean() > 1
    assert coat(other.astype(np.uint8)).mean(axis=(1, 2)).min() > 0.05


def test_caption_says_that_it_is_a_stand_in(scene: Scene) -> None:
    """Bright letters stand in the bottom strip, and another seed writes other letters."""
    strips = [next(render_frames(replace(scene, image=None, motion=None, seed=seed)))[-32:] for seed in (7, 12345)]

    ink = [strip.min(axis=-1) > 150 for strip in strips]
    assert all(letters.sum() > 80 for letters in ink)
    assert not np.array_equal(*ink)


@pytest.mark.parametrize("image", [INPUTS / "character.png", None])
def test_without_motion_nothing_freezes(scene: Scene, image: Path | None) -> None:
    """From an image or a text alone there is still life in each second of the video."""
    frames = np.stack(list(render_frames(replace(scene, image=image, motion=None, length=33)))).astype(int)

    assert np.abs(frames[16:] - frames[:-16])[:, :200].mean(axis=(1, 2, 3)).min() > 0.8


def test_picture_that_cannot_be_cut_out_moves_as_a_whole(scene: Scene, tmp_path: Path) -> None:
    """In front of a crowded background the character moves too, and the border of the picture stays where it is."""
    crowd = np.random.default_rng(1).integers(0, 256, (24, 14, 3), np.uint8)
    photo = Image.fromarray(crowd).resize((320, 576), Image.Resampling.BICUBIC)
    with Image.open(INPUTS / "character.png") as character:
        photo.paste(character.resize((240, 427)), (40, 120))
    photo.save(tmp_path / "photo.png")

    frames = np.stack(list(render_frames(replace(scene, image=tmp_path / "photo.png", length=81))))

    assert np.corrcoef(coat_x(frames[:, 60:230, 30:130]), mover_x(81))[0, 1] > 0.8
    assert np.abs(frames[:, :2].astype(int) - frames[0, :2]).mean() < 6


def test_transparent_picture_is_cut_along_its_alpha(scene: Scene, tmp_path: Path) -> None:
    """A character without any background dances before a plain one."""
    picture = Image.new("RGBA", (160, 288))
    picture.paste((244, 96, 60, 255), (60, 60, 100, 250))
    picture.save(tmp_path / "cut.png")

    frames = np.stack(list(render_frames(replace(scene, image=tmp_path / "cut.png", length=81))))

    assert np.corrcoef(coat_x(frames), mover_x(81))[0, 1] > 0.8


def test_shorter_motion_goes_back_and_forth(scene: Scene, tmp_path: Path) -> None:
    """Past its last frame a motion is danced backwards, so that nothing freezes or jumps."""
    motion = read_motion((INPUTS / "motion.mp4").read_bytes(), "motion.mp4")

    assert motion.shift[[79, 78, 77]].tolist() == motion.over(84).shift[81:].tolist()
    assert np.abs(np.diff(motion.over(200).shift)).max() <= np.abs(np.diff(motion.shift)).max() + 1e-6


def test_longer_motion_is_used_up_to_the_length(scene: Scene) -> None:
    """Frame for frame from its beginning."""
    motion = read_motion((INPUTS / "motion.mp4").read_bytes(), "motion.mp4")

    assert motion.shift[:17].tolist() == motion.over(17).shift.tolist()


@pytest.mark.parametrize("part", ["image", "motion"])
@pytest.mark.parametrize("data", [b"", b"not a picture at all", b"\x89PNG\r\n\x1a\n broken", b"\0\0\0\x20ftypisom"])
def test_what_is_no_media_is_refused(scene: Scene, tmp_path: Path, part: str, data: bytes) -> None:
    """A file that does not decode raises UnreadableMedia with its name, before a video exists."""
    (tmp_path / "wrong.bin").write_bytes(data)
    wrong: dict[str, Any] = {part: tmp_path / "wrong.bin"}
    bad = replace(scene, **wrong)

    with pytest.raises(UnreadableMedia, match=r"wrong\.bin"):
        render(bad, tmp_path / "video.mp4")

    assert not (tmp_path / "video.mp4").exists()


@pytest.mark.parametrize("part", ["image", "motion"])
def test_cut_off_file_is_refused(scene: Scene, tmp_path: Path, part: str) -> None:
    """An upload that broke off in the middle is not half a picture."""
    whole: Path = getattr(scene, part)
    (tmp_path / whole.name).write_bytes(whole.read_bytes()[:9000])

    cut: dict[str, Any] = {part: tmp_path / whole.name}

    with pytest.raises(UnreadableMedia):
        render_frames(replace(scene, **cut))


@pytest.mark.parametrize(
    ("change", "words"),
    [({"width": 161}, "width: .* even"), ({"height": 8}, "height"), ({"length": 0}, "length"), ({"fps": 0}, "fps")],
)
def test_impossible_scene_is_refused(scene: Scene, change: dict[str, Any], words: str) -> None:
    """A size that H.264 cannot hold, no frames, no rate: a ValueError that names the field."""
    with pytest.raises(ValueError, match=words):
        replace(scene, **change)


@pytest.mark.parametrize(
    "prompt", ["", "朝の光の中で踊る小さなロボット", "robot ロボット \U0001f916\n\t\u202e x" * 300]
)
def test_any_prompt_can_be_written(scene: Scene, prompt: str) -> None:
    """No script, no control character and no length of a prompt stops a video."""
    frames = list(render_frames(replace(scene, prompt=prompt, length=2)))

    assert frames[1].shape == (288, 160, 3)
