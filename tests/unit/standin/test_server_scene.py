"""The stand-in finds in a graph what its video should show."""

from pathlib import Path
from typing import Any

import pytest

from tests.doubles.transcript import read
from videogen.node_schema import Schemas
from videogen.standin.object_info import load
from videogen.standin.options import RECORDED
from videogen.standin.scene import NotRenderable, sampler_of, scene_of, steps_of
from videogen.standin.walk import run_order, signatures


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return load(RECORDED)


@pytest.fixture
def chain() -> dict[str, Any]:
    prompt: dict[str, Any] = read("tiny-scail-uni3c-wan22.api")
    return prompt


def test_the_chain_says_all_of_its_scene(chain: dict[str, Any], schemas: Schemas) -> None:
    """The reference image, the driving video (not the camera's), the last seed, the output's size and rate."""
    scene = scene_of(chain, schemas, "40", Path)
    assert (scene.image, scene.motion) == (Path("example.png"), Path("tiny_driving.mp4"))
    assert scene.prompt == "a person walks along a quiet lake at dawn"
    assert (scene.seed, scene.width, scene.height, scene.length, scene.fps) == (42, 64, 64, 9, 16.0)


def test_values_are_followed_to_the_nodes_that_give_them(chain: dict[str, Any], schemas: Schemas) -> None:
    """A linked seed, a linked text and a linked strength count like written ones."""
    chain["90"] = {"class_type": "PrimitiveInt", "inputs": {"value": 77}}
    chain["91"] = {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "a dancer"}}
    chain["36"]["inputs"]["noise_seed"] = ["90", 0]
    chain["5"]["inputs"]["text"] = ["91", 0]
    chain["20"]["inputs"]["pose_strength"] = 0.5
    scene = scene_of(chain, schemas, "40", Path)
    assert (scene.seed, scene.prompt, scene.strength) == (77, "a dancer", 0.5)


def test_a_video_without_sampler_has_the_size_and_number_of_its_pictures(schemas: Schemas) -> None:
    """Batches of flat pictures add up."""
    empty = {"width": 64, "height": 96, "color": 1}
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {**empty, "batch_size": 4}},
        "2": {"class_type": "EmptyImage", "inputs": {**empty, "batch_size": 5}},
        "3": {"class_type": "ImageBatch", "inputs": {"image1": ["1", 0], "image2": ["2", 0]}},
        "4": {"class_type": "CreateVideo", "inputs": {"images": ["3", 0], "fps": 8.0}},
        "5": {"class_type": "SaveVideo", "inputs": {"video": ["4", 0], "filename_prefix": "v", "format": "auto"}},
    }
    scene = scene_of(prompt, schemas, "5", Path)
    assert (scene.width, scene.height, scene.length, scene.fps) == (64, 96, 9, 8.0)
    assert sampler_of(prompt, schemas, "5") is None


def test_a_graph_without_size_is_not_drawn(schemas: Schemas) -> None:
    """The refusal says what is missing."""
    prompt = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "a.mp4"}},
        "2": {"class_type": "SaveVideo", "inputs": {"video": ["1", 0], "filename_prefix": "v", "format": "auto"}},
    }
    with pytest.raises(NotRenderable, match="a width and a height"):
        scene_of(prompt, schemas, "2", Path)


def test_a_sampler_does_the_steps_between_its_first_and_last(chain: dict[str, Any], schemas: Schemas) -> None:
    """Two experts share their steps."""
    assert [steps_of(chain, schemas, node) for node in ("23", "36", "37")] == [2, 1, 2]


def test_a_signature_changes_with_anything_upstream_and_with_nothing_else(chain: dict[str, Any]) -> None:
    """So a node is answered from the cache exactly when it would do the same again."""
    before = signatures(chain, ["40"], lambda _: "")
    chain["23"]["inputs"]["seed"] = 8
    after = signatures(chain, ["40"], lambda _: "")
    changed = {node for node in before if before[node] != after[node]}
    assert changed == {"23", "24", "25", "35", "36", "37", "38", "39", "40"}


def test_cached_nodes_are_not_run_and_not_looked_behind(chain: dict[str, Any]) -> None:
    """Only what depends on something new is left, and always the output."""
    cached = set(chain) - {"37", "38", "39", "40"}
    assert run_order(chain, ["40"], cached, lambda node: node == "40") == ["37", "38", "39", "40"]
    assert run_order(chain, ["40"], set(chain), lambda node: node == "40") == ["40"]


def test_what_leads_to_an_output_soonest_runs_first() -> None:
    """An output that is ready goes before all; then what is one step from one, then two."""

    def node(*sources: str) -> dict[str, Any]:
        return {"class_type": "X", "inputs": {f"in{number}": [source, 0] for number, source in enumerate(sources)}}

    prompt = {
        "far": node(), "middle": node("far"), "late": node("middle"), "out1": node("late"),
        "near": node(), "out2": node("near"), "out3": node(),
    }  # fmt: skip
    order = run_order(prompt, ["out1", "out2", "out3"], [], lambda name: name.startswith("out"))
    assert order == ["out3", "near", "out2", "far", "middle", "late", "out1"]
