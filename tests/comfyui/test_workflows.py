"""Every workflow of the checkout on a real ComfyUI on a CPU, with tiny weights."""

from pathlib import Path

import numpy as np
import pytest

from tests.comfyui.conftest import Core, written
from tests.doubles import workshop
from tests.doubles.workshop import INPUTS
from tests.workflows.test_workflows import CASES
from videogen.errors import InputError
from videogen.workflow import Value

pytestmark = pytest.mark.timeout(900)

LORAS: dict[str, Value] = {"turbo": 1.0, "lora_strength": 1.0}


def _batch(folder: Path, name: str, values: dict[str, Value], title: str = "") -> Path:
    clip = workshop.walking_square(folder / "clip.mp4")
    known = {"character": INPUTS / "character.png", "motion": INPUTS / "motion.mp4", "video": clip}
    parameters = workshop.workflow(name).parameter_names
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
