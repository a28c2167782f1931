"""Each workflow's graph in all its shapes: first segment or later, with LoRAs or without."""

import pytest

from tests.doubles import studio, workshop
from videogen import chain, project
from videogen.batch import Batch, expand
from videogen.chain import pieces
from videogen.node_schema import strict_findings
from videogen.planner.estimate import estimate, estimate_here, stay
from videogen.planner.jobs import works
from videogen.standin.object_info import load
from videogen.standin.options import RECORDED
from videogen.workflow import Value, Workflow

SCHEMAS = load(RECORDED)
LORAS: dict[str, Value] = {"turbo": 1.0, "scail_turbo": 0.8, "lora_strength": 0.7, "preference": 1.0}
SHAPES: dict[str, dict[str, Value]] = {
    "plain": {},
    "with LoRAs": LORAS,
    "goes on": {"before": "before.mp4", "before_tail": 28, "motion_start": 28},
    "goes on with LoRAs": {"before": "before.mp4", **LORAS},
}
DRAWN = [name for name in project.workflow_names() if not project.read_workflow(name).definition.chain]
TEN_MINUTES = 600


def _values(flow: Workflow, more: dict[str, Value]) -> dict[str, Value]:
    """Defaults of phase c, a name for each file, and what of `more` the workflow knows."""
    found: dict[str, Value] = {}
    for one in flow.definition.parameters:
        value = one.default_for("c")
        if value is not None:
            found[one.name] = value
        elif one.name != "before":
            found[one.name] = "file.png" if one.is_file else "words"
    return {**found, **{name: value for name, value in more.items() if name in flow.parameter_names}}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DRAWN)
def test_nothing_in_a_graph_is_refused_or_ignored(name: str, shape: str) -> None:
    """Every node, input, link and value is one of the pinned ComfyUI's, whatever is taken out of the graph."""
    flow = workshop.workflow(name)
    graph = flow.bind(_values(flow, SHAPES[shape]), studio.manifest_of_dev())

    assert [str(found) for found in strict_findings(graph.prompt, SCHEMAS)] == []


@pytest.mark.parametrize("name", DRAWN)
def test_a_job_needs_only_the_models_that_it_uses(name: str) -> None:
    """With all strengths at 0 no LoRA is loaded, and no node of one is left; with them each has its own."""
    flow = workshop.workflow(name)
    plain = flow.bind(_values(flow, {}), studio.manifest_of_dev())
    full = flow.bind(_values(flow, LORAS), studio.manifest_of_dev())
    slots = {slot.title for slot in flow.definition.models if slot.optional}

    assert not slots & set(plain.titles)
    assert slots <= set(full.titles)


def test_the_order_is_scail_uni3c_wan() -> None:
    """On the main path SCAIL's conditioning feeds the sampler of a model that Uni3C patched, and that feeds Wan."""
    flow = workshop.workflow("scail-uni3c-wan22")
    assert [stage.stage for stage in flow.definition.order] == ["scail", "uni3c", "wan"]
    stages = [(stage.stage, stage.title) for stage in flow.definition.order]
    assert list(flow.graph.out_of_order(stages)) == []
    assert list(flow.graph.out_of_order([stages[2], stages[1], stages[0]])) != []


def test_segments_meet_in_five_frames() -> None:
    """Thirty seconds are drawn in seven segments; each later one is told where the common frames begin."""
    flow = workshop.workflow("production-2k-30s")
    drawn = [piece for piece in pieces(flow, _values(flow, {}), project.read_phase("c")) if piece.step == "draw"]

    assert [piece.values["length"] for piece in drawn] == [81, 81, 81, 81, 81, 81, 25]
    assert [piece.values.get("before_tail") for piece in drawn[1:]] == [76] * 6
    assert sum(int(piece.values["length"]) for piece in drawn) - 6 * 5 == 481


def test_a_segment_is_told_where_the_common_frames_begin() -> None:
    """Of 33 frames before, the last five are common: they begin at 28."""
    flow = workshop.workflow("long-i2v")
    drawn = [
        piece for piece in pieces(flow, _values(flow, {"frames": 61}), project.read_phase("a")) if piece.step == "draw"
    ]

    assert [(piece.values["length"], piece.values["before_tail"]) for piece in drawn[1:]] == [(33, 28)]


def test_the_main_path_is_told_where_its_motion_goes_on() -> None:
    """A segment's motion begins at its own first frame, the common ones included."""
    text = """
schema: 1
name: long-motion
about: a long dance
parameters:
  - {name: prompt, about: what, type: text, default: a dance, sets: [{step: draw, parameter: prompt}]}
  - {name: character, about: who, type: image, sets: [{step: draw, parameter: character}]}
  - {name: motion, about: how, type: video, sets: [{step: draw, parameter: motion}]}
  - {name: frames, about: of the whole, type: integer, default: 100, sets: [{step: stitch, parameter: length}]}
chain:
  - {step: draw, workflow: scail-uni3c-wan22, repeat: {over: segments, frames: frames, previous: true}}
  - {step: stitch, post: stitch, feeds: {video: draw}}
"""
    flow = chain.parse_chain(text, "workflow.yaml", project.read_workflow)
    drawn = [piece for piece in pieces(flow, _values(flow, {}), project.read_phase("b")) if piece.step == "draw"]

    assert [piece.values["motion_start"] for piece in drawn] == [0, 76]


def _seconds(values: dict[str, Value]) -> float:
    """What the planner says of `production-2k-30s` on one H200, post steps included."""
    flow = workshop.workflow("production-2k-30s")
    models = project.read_manifest(project.root() / "models_manifest.yaml").as_if_pinned().select("c")
    sizes = {one.comfy_name: one.size or one.estimate or 0 for one in models.models}
    fixed = {"prompt": "x", "character": "x.png", **values}
    wanted = Batch.model_validate({"schema": 1, "name": "p", "workflow": flow.name, "fixed": fixed})
    jobs = expand(wanted, flow, project.read_phase("c"), models, {"x.png": "0" * 64})
    asked = works(jobs)
    warm = stay([asked[job.id] for job in jobs if not job.post], "H200-141GB", sizes)
    seconds, seen = 0.0, set()
    for job in jobs:
        if job.post:
            seconds += sum(part.seconds.likely for part in estimate_here(asked[job.id]))
            continue
        found = estimate(asked[job.id], "H200-141GB", sizes, warm=warm and job.step in seen)
        assert (found.fit, found.unknown) == ("fits", ())
        seconds += found.seconds.likely
        seen.add(job.step)
    return seconds


def test_thirty_seconds_in_2k_take_less_than_ten_minutes() -> None:
    """One H200 does it with the 4-step LoRAs; within the policy there is no time to spare."""
    assert 400 < _seconds({"cfg": 1, "turbo": 1.0}) < 0.9 * TEN_MINUTES
    assert _seconds({"cfg": 3.5, "turbo": 0}) > 0.95 * TEN_MINUTES


def test_the_shipped_production_leaves_the_policy_with_a_word() -> None:
    """The batch says that cfg is outside the policy of phase c, and nothing else is."""
    batch, _ = project.read_batch(project.root() / "batches" / "production-2k-30s.yaml")

    assert batch.leave_policy == ("cfg",)
