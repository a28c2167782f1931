"""What a worker lacks is said before anything is sent."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.studio import REPOSITORY, plan
from videogen import graph
from videogen.batch import Job
from videogen.errors import InputError
from videogen.preflight import preflight

SCHEMAS = REPOSITORY / "images" / "comfyui" / "node_schemas"
CORE = json.loads((SCHEMAS / "core-0.27.json").read_text())


def _main_path(folder: Path) -> Job:
    text = (REPOSITORY / "workflows" / "scail-uni3c-wan22" / "graph.json").read_text()
    prompt = graph.parse(text, "graph.json").prompt
    return replace(plan(folder, [1]).jobs[0], workflow="scail-uni3c-wan22", prompt=prompt)


def test_a_comfyui_without_uni3c_is_refused_in_one_error(tmp_path: Path) -> None:
    """ComfyUI 0.27 lacks the classes of the main path: each is named once with its node, for each worker."""
    with pytest.raises(InputError) as refused:
        preflight([_main_path(tmp_path)] * 2, {"w1": CORE, "w2": CORE})

    addresses = [fault.address for fault in refused.value.faults]
    assert len(addresses) == len(set(addresses))
    assert {address.split(":")[0] for address in addresses} == {"worker w1", "worker w2"}
    assert any("no node class `WanUni3CControlnetApply`" in fault.message for fault in refused.value.faults)


def test_a_model_that_is_not_listed_is_named(tmp_path: Path) -> None:
    """Every model name that the worker's lists lack is a fault at its node and input."""
    with pytest.raises(InputError) as refused:
        preflight(plan(tmp_path, [1]).jobs, {"w1": CORE})

    assert [str(fault).splitlines()[0] for fault in refused.value.faults if "vae_name" in fault.address] == [
        f"worker w1: wan22-i2v: {_vae_title(tmp_path)}/vae_name: its ComfyUI does not list `{_vae_name(tmp_path)}`"
    ]


def test_input_files_are_not_asked_for(tmp_path: Path) -> None:
    """A job's own image goes up later: its absence is no fault."""
    with pytest.raises(InputError) as refused:
        preflight(plan(tmp_path, [1]).jobs, {"w1": CORE})

    assert not [fault for fault in refused.value.faults if "image" in fault.address.rsplit("/", 1)[-1]]


def _loader(folder: Path) -> dict[str, object]:
    return next(node for node in plan(folder, [1]).jobs[0].prompt.values() if node["class_type"] == "VAELoader")


def _vae_title(folder: Path) -> str:
    return graph.title(_loader(folder))


def _vae_name(folder: Path) -> object:
    inputs = _loader(folder)["inputs"]
    assert isinstance(inputs, dict)
    return inputs["vae_name"]
