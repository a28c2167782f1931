"""Each workflow's graph in all its shapes: first segment or later, with LoRAs or without."""

import pytest

from tests.doubles import studio, workshop
from videogen import project
from videogen.chain import Piece, pieces
from videogen.definition import Value
from videogen.graph import Graph
from videogen.manifest import PhaseName
from videogen.node_schema import strict_findings
from videogen.standin.object_info import load
from videogen.standin.options import RECORDED
from videogen.workflow import Workflow

SCHEMAS = load(RECORDED)
LORAS: dict[str, Value] = {"turbo": 1.0, "scail_turbo": 0.8, "lora_strength": 0.7, "preference": 1.0}
SHAPES: dict[str, dict[str, Value]] = {
    "plain": {},
    "with LoRAs": LORAS,
    "goes on": {"before": "before.mp4", "before_tail": 28, "motion_start": 28},
    "goes on with LoRAs": {"before": "before.mp4", **LORAS},
}
GRAPHS = [name for name in project.workflow_names() if not project.read_workflow(name).definition.chain]


def _bound(name: str, values: dict[str, Value]) -> Graph:
    """The graph in phase c, with what of `values` the workflow knows."""
    flow = project.read_workflow(name)
    known = {one: value for one, value in values.items() if one in flow.parameter_names}
    return flow.bind({**workshop.plain_values(flow, "c"), **known}, studio.manifest_of_dev())


def _drawn(flow: Workflow, phase: PhaseName, **values: Value) -> list[Piece]:
    """The segments that a chain draws in that phase."""
    found = pieces(flow, {**workshop.plain_values(flow, phase), **values}, project.read_phase(phase))
    return [piece for piece in found if piece.step == "draw"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", GRAPHS)
def test_nothing_in_a_graph_is_refused_or_ignored(name: str, shape: str) -> None:
    """Every node, input, link and value is one of the pinned ComfyUI's, whatever is taken out of the graph."""
    found = strict_findings(_bound(name, SHAPES[shape]).prompt, SCHEMAS)

    assert [str(one) for one in found] == []


@pytest.mark.parametrize("name", GRAPHS)
def test_a_job_needs_only_the_models_that_it_uses(name: str) -> None:
    """With all strengths at 0 no LoRA is loaded, and no node of one is left; with them each has its own."""
    slots = {slot.title for slot in project.read_workflow(name).definition.models if slot.optional}

    assert not slots & set(_bound(name, {}).titles)
    assert slots <= set(_bound(name, LORAS).titles)


def test_the_order_is_scail_uni3c_wan() -> None:
    """On the main path SCAIL's conditioning feeds the sampler of a model that Uni3C patched, and that feeds Wan."""
    flow = project.read_workflow("scail-uni3c-wan22")
    assert [stage.stage for stage in flow.definition.order] == ["scail", "uni3c", "wan"]
    stages = [(stage.stage, stage.title) for stage in flow.definition.order]
    assert list(flow.graph.out_of_order(stages)) == []
    assert list(flow.graph.out_of_order([stages[2], stages[1], stages[0]])) != []


def test_segments_meet_in_five_frames() -> None:
    """Thirty seconds are drawn in seven segments; each later one is told where the common frames begin."""
    drawn = _drawn(project.read_workflow("production-2k-30s"), "c")

    assert [piece.values["length"] for piece in drawn] == [81, 81, 81, 81, 81, 81, 25]
    assert [piece.values.get("before_tail") for piece in drawn[1:]] == [76] * 6
    assert sum(int(piece.values["length"]) for piece in drawn) - 6 * 5 == 481


def test_a_segment_is_told_where_the_common_frames_begin() -> None:
    """Of 33 frames before, the last five are common: they begin at 28."""
    drawn = _drawn(project.read_workflow("long-i2v"), "a", frames=61)

    assert [(piece.values["length"], piece.values["before_tail"]) for piece in drawn[1:]] == [(33, 28)]


def test_the_main_path_is_told_where_its_motion_goes_on() -> None:
    """A segment's motion begins at its own first frame, the common ones included."""
    drawn = _drawn(workshop.long_motion(), "b")

    assert [piece.values["motion_start"] for piece in drawn] == [0, 12, 24]
