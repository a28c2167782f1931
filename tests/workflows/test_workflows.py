"""Every workflow of the checkout, from a batch to a video, through the real way to a stand-in ComfyUI."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.doubles import studio, workshop
from tests.doubles.s3_server import S3Server
from tests.doubles.standin_process import StandinProcess
from tests.doubles.studio import Heard
from tests.doubles.workshop import FEW, INPUTS, SMALL, Film, watch
from videogen import project
from videogen.definition import Value
from videogen.workflow import Workflow

pytestmark = pytest.mark.timeout(120)

KEEP = os.environ.get("VIDEOGEN_KEEP_VIDEOS")
WORDS: dict[str, Value] = {"prompt": "a small figure dances"}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandinProcess]:
    """One stand-in for all tests."""
    with studio.workers(tmp_path_factory.mktemp("worker"), 1) as (one,):
        yield one


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A light square walks over a dark ground."""
    return workshop.walking_square(tmp_path / "clip.mp4")


CASES: dict[str, tuple[dict[str, Value], tuple[int, int, int, float]]] = {
    "wan22-i2v": ({**WORDS, **SMALL, **FEW, "length": 9}, (64, 96, 9, 16)),
    "wan22-t2v": ({**WORDS, **SMALL, **FEW, "length": 9}, (64, 96, 9, 16)),
    "scail-uni3c-wan22": ({**WORDS, **SMALL, **FEW, "keep_steps": 0, "length": 9}, (64, 96, 9, 16)),
    "scail2-replace": ({**WORDS, **SMALL, "steps": 2, "length": 9}, (64, 96, 9, 16)),
    "upscale-interpolate": ({"width": 128, "height": 192}, (128, 192, 17, 32)),
    "long-i2v": ({**WORDS, **SMALL, **FEW, "frames": 61}, (64, 96, 61, 16)),
    "production-2k-30s": (
        {**WORDS, **SMALL, **FEW, "width_2k": 128, "height_2k": 192, "frames": 37},
        (128, 192, 73, 32),
    ),
    "vr180": ({"width": 128, "height": 192, "eye": 256}, (512, 256, 17, 32)),
}


def _made(folder: Path, flow: Workflow, clip: Path, values: dict[str, Value], s3: S3Server, url: str) -> Film:
    """The video that the last job of a batch makes."""
    known = {"character": INPUTS / "character.png", "motion": INPUTS / "motion.mp4", "video": clip}
    files = {name: path for name, path in known.items() if name in flow.parameter_names}
    what = workshop.plan(folder, flow, files, values)
    heard = Heard()
    result = studio.run(what, [url], s3.store(), heard)
    assert [failure.message for failure, _ in heard.failures] == []
    assert result.done == len(what.jobs)
    path = folder / "videos" / flow.name / f"{what.jobs[-1].id}.mp4"
    if KEEP:
        shutil.copyfile(path, Path(KEEP) / f"{flow.name}.mp4")
    return watch(path)


def test_every_workflow_is_tried() -> None:
    """None is left out below."""
    assert set(CASES) == set(project.workflow_names())


@pytest.mark.parametrize("name", CASES)
def test_a_video_comes_out(name: str, tmp_path: Path, clip: Path, s3: S3Server, worker: StandinProcess) -> None:
    """It has the size, the frames and the rate that were asked for, and it is neither black nor still."""
    values, shape = CASES[name]
    film = _made(tmp_path, project.read_workflow(name), clip, values, s3, worker.url)

    assert film.shape == shape
    assert film.frames.mean() > 8
    assert np.abs(np.diff(film.frames.astype(int), axis=0)).mean() > 0.1


def _steps(film: Film) -> list[float]:
    """How much changes from each frame to the next, of 255."""
    return [float(one) for one in np.abs(np.diff(film.frames.astype(int), axis=0)).mean(axis=(1, 2, 3))]


def test_an_enlarged_video_shows_what_it_showed(
    tmp_path: Path, clip: Path, s3: S3Server, worker: StandinProcess
) -> None:
    """Every second frame is one of the video's own, larger; those between lie between their neighbours."""
    values, _ = CASES["upscale-interpolate"]
    large = _made(tmp_path, project.read_workflow("upscale-interpolate"), clip, values, s3, worker.url).frames
    small = watch(clip).frames
    again = large.reshape(17, 96, 2, 64, 2, 3).mean(axis=(2, 4))

    assert np.abs(again[::2] - small).mean() < 6
    assert np.abs(again[1::2] - (again[:-1:2] + again[2::2]) / 2).mean() < 3


def test_nothing_is_seen_of_where_segments_meet(
    tmp_path: Path, clip: Path, s3: S3Server, worker: StandinProcess
) -> None:
    """In a stitched video no frame changes much more than the frames around it do."""
    values, _ = CASES["long-i2v"]
    steps = _steps(_made(tmp_path, project.read_workflow("long-i2v"), clip, values, s3, worker.url))

    assert max(steps[25:40]) < 3 * float(np.median(steps)) + 0.5


def test_a_segment_begins_with_the_last_frames_of_the_one_before(
    tmp_path: Path, clip: Path, s3: S3Server, worker: StandinProcess
) -> None:
    """Five frames are common, so that motion and light go on."""
    flow = project.read_workflow("wan22-i2v")
    values: dict[str, Value] = {**WORDS, **SMALL, **FEW, "length": 9}
    before = _frames_after(tmp_path, flow, {**values, "before_tail": 4}, clip, s3, worker.url)

    assert np.abs(before[:5].astype(int) - watch(clip).frames[4:]).mean() < 4
    assert np.abs(before[-1].astype(int) - watch(clip).frames[-1]).mean() < 12


def _frames_after(
    folder: Path, flow: Workflow, values: dict[str, Value], clip: Path, s3: S3Server, url: str
) -> np.ndarray:
    """The frames of a segment that goes on from the clip."""
    files = {"character": INPUTS / "character.png", "before": clip}
    what = workshop.plan(folder, flow, files, values)
    assert studio.run(what, [url], s3.store(), Heard()).done == 1
    return watch(folder / "videos" / flow.name / f"{what.jobs[0].id}.mp4").frames


def test_a_motion_video_is_followed_across_segments(
    tmp_path: Path, clip: Path, s3: S3Server, worker: StandinProcess
) -> None:
    """Three segments of the main path show the same dance as one long one: each goes on in the motion video."""
    stitched = _made(tmp_path, workshop.long_motion(), clip, {}, s3, worker.url)
    whole: dict[str, Value] = {"prompt": "a dance", **SMALL, **FEW, "keep_steps": 0, "length": 33}
    single = _made(tmp_path / "one", project.read_workflow("scail-uni3c-wan22"), clip, whole, s3, worker.url)

    assert stitched.shape == single.shape
    apart = np.abs(stitched.frames.astype(int) - single.frames)[:, :70].mean()
    turned = np.abs(stitched.frames.astype(int) - single.frames[::-1])[:, :70].mean()
    assert apart < 0.5 * turned


def test_a_replaced_figure_stands_in_the_place_of_the_motion_video(
    tmp_path: Path, clip: Path, s3: S3Server, worker: StandinProcess
) -> None:
    """The corners, where nobody dances, are those of the motion video and not those of the character's image."""
    values, _ = CASES["scail2-replace"]
    film = _made(tmp_path, project.read_workflow("scail2-replace"), clip, values, s3, worker.url)
    stage = watch(INPUTS / "motion.mp4").frames[0][:20, :20].mean()

    assert abs(film.frames[:, :4, :4].mean() - stage) < 12
