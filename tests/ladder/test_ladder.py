"""The shrink ladder as values: what each rung means for a job, and where to begin on a GPU."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.studio import plan, short
from videogen import project
from videogen.batch import Job, Need
from videogen.boundary import Ask, Observation, holds, observed
from videogen.errors import InputError
from videogen.ladder import AS_ASKED, ask_of, first, hint, larger, shorter_segments, steps
from videogen.planner.jobs import works
from videogen.prepare import prepare

ASK = Ask("wan22-i2v", 720, 1280, 81, "fp16")


def rungs(job: Job, *others: Job) -> list[str]:
    return [step.rung for step in steps(job, short(), [job, *others])]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """480×832, 81 frames."""
    return plan(tmp_path, [1], {"width": 480, "height": 832, "length": 81}).jobs[0]


def test_each_rung_keeps_what_the_ones_before_it_set(job: Job) -> None:
    """From 16 bits to 8, then to half the pixels, then to fewer frames, each rounded to what may be asked for."""
    found = steps(job, short())
    drawn = [step.on(job, short()) for step in found]

    assert [step.rung for step in found] == [AS_ASKED, "fp8", "smaller", "fewer-frames"]
    assert drawn[0] == job
    assert {one.id for one in drawn} == {job.id}
    assert [one.parameters["precision"] for one in drawn] == ["default", *["fp8_e4m3fn"] * 3]
    assert [(one.parameters["width"], one.parameters["height"]) for one in drawn] == [(480, 832)] * 2 + [(336, 576)] * 2
    assert [one.parameters["length"] for one in drawn] == [81, 81, 81, 45]
    latent = next(node for node in drawn[3].prompt.values() if node["class_type"] == "WanImageToVideo")
    assert (latent["inputs"]["width"], latent["inputs"]["length"]) == (336, 45)
    assert job.parameters["length"] == 81


def test_a_rung_that_changes_nothing_is_left_out(job: Job) -> None:
    """Weights whose file is in 8 bits already, and frames that are as few as may be, are not tried once more."""
    prompt = {
        node_id: {**node, "inputs": {**node["inputs"], "unet_name": "wan_fp8_scaled.safetensors"}}
        if node["class_type"] == "UNETLoader"
        else node
        for node_id, node in job.prompt.items()
    }
    assert rungs(replace(job, prompt=prompt)) == [AS_ASKED, "smaller", "fewer-frames"]
    assert rungs(replace(job, parameters={**job.parameters, "length": 5})) == [AS_ASKED, "fp8", "smaller"]


def test_pieces_of_a_chain_still_fit_together(job: Job) -> None:
    """In a chain frames are never cut, and pixels only where the next step sets its own size."""
    draw = replace(job, step="draw")
    need = (Need("video", job.id),)
    enlarge = replace(job, id="e", step="enlarge", needs=need, parameters={"width": 1440, "height": 2560})
    stitch = replace(job, id="s", step="stitch", post="stitch", needs=need)

    assert rungs(draw, enlarge) == [AS_ASKED, "fp8", "smaller"]
    assert rungs(draw, enlarge, stitch) == [AS_ASKED, "fp8"]
    assert rungs(draw, replace(draw, id="d2", needs=need), enlarge) == [AS_ASKED, "fp8", "smaller"]


def test_rungs_that_need_flags_are_no_attempts_but_a_hint(tmp_path: Path) -> None:
    """No prompt can set ComfyUI's flags: they are named when nothing else is left."""
    ladder = "[{rung: offload, why: w, flags: [--lowvram]}, {rung: tiles, why: w, set: {tile: 256}}]"
    flow = short(ladder=ladder)
    assert [step.rung for step in steps(plan(tmp_path, [1], ladder=ladder).jobs[0], flow)] == [AS_ASKED, "tiles"]
    assert hint("H100-80GB", flow) == "a larger GPU: H200-141GB; or ComfyUI's flags --lowvram"
    assert hint("H200-141GB", short()) == "fewer frames, or a smaller size"


@pytest.mark.parametrize(
    ("rung", "message"),
    [
        ("{rung: x, why: w, set: {hight: 5}}", "ladder/0/set/hight: no parameter `hight`"),
        ("{rung: x, why: w, set: {prompt: {times: 0.5}}}", "is text, and only numbers have a factor"),
        ("{rung: x, why: w, set: {width: 65}}", "65 is not a multiple of 16"),
        ("{rung: x, why: w}", "changes nothing"),
    ],
)
def test_a_rung_that_means_nothing_is_refused(rung: str, message: str) -> None:
    """A ladder's slips are found when the workflow is read, at their place."""
    with pytest.raises(InputError, match=message):
        short(ladder=f"[{rung}]")


def seen(width: int, frames: int, rung: str, gpu: str, *, works: bool) -> Observation:
    return observed(replace(ASK, width=width, frames=frames), gpu, rung, works=works)


def held(width: int = 720, frames: int = 81, rung: str = "", gpu: str = "L40S") -> Observation:
    return seen(width, frames, rung, gpu, works=True)


def ended(width: int = 720, frames: int = 81, rung: str = "", gpu: str = "L40S") -> Observation:
    return seen(width, frames, rung, gpu, works=False)


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        ([], None),
        ([held()], True),
        ([ended()], False),
        ([held(frames=121)], True),
        ([held(frames=49)], None),
        ([ended(frames=49)], False),
        ([ended(frames=121)], None),
        ([ended(width=480)], False),
        ([held(), ended()], False),
        ([held(rung="fp8"), held(gpu="H200-141GB")], None),
    ],
)
def test_what_is_known_of_a_size_goes_for_smaller_and_larger_ones(
    known: list[Observation], answer: bool | None
) -> None:
    """What worked works with less, what failed fails with more; another GPU and another rung say nothing."""
    assert holds(ASK, "L40S", "", known) is answer


def test_a_job_begins_where_memory_is_not_known_to_end(job: Job) -> None:
    """The first rung that is not known to fail; the last one where all of them are."""
    ladder, ask = steps(job, short()), ASK
    assert first(ask, "L40S", ladder, []).rung == AS_ASKED
    assert first(ask, "L40S", ladder, [ended(), ended(rung="fp8")]).rung == "smaller"
    assert first(ask, "H200-141GB", ladder, [ended()]).rung == AS_ASKED
    assert first(ask, "L40S", ladder, [ended(rung=step.rung) for step in ladder]).rung == "fewer-frames"


def test_other_software_has_a_boundary_of_its_own(job: Job) -> None:
    """After an update the job is tried as it was asked for; who does not know the software takes what was seen last."""
    ladder, ask = steps(job, short()), ask_of("wan22-i2v", works([job])[job.id])
    assert ask is not None
    old = [observed(ask, "L40S", "", works=False, software="ComfyUI 1")]
    new = [*old, observed(ask, "L40S", "", works=True, software="ComfyUI 2")]

    assert [first(ask, "L40S", ladder, old, one).rung for one in ("", "ComfyUI 1", "ComfyUI 2")] == ["fp8", "fp8", ""]
    assert [first(ask, "L40S", ladder, new, one).rung for one in ("", "ComfyUI 1", "ComfyUI 2")] == ["", "fp8", ""]


def test_an_observation_seen_twice_is_one() -> None:
    """Equal observations have one digest and one place in the bucket; another peak is another observation."""
    assert held().key == held().key
    assert held().key.startswith("boundary/L40S/")
    assert observed(ASK, "L40S", "", works=True, peak_bytes=20.1 * 1024**3).peak_gib == 21
    assert observed(ASK, "L40S", "", works=True, peak_bytes=1).digest != held().digest
    assert observed(ASK, "a b/c", "", works=True).key.startswith("boundary/a%20b%2Fc/")


def test_what_a_job_asks_comes_from_its_graph(job: Job) -> None:
    """Workflow, size, frames and precision of what is sampled."""
    assert ask_of(job.workflow, works([job])[job.id]) == Ask("wan22-i2v", 480, 832, 81, "default")


def test_larger_gpus_are_named_from_the_smallest_on() -> None:
    """Only those with more memory; none for a GPU that nobody knows."""
    assert larger("A100-80GB") == ("H200-141GB",)
    assert larger("RTX4090")[0] == "A100-40GB"
    assert larger("stand-in") == ()


def test_a_chain_is_drawn_in_shorter_segments_where_none_was_ever_held() -> None:
    """Frames that no rung saves are cut before a chain begins: as long a video, in more pieces."""
    manifest = project.read_manifest(project.root() / "models_manifest.dev.yaml")
    path = project.root() / "batches" / "demo-long.yaml"
    long = prepare(path, "a", manifest)
    draw = next(job for job in long.jobs if job.step == "draw")
    ask = ask_of(draw.workflow, works(long.jobs)[draw.id])
    assert ask is not None
    rungs = [step.rung for step in steps(draw, long.workflow.doing("draw"), long.jobs)]
    fails = [observed(ask, "L40S", rung, works=False) for rung in rungs]

    assert shorter_segments(long.jobs, long.workflow, ["L40S"], fails[:-1]) == {}
    assert shorter_segments(long.jobs, long.workflow, ["L40S", "H200-141GB"], fails) == {}
    assert shorter_segments(long.jobs, long.workflow, ["L40S"], [*fails, observed(ask, "L40S", "", works=True)]) == {}
    cuts = shorter_segments(long.jobs, long.workflow, ["L40S"], fails)
    length = cuts["draw"]["length"]
    assert isinstance(length, int)
    assert (length < ask.frames, length % 4) == (True, 1)

    cut = prepare(path, "a", manifest, cuts)
    drawn = [job for job in cut.jobs if job.step == "draw"]
    assert len(drawn) > sum(job.step == "draw" for job in long.jobs)
    assert {job.parameters["length"] for job in drawn[:-1]} == {length}
    whole, before = works(cut.jobs)[cut.jobs[-1].id].clip, works(long.jobs)[long.jobs[-1].id].clip
    assert whole is not None
    assert before is not None
    assert whole.frames.count >= before.frames.count - 3
    assert hint("L40S", long.workflow.doing("draw"), "draw").startswith("submit the batch again")
