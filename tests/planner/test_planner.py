"""What a job takes: read from its graph, and held against what one H200 really took."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from videogen import project
from videogen.gpu import Gpu
from videogen.graph import Graph
from videogen.manifest import PhaseName
from videogen.planner import speed
from videogen.planner.estimate import Estimate, Observation, estimate, learned
from videogen.planner.speed import ACTIVATION_GIB, ACTIVATION_GIB_A_TOKEN, GPUS, PASS
from videogen.planner.work import Frames, Work, token_count, work

ROWS = [
    json.loads(line) for line in (Path(__file__).parents[1] / "fixtures/gpu/wan14b-h200.jsonl").read_text().splitlines()
]
SAMPLED = [row for row in ROWS if row["event"] == "sample"]
MANIFEST = project.read_manifest(project.root() / "models_manifest.yaml").as_if_pinned()
SIZES = {one.comfy_name: one.expected_bytes for one in MANIFEST.models}


def frames(row: dict[str, Any]) -> Frames:
    return Frames(row["w"], row["h"], row["frames"])


def bound(name: str, phase: PhaseName = "c", **values: object) -> Graph:
    workflow = project.read_workflow(name)
    rule = workflow.definition.segments
    wanted: dict[str, object] = {}
    for parameter in workflow.definition.parameters:
        if rule is None or parameter.name != rule.previous:
            value = values.get(parameter.name, parameter.default_for(phase))
            wanted[parameter.name] = "x" if value is None else value
    return workflow.bind(wanted, MANIFEST)


@pytest.mark.parametrize("row", SAMPLED, ids=lambda row: f"{row['w']}x{row['h']}x{row['frames']}-{row['dtype']}")
def test_a_pass_takes_what_it_took(row: dict[str, Any]) -> None:
    """The seconds of a pass are within 4 % of each measured size."""
    precision: speed.Precision = "fp8fast" if row["dtype"] == "fp8fast" else "fp16"
    took = row["step_s"] or row["total_s"] / row["steps"]
    assert PASS[precision].seconds(token_count(frames(row))) == pytest.approx(took, rel=0.04)


@pytest.mark.parametrize("row", SAMPLED[1:], ids=lambda row: f"{row['w']}x{row['h']}x{row['frames']}-{row['dtype']}")
def test_memory_is_what_it_was(row: dict[str, Any]) -> None:
    """Weights and activations together are within 4 % of each measured peak (the first row warmed up)."""
    weights = 26.62 if row["dtype"] == "fp16" else 13.31
    predicted = weights + ACTIVATION_GIB + ACTIVATION_GIB_A_TOKEN * token_count(frames(row))
    assert predicted == pytest.approx(row["peak_gib"], rel=0.04)


@pytest.mark.parametrize("event", ["decode", "sample"])
def test_frames_through_the_vae(event: str) -> None:
    """Decode and encode are within the range that is said of them, the size that warmed up aside."""
    names = {"decode": ("decode_s", speed.DECODE_SECONDS, speed.DECODE_SECONDS_A_MEGAPIXEL)}
    key, start, each = names.get(event, ("encode_s", speed.ENCODE_SECONDS, speed.ENCODE_SECONDS_A_MEGAPIXEL))
    ratios = [row[key] / (start + each * frames(row).megapixels) for row in ROWS if row["event"] == event]
    inside = [ratio for ratio in ratios if speed.FRAMES_LOW <= ratio <= speed.FRAMES_HIGH]
    assert len(inside) >= len(ratios) * 0.75
    assert sum(ratios) / len(ratios) == pytest.approx(1, abs=0.2)


def test_the_main_path_is_read_from_its_graph() -> None:
    """Three samplings in order: the structure with its pose and reference tokens, then the two experts."""
    found = work(bound("scail-uni3c-wan22", width=704, height=1280, length=81, steps=10, keep_steps=1, switch_step=5))
    structure, high, low = found.samplings
    plain = token_count(Frames(704, 1280, 81))
    assert structure.tokens == plain + plain // 4 + (704 // 16) * (1280 // 16)
    assert (high.tokens, low.tokens) == (plain, plain)
    assert [one.steps for one in found.samplings] == [10, 4, 5]
    assert {one.passes for one in found.samplings} == {2}
    assert any("Uni3C" in patch for patch in structure.patches)
    assert low.patches == ()
    assert [one.kind for one in found.passages].count("decode") == 2
    assert found.unknown == ()


def test_one_pass_a_step_without_guidance() -> None:
    """With cfg 1 no negative prompt is computed, and a job samples in half the time."""
    twice = work(bound("wan22-i2v", cfg=3.5))
    once = work(bound("wan22-i2v", cfg=1))
    assert {one.passes for one in twice.samplings} == {2}
    assert {one.passes for one in once.samplings} == {1}
    slow, fast = sampling(estimate(twice, "H200-141GB", SIZES)), sampling(estimate(once, "H200-141GB", SIZES))
    assert slow == pytest.approx(2 * fast)


def sampling(found: Estimate) -> float:
    return sum(part.seconds.likely for part in found.parts if "steps" in part.why)


def test_a_node_that_nobody_knows_is_named() -> None:
    """Work that cannot be counted is said, not taken for none."""
    nodes = bound("wan22-i2v").prompt
    nodes["99"] = {"class_type": "SomethingNew", "inputs": {}, "_meta": {"title": "Who knows"}}
    assert work(Graph(nodes)).unknown == ("Who knows",)


@pytest.mark.parametrize(
    ("gpu", "length", "fit"),
    [
        ("RTX4090", 81, "fits"),
        ("RTX4090", 121, "offload"),
        ("RTX4090", 241, "too large"),
        ("A100-40GB", 241, "fits"),
        ("H200-141GB", 241, "fits"),
    ],
)
def test_what_fits(gpu: Gpu, length: int, fit: str) -> None:
    """A 14B model in fp8 at 720p: 24 GB hold 81 frames, 121 with weights from outside, and 241 not at all."""
    assert estimate(work(bound("wan22-i2v", width=1280, height=720, length=length)), gpu, SIZES).fit == fit


def test_a_figure_says_how_sure_it_is() -> None:
    """An H200's times are measured, another GPU's are scaled, and so have a wider range."""
    asked = work(bound("wan22-i2v"))
    measured, scaled = estimate(asked, "H200-141GB", SIZES), estimate(asked, "L40S", SIZES)
    assert (measured.basis, scaled.basis) == ("measured", "scaled")
    assert scaled.seconds.likely > 2 * measured.seconds.likely
    assert scaled.seconds.high / scaled.seconds.low > measured.seconds.high / measured.seconds.low
    assert measured.dollars(Decimal("3.60")) == pytest.approx(
        Decimal(measured.seconds.likely) / 1000, rel=Decimal("0.01")
    )


def test_finished_jobs_correct_the_figure() -> None:
    """What this project's own jobs took on a GPU replaces the scaling there, and nowhere else."""
    plain = estimate(work(bound("wan22-i2v")), "L40S", SIZES)
    seen = [Observation("wan22-i2v", "L40S", seconds, 100) for seconds in (140, 150, 160)]
    better = learned(plain, "wan22-i2v", seen)
    assert (better.basis, better.learned_from) == ("learned", 3)
    assert better.seconds.likely == pytest.approx(1.5 * plain.seconds.likely)
    assert learned(plain, "another", seen) == plain
    assert learned(estimate(work(bound("wan22-i2v")), "A100-80GB", SIZES), "wan22-i2v", seen).basis == "scaled"


def test_a_far_smaller_job_teaches_nothing() -> None:
    """A demo whose half a second is all beginning does not make thirty seconds in 2K four times as long."""
    plain = estimate(work(bound("wan22-i2v")), "L40S", SIZES)
    tenth = plain.seconds.likely / 10
    tiny, fair = (Observation("wan22-i2v", "L40S", 4 * likely, likely) for likely in (tenth * 0.9, tenth * 1.1))
    assert learned(plain, "wan22-i2v", [tiny]) == plain
    assert learned(plain, "wan22-i2v", [tiny, fair]).learned_from == 1


def test_every_gpu_has_figures() -> None:
    """Whatever a stack may ask for can be planned."""
    assert set(get_args(Gpu)) == set(GPUS)


def test_an_empty_graph_asks_for_nothing() -> None:
    """No samplers, no passages: only the texts are left."""
    assert work(Graph({})) == Work()
