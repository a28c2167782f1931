"""A job's values, its input files, and its GPU: what would come out wrong though every node takes it."""

import re
from decimal import Decimal
from typing import Any

import pytest

from tests.doubles import linted
from videogen import project
from videogen.batch import Batch, Job, Limits
from videogen.definition import Parameter, Target
from videogen.gpu import Offer
from videogen.lint import Finding, Media, Offers, fitting, idle_slots, input_findings, job_findings
from videogen.money import Cap
from videogen.planner.estimate import Seconds
from videogen.planner.rental import Terms
from videogen.stack_terms import StackTerms


def sampler(values: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "class_type": "KSamplerAdvanced",
        "inputs": {"steps": 10, "start_at_step": 0, "end_at_step": 5, **values},
        **more,
    }


def said(high: dict[str, Any], low: dict[str, Any]) -> list[tuple[str, str, str]]:
    prompt = {
        "1": sampler({"return_with_leftover_noise": "enable", **high}, _meta={"title": "High"}),
        "2": sampler(
            {"latent_image": ["1", 0], "start_at_step": 5, "end_at_step": 10000, **low}, _meta={"title": "Low"}
        ),
    }
    found = [one for one in job_findings(prompt, {}, None, "b.yaml") if "no node class" not in one.message]
    return [(one.severity, one.node, one.message) for one in found]


@pytest.mark.parametrize(
    ("high", "low", "expected"),
    [
        ({}, {}, []),
        ({"start_at_step": 5}, {}, [("error", "High", "does no step: it starts at 5 and ends at 5 of 10")]),
        ({}, {"start_at_step": 12}, [
            ("error", "Low", "does no step: it starts at 12 and ends at 10 of 10"),
            ("warning", "Low", "starts at step 12, but `High` stops at 5: it skips 7"),
        ]),
        ({}, {"start_at_step": 3}, [("warning", "Low", "starts at step 3, but `High` stops at 5: it repeats 2")]),
        ({"return_with_leftover_noise": "disable"}, {"start_at_step": 3}, []),
        ({"end_at_step": ["9", 0]}, {}, []),
    ],
)  # fmt: skip
def test_samplers_share_the_steps(high: dict[str, Any], low: dict[str, Any], expected: Any) -> None:
    """Each does at least one, and the second goes on where the first stopped."""
    assert said(high, low) == expected


def media(kind: Any, found: Media, start: int = 0, **values: Any) -> list[Finding]:
    parameter = Parameter(name="motion", about="cut to `length`", type=kind, sets=(Target(title="A", input="file"),))
    return list(input_findings(parameter, found, {"steps": 6, **values}, "b.yaml:7: fixed/motion", start))


MOTION = Media(480, 832, 49, 16.0)


@pytest.mark.parametrize(
    ("kind", "found", "values", "expected"),
    [
        ("video", MOTION, {"length": 49, "fps": 16.0}, None),
        ("video", MOTION, {"length": 81}, "has 49 frames, 32 fewer than the 81 that are read"),
        ("video", MOTION, {"length": 33, "start": 28}, "has 49 frames, 12 fewer than the 61 that are read"),
        ("video", MOTION, {"length": 33, "start": 76}, "has 49 frames, 33 fewer than the 109 that are read"),
        ("video", Media(480, 832, 99, 30.0), {"fps": 16}, "plays at 30 fps and is read frame by frame for 16: it moves 1.9 times slower"),
        ("video", Media(480, 832, 99, 8.0), {"fps": 16}, "plays at 8 fps and is read frame by frame for 16: it moves 2 times faster"),
        ("image", Media(240, 416, 1, 0), {"width": 480, "height": 832}, "is 240x416, enlarged 2.0 times for 480x832"),
        ("image", Media(900, 900, 1, 0), {"width": 480, "height": 832}, "is 900x900: 42% of it is cut off, or it is squeezed, for 480x832"),
        ("image", Media(500, 832, 1, 0), {"width": 480, "height": 832}, None),
    ],
)  # fmt: skip
def test_an_input_is_long_and_large_enough(
    kind: Any, found: Media, values: dict[str, Any], expected: str | None
) -> None:
    """Warnings only: what happens is the workflow's own matter, and its words are the hint."""
    told = media(kind, found, **values)
    assert [one.message for one in told] == ([expected] if expected else [])
    assert {one.severity for one in told} <= {"warning"}
    assert all(one.hint and one.address == "b.yaml:7: fixed/motion" for one in told)


OFFERS = (Offer(gpu="RTX4090", dollars_per_hour=Decimal(1)), Offer(gpu="A100-80GB", dollars_per_hour=Decimal(2)))


def job(number: int = 0, **values: Any) -> Job:
    graph = linted.nodes("wan22-i2v")
    for node in graph.values():
        node["inputs"] |= {name: value for name, value in values.items() if name in node["inputs"]}
    return Job(f"j{number}", "j", "b", "wan22-i2v", dict(values), graph, (), {}, ())


def fits(
    jobs: list[Job], cap: int = 100, minutes: float = 600, gib: float = 13.3, cloud: str = "runpod", boot: float = 0
) -> list[tuple[str, str]]:
    names = {str(node["inputs"].get("unet_name")) for node in jobs[0].prompt.values()}
    sizes = {name: round(gib * 1024**3) for name in names}
    rented = StackTerms(gpus=OFFERS, cloud=cloud, cap=Cap(run=Decimal(cap), month=Decimal(cap)))
    terms = Terms(1, 10, Seconds(boot, boot, boot), "", 0, None)
    offers = Offers("Pulumi.phase-x.yaml", rented, terms)
    workflow = project.read_workflow("wan22-i2v")
    found = fitting(jobs, workflow, Limits(job_minutes=minutes), offers, sizes, "b.yaml")
    return [(one.severity, one.message) for one in found if not one.node]


def test_a_small_job_fits() -> None:
    """On one of the GPUs at least, which is enough."""
    assert fits([job(width=480, height=832, length=81)]) == []


def test_a_job_that_no_gpu_holds_is_found() -> None:
    """However its weights come and go; with what the GPUs have."""
    ((severity, message),) = fits([job(width=2048, height=2048, length=241)])
    assert severity == "error"
    assert "no GPU of the phase holds it" in message


def test_weights_that_come_and_go_are_a_warning() -> None:
    """It works, and takes longer."""
    ((severity, message),) = fits([job(width=480, height=832, length=81)], gib=90)
    assert severity == "warning"
    assert "weights come and go" in message


def test_a_batch_that_the_cap_ends_first_is_found() -> None:
    """Likely too long is an error, too long in the worst case a warning, each with both figures; a larger cap is right.

    The cap pays at the highest price that may be asked, whichever GPU is the cheapest: $2 an hour here.
    """
    jobs = [job(number, width=480, height=832, length=81) for number in range(40)]
    (likely,) = fits(jobs, cap=1)
    assert likely[0] == "error"
    assert re.search(
        r"about \d+ minutes and \$[\d.]+, at worst \d+ and \$[\d.]+; workers may live 30 minutes", likely[1]
    )
    assert "what the cap of $1 a run pays at up to $2.00/h" in likely[1]
    (perhaps,) = fits(jobs[:1], cap=1, boot=1500)
    assert perhaps[0] == "warning"
    assert fits(jobs[:1], cap=1) == []
    assert fits(jobs, cap=100) == []


def test_the_lease_ends_a_batch_too() -> None:
    """Eight hours are what the stack grants; money would be left."""
    ((severity, message),) = fits([job()], cap=1000, boot=8 * 3600)
    assert severity == "error"
    assert "workers may live 480 minutes, the lease" in message


def test_a_cap_of_nothing_pays_nothing() -> None:
    """It is no word for without end; where nothing is rented there is no bill, and no GPU to look at."""
    ((severity, message),) = fits([job(width=480, height=832, length=81)], cap=0)
    assert (severity, "workers may live 0 minutes" in message) == ("error", True)
    assert fits([job(width=480, height=832, length=81)], cap=0, cloud="local") == []


@pytest.mark.parametrize(
    ("values", "chosen", "expected"),
    [
        ({"lora_strength": 0.8}, {}, ["lora_strength: 0.8 does nothing: the slots `style-lora-high` and `style-lora-low` are"]),
        ({"lora_strength": 0.0}, {}, []),
        ({"lora_strength": 0.8}, {"style-lora-high": "x"}, ["lora_strength: 0.8 does nothing: the slot `style-lora-low` is"]),
        ({"lora_strength": 0.8}, {"style-lora-high": "x", "style-lora-low": "x"}, []),
        ({}, {"style-lora-high": "x"}, ["lora_strength: is 0, so that what was chosen for `style-lora-high` is left out"]),
        ({"lora_strength": 0.0}, {"style-lora-high": "x"}, ["lora_strength: is 0, so that what was chosen for `style-lora-high` is"]),
        ({}, {}, []),
        ({"turbo": 1.0}, {}, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("workflow", ["wan22-i2v", "long-i2v"])
def test_a_wish_for_a_model_that_is_left_out_is_found(
    workflow: str, values: dict[str, Any], chosen: dict[str, str], expected: list[str]
) -> None:
    """A strength without a model and a model without a strength, also through a chain; a filled slot is right."""
    models = project.read_manifest(project.root() / "models_manifest.yaml").select("a")
    wanted = Batch.model_validate({"schema": 1, "name": "x", "workflow": workflow, "fixed": values, "models": chosen})
    found = [f"{name}: {said}" for name, said, _ in idle_slots(wanted, project.read_workflow(workflow), None, models)]
    assert len(found) == len(expected)
    assert all(said.startswith(start) for said, start in zip(found, expected, strict=True)), found


def test_a_job_longer_than_its_limit_is_a_warning() -> None:
    """It would be ended before it is done."""
    ((severity, message),) = fits([job(width=480, height=832, length=81)], minutes=0.1)
    assert severity == "warning"
    assert "is ended after 0.1" in message
