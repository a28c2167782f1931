"""Every workflow of the checkout on a real ComfyUI on a CPU, with tiny weights."""

from pathlib import Path

import numpy as np
import pytest

from tests.comfyui.conftest import Core, written
from tests.doubles import workshop
from tests.doubles.workshop import INPUTS, watch
from tests.workflows.test_workflows import CASES
from videogen import project
from videogen.definition import Value
from videogen.errors import InputError

pytestmark = pytest.mark.timeout(900)


def _batch(folder: Path, name: str, values: dict[str, Value], title: str = "") -> Path:
    clip = workshop.walking_square(folder / "clip.mp4")
    known = {"character": INPUTS / "character.png", "motion": INPUTS / "motion.mp4", "video": clip}
    parameters = project.read_workflow(name).parameter_names
    files = {parameter: path for parameter, path in known.items() if parameter in parameters}
    return written(folder, name, values, files, title)


@pytest.mark.parametrize("name", CASES)
def test_it_renders_or_says_what_is_missing(name: str, core: Core, tmp_path: Path) -> None:
    """A video as it was asked for; on a ComfyUI that lacks nodes, each by name, and nothing is sent to it."""
    values, shape = CASES[name]
    batch = _batch(tmp_path, name, values)
    code, lines = core.lint(str(batch))
    said = [line for line in lines if line.startswith("error: ")]
    lacks = core.lacks(name)

    if not lacks:
        assert (code, said) == (0, [])
        film = core.film(batch)
        assert film.shape == shape
        assert film.frames.mean() > 8
        assert np.abs(np.diff(film.frames.astype(int), axis=0)).mean() > 0.1
        return

    core.told.append((name, f"refused: no {', '.join(sorted({one[2] for one in lacks}))}", 0))
    assert code == InputError.exit_code
    assert said == [f"error: workflows/{flow}/graph.json: {node}: no node class `{kind}`" for flow, node, kind in lacks]
    before = core.got()
    with pytest.raises(InputError) as refused:
        core.submit(batch)
    told = [str(fault) for fault in refused.value.faults]
    assert all(any(node in one and f"`{kind}`" in one for one in told) for _, node, kind in lacks)
    assert core.got() == before


def test_an_enlarged_video_shows_what_it_showed(core: Core, tmp_path: Path) -> None:
    """The tiny upscaler repeats pixels and the tiny interpolation blends: every second frame is one of the video's."""
    values, _ = CASES["upscale-interpolate"]
    large = core.film(_batch(tmp_path, "upscale-interpolate", values)).frames
    small = watch(tmp_path / "clip.mp4").frames
    again = large.reshape(17, 96, 2, 64, 2, 3).mean(axis=(2, 4))

    assert np.abs(again[::2] - small).mean() < 6
    assert np.abs(again[1::2] - (again[:-1:2] + again[2::2]) / 2).mean() < 3


SAYS: dict[str, dict[str, Value]] = {
    "seed": {"seed": 2},
    "prompt": {"prompt": "a quiet lake at dawn"},
    "turbo": {"turbo": 1.0},
    "style": {"lora_strength": 1.0},
    "sampler": {"sampler": "dpmpp_2m", "steps": 4, "switch_step": 2},
    "precision": {"precision": "fp8_e4m3fn"},
}


def test_what_a_batch_says_reaches_the_picture(core: Core, tmp_path: Path) -> None:
    """Seed, prompt, both kinds of LoRA, sampler and precision each change the video; the same again does not."""
    values, _ = CASES["wan22-i2v"]
    plain = core.film(_batch(tmp_path, "wan22-i2v", values, "plain")).frames.astype(int)
    changed = {}
    said: dict[str, dict[str, Value]] = {"again": {}, **SAYS}
    for title, more in said.items():
        film = core.film(_batch(tmp_path, "wan22-i2v", {**values, **more}, title))
        changed[title] = np.abs(film.frames.astype(int) - plain).mean()

    assert changed.pop("again") == 0
    assert {title: apart for title, apart in changed.items() if apart < 0.5} == {}


def test_a_segment_goes_on_from_the_one_before(core: Core, tmp_path: Path) -> None:
    """With two different segments before it, and all else the same, there are two different ones after it."""
    values, _ = CASES["scail2-replace"]
    motion = INPUTS / "motion.mp4"
    after = []
    for title, before in {
        "after-square": workshop.walking_square(tmp_path / "clip.mp4"),
        "after-dance": motion,
    }.items():
        files = {"character": INPUTS / "character.png", "motion": motion, "before": before}
        batch = written(tmp_path, "scail2-replace", {**values, "before_tail": 4}, files, title)
        after.append(core.film(batch).frames.astype(int))

    assert np.abs(after[0] - after[1]).mean() > 1


GUIDES: dict[str, dict[str, Value]] = {
    "plain": {},
    "again": {},
    "no-control": {"uni3c_strength": 0.0},
    "control-ends-early": {"uni3c_end": 0.1},
    "no-pose": {"pose_strength": 0.0},
}


def test_the_main_path_hears_its_guides(core: Core, tmp_path: Path) -> None:
    """The strength of SCAIL's pose, Uni3C's strength and its range each change the video; the same again does not."""
    name = "scail-uni3c-wan22"
    if lacks := core.lacks(name):
        pytest.skip(f"this ComfyUI has no {lacks[0][2]}")
    values, _ = CASES[name]
    films = {
        title: core.film(_batch(tmp_path, name, {**values, **more}, title)).frames.astype(int)
        for title, more in GUIDES.items()
    }
    apart = {title: np.abs(film - films["plain"]).mean() for title, film in films.items() if title != "plain"}

    assert apart.pop("again") == 0
    assert {title: mean for title, mean in apart.items() if mean < 0.2} == {}
