"""A batch on each GPU: its time, its bill, what was learned, and what to cut."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.doubles import studio
from tests.doubles.s3_server import S3Server
from tests.doubles.studio import Heard, plan, run, workers
from videogen import prepare, project
from videogen.batch import Job
from videogen.boundary import Ask, observed
from videogen.boundary_store import BoundaryStore
from videogen.budget import Budget
from videogen.gpu import Gpu
from videogen.job_forecast import Forecast, Known, best, forecasts, within
from videogen.lease import LeaseTerms
from videogen.ledger import Ledger
from videogen.ledger_rows import HERE
from videogen.money import Cap
from videogen.planner.estimate import Observation, Seconds
from videogen.planner.jobs import works
from videogen.planner.rental import Terms, assumed_boot, bill
from videogen.planner.work import Clip, Frames, Work
from videogen.prepare import PreparedBatch
from videogen.traffic import AWS_S3, NO_EGRESS_COST

ROOT = project.root()
MANIFEST = project.read_manifest(ROOT / "models_manifest.yaml").as_if_pinned()
SIZES = {one.comfy_name: one.expected_bytes for one in MANIFEST.select("c").models}
PRICES: dict[Gpu, Decimal] = {"H200-141GB": Decimal("5.10"), "L40S": Decimal("1.40"), "RTX4090": Decimal("0.70")}
TERMS = Terms(1, 15, Seconds(300, 100, 900), "assumed", 100 * 10**9, AWS_S3)


@pytest.fixture(scope="module")
def production() -> PreparedBatch:
    return prepare.prepare(ROOT / "batches" / "production-2k-30s.yaml", "c", MANIFEST)


@pytest.fixture
def short(tmp_path: Path) -> list[Job]:
    """Four jobs at 720p, 81 frames."""
    return list(plan(tmp_path, range(4), {"width": 720, "height": 1280, "length": 81, "steps": 10}).jobs)


def of(jobs: list[Job], gpu: Gpu = "H200-141GB", terms: Terms = TERMS, known: Known | None = None) -> Forecast:
    sizes = {name: 14 * 10**9 for job in jobs for one in works([job])[job.id].samplings for name in (one.model,)}
    return forecasts(jobs, studio.short(), [gpu], sizes, terms, PRICES, known)[0]


def test_two_kilopixels_for_thirty_seconds_take_less_than_ten_minutes(production: PreparedBatch) -> None:
    """On one H200 all segments, their enlargement and the stitching are done in 600 s, each part measured or named."""
    found = forecasts(production.jobs, production.workflow, ["H200-141GB"], SIZES, TERMS, PRICES)[0]
    lines = {line.title: line for line in found.parts}

    assert 400 < found.wall.likely < 0.9 * 600
    assert (found.basis, found.fit) == ("measured", "fits")
    assert found.finished_seconds >= 30
    assert found.videos == 1
    assert found.unknown == ()
    assert sum(line.seconds.likely for line in found.parts) == pytest.approx(found.work.likely)
    segments = sum(job.step == "draw" for job in production.jobs)
    assert lines["draw: High-noise sampler"].times == lines["enlarge: Four times as wide"].times == segments
    assert lines["stitch: stitch"].times == 1
    assert found.work.low < found.wall.likely <= found.work.likely


def test_within_the_policy_there_is_no_time_to_spare(tmp_path: Path) -> None:
    """The same thirty seconds without the 4-step LoRAs, for which no policy is left, take about ten minutes."""
    text = (ROOT / "batches" / "production-2k-30s.yaml").read_text()
    for old, new in (
        ("cfg: 1\n", "cfg: 3.5\n"),
        ("turbo: 1.0", "turbo: 0"),
        ("leave_policy: [cfg]", ""),
        ("inputs/", f"{ROOT}/batches/inputs/"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "batch.yaml").write_text(text)
    found = prepare.prepare(tmp_path / "batch.yaml", "c", MANIFEST)

    assert forecasts(found.jobs, found.workflow, ["H200-141GB"], SIZES, TERMS, PRICES)[0].wall.likely > 0.95 * 600


def test_a_video_is_followed_through_its_chain(production: PreparedBatch) -> None:
    """What is enlarged has the shape that was drawn, and the stitched one is as long as its segments less what they share."""
    found = works(production.jobs)
    enlarged = [found[job.id] for job in production.jobs if job.step == "enlarge"]
    drawn = [found[job.id].clip for job in production.jobs if job.step == "draw"]
    whole = found[production.jobs[-1].id].clip

    assert all(clip is not None for clip in drawn)
    upscaled = [passage.frames for one in enlarged for passage in one.passages if passage.kind.startswith("upscale")]
    assert upscaled == [clip.frames for clip in drawn if clip]
    assert whole is not None
    assert (whole.fps, whole.frames.width) == (32, 1440)
    assert whole.frames.count == sum(one.clip.frames.count for one in enlarged if one.clip) - 9 * (len(enlarged) - 1)
    assert Work.of(enlarged[0].document()) == enlarged[0]


def test_workers_share_a_batch_and_wait_for_its_end(short: list[Job]) -> None:
    """Two workers take half the time and as much money; a worker's first job loads the models, the others find them."""
    one, two = of(short), of(short, terms=replace(TERMS, workers=2))
    loading = next(line for line in one.parts if line.title == "models")

    assert two.wall.likely == pytest.approx(one.wall.likely / 2, rel=0.05)
    assert loading.times == 4
    assert loading.seconds.likely == pytest.approx(4 * 3 + 28e9 / 2**30 * 0.22)
    assert one.batch.likely == one.wall.likely + 300


def test_the_bill_ends_before_the_last_post_step(production: PreparedBatch) -> None:
    """Stitching waits until the machines are gone: it takes time, and neither money nor minutes of the lease."""
    found = forecasts(production.jobs, production.workflow, ["H200-141GB"], SIZES, TERMS, PRICES)[0]
    stitch = next(line.seconds for line in found.parts if line.title == "stitch: stitch")
    rent = Decimal(300 + found.rented.likely + 60) * PRICES["H200-141GB"] / 3600
    lease = LeaseTerms(total=(found.paid.high + 1) / 60, idle=20, boot=15)
    budget = Budget(Cap(run=Decimal(100), month=Decimal(999)), 1, Decimal("5.10"), lease, Decimal(9))

    assert found.wall.likely == pytest.approx(found.rented.likely + stitch.likely)
    assert found.bill.dollars.likely == pytest.approx(rent + found.bill.traffic.likely, abs=Decimal("0.01"))
    assert (found.batch.high > budget.paid_minutes * 60, within(found, budget)) == (True, "yes")


def test_the_bill_has_boot_idle_time_and_traffic() -> None:
    """Workers are paid from their start to their end, and models each time they leave the store."""
    wall = Seconds(3600, 1800, 7200)
    found = bill(replace(TERMS, workers=2), Decimal(6), wall)
    assert found.traffic.likely == Decimal("18.00")
    assert found.dollars.likely == Decimal("18.00") + 2 * Decimal(300 + 3600 + 60) / 600
    assert found.dollars.high == Decimal("18.00") + 2 * Decimal(900 + 7200 + 900) / 600
    assert found.dollars.low == Decimal("18.00") + (2 * Decimal(100 + 1800) / 600).quantize(Decimal("0.0001"))
    assert bill(replace(TERMS, egress=NO_EGRESS_COST), Decimal(6), wall).traffic.high == 0
    kept = bill(replace(TERMS, kept=True), Decimal(6), wall).traffic
    assert (kept.likely, kept.high) == (Decimal(0), Decimal("9.00"))


def test_a_boot_that_nobody_saw_is_said_to_be_assumed() -> None:
    """60 GB at 2 Gbit/s are four minutes on top of the machine's three; a volume spares them."""
    boot, basis = assumed_boot(60 * 10**9, kept=False)
    assert (boot.likely, boot.low < boot.likely < boot.high) == (420, True)
    assert basis.startswith("assumed: ")
    assert assumed_boot(60 * 10**9, kept=True)[0].likely == 180


def test_the_cheapest_and_the_fastest_are_of_those_that_fit(short: list[Job]) -> None:
    """A GPU that is too small is neither, and one without a price is not the cheapest."""
    sizes = {name: 27 * 10**9 for job in short for name in works([job])[job.id].models}
    gpus: list[Gpu] = ["RTX4090", "L40S", "H100-80GB", "H200-141GB"]
    found = forecasts(short, studio.short(), gpus, sizes, replace(TERMS, egress=None), PRICES)
    cheapest, fastest = best(found)
    assert cheapest is not None
    assert fastest is not None
    assert (cheapest.gpu, fastest.gpu) == ("L40S", "H200-141GB")
    assert {one.gpu: one.possible for one in found}["RTX4090"] == (found[0].fit != "too large")
    assert found[2].dollars_a_second is None


def test_what_does_not_fit_is_told_the_first_rung_that_helps(tmp_path: Path) -> None:
    """241 frames at 720p are too many for 24 GB: a smaller video is not, and fewer frames alone are not asked for."""
    jobs = list(plan(tmp_path, [1], {"width": 720, "height": 1280, "length": 241}).jobs)
    small, large = of(jobs, "RTX4090"), of(jobs)
    assert (small.possible, small.cut) == (False, ("smaller",))
    assert (large.fit, large.cut) == ("fits", ())


def test_a_gpu_whose_memory_ended_begins_lower(short: list[Job]) -> None:
    """The boundary counts more than the arithmetic: the forecast is that of the rung on which jobs will begin."""
    ask = Ask("wan22-i2v", 720, 1280, 81, "default")
    ends = tuple(observed(ask, "L40S", rung, works=False) for rung in ("", "fp8"))
    plain, known = of(short, "L40S"), of(short, "L40S", known=Known(boundary=ends))
    assert (plain.begins, known.begins) == ((), ("smaller",))
    assert known.work.likely < plain.work.likely / 2
    assert of(short, "H200-141GB", known=Known(boundary=ends)).begins == ()


def test_finished_jobs_correct_the_forecast(short: list[Job]) -> None:
    """Where this project has jobs of its own, they say how long it takes; the table says from how many."""
    plain = of(short, "L40S")
    seen = tuple(Observation("wan22-i2v", "L40S", 200, 100) for _ in range(3))
    better = of(short, "L40S", known=Known(finished=seen))
    assert (plain.basis, better.basis) == ("scaled", "learned from 3")
    assert better.work.likely == pytest.approx(2 * plain.work.likely, rel=0.05)


def test_post_steps_learn_from_this_machine(production: PreparedBatch) -> None:
    """A stitch that took twice as long here takes twice as long in the next forecast, on whatever GPU."""
    known = Known(finished=(Observation("stitch", HERE, 200, 100),))
    both = [
        forecasts(production.jobs, production.workflow, ["H200-141GB"], SIZES, TERMS, PRICES, one)[0]
        for one in (Known(), known)
    ]
    plain, better = (next(line for line in one.parts if line.title == "stitch: stitch") for one in both)
    assert better.seconds.likely == pytest.approx(2 * plain.seconds.likely)
    assert both[1].basis == "measured"


def test_a_motion_video_counts_with_its_own_frames(tmp_path: Path) -> None:
    """An input that is known costs what it has, one that is not what is drawn at most."""
    found = prepare.prepare(ROOT / "batches" / "demo-enlarge.yaml", "c", MANIFEST)
    name = next(file.name for file in found.jobs[0].inputs if file.name.endswith(".mp4"))
    known = works(found.jobs, {name: Clip(Frames(320, 576, 49), 16)})[found.jobs[0].id]
    assert next(one.frames for one in known.passages if one.kind.startswith("upscale")) == Frames(320, 576, 49)
    assert known.clip is not None


# The command line and this machine's past


def videogen(state: Path, *words: str, project: Path = ROOT) -> tuple[int, Any, str]:
    environment = os.environ | {"VIDEOGEN_STATE": str(state), "VIDEOGEN_PROJECT": str(project)}
    done = subprocess.run(
        [sys.executable, "-m", "videogen.cli", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if "--json" in words and done.stdout else done.stdout, done.stderr


def test_the_plan_of_a_batch_is_a_table(tmp_path: Path) -> None:
    """Each GPU of the phase with time, dollars, memory and basis; what is cheapest and fastest; parts on request."""
    code, out, err = videogen(tmp_path, "plan", "batches/production-2k-30s.yaml", "--phase", "c", "--parts")
    assert code == 0
    assert all(gpu in out for gpu in ("H100-80GB", "H200-141GB", "A100-80GB"))
    assert out.count("cheapest") == out.count("fastest") == 1
    assert "enlarge: Four times as wide" in out
    assert "assumed: machine and image" in err
    assert "prices are the ceilings of Pulumi.phase-c.yaml" in err
    assert re.search(
        r"at worst \$\d+\.\d\d: 2 workers for 480 minutes at \$5.10/h and .* of traffic; .* \$110, bears it", err
    )
    assert re.search(r"with 1 worker on \S+ it is \$[\d.]+ in .*, with 2 it is \$[\d.]+ in ", err)


def test_a_plan_says_what_the_cap_pays_when_it_is_too_small(tmp_path: Path) -> None:
    """Both figures of time and money, the minutes that are paid, and a GPU that the cloud does not rent out."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for path in ROOT.iterdir():
        if path.name.startswith(("Pulumi", "models_manifest", "workflows", "batches")):
            (checkout / path.name).symlink_to(path)
    stack = checkout / "Pulumi.phase-a.yaml"
    text = re.sub(r"cap: \{run: \d+", "cap: {run: 9.2", stack.read_text())
    stack.unlink()
    stack.write_text(text)
    words = ("plan", "batches/demo.yaml", "--phase", "a")
    _, out, err = videogen(tmp_path / "state", *words, project=checkout)
    _, said, _ = videogen(tmp_path / "state", *words, "--json", project=checkout)

    assert "A100-40GB" not in out
    assert "left out: A100-40GB, which runpod does not rent out" in err
    assert re.search(r"at worst \$[\d.]+: 1 worker for 240 minutes .*; the cap of a run, \$9.2, pays \d\d minutes", err)
    assert "`videogen run` shortens the lease" in err
    assert re.search(r"on L40S it may not be done within \d\d minutes: about .*, at worst .* \(\$[\d.]+, at worst", err)
    assert (said["paid_minutes"] < 60, float(said["worst_dollars"]) > 9.2) == (True, True)
    assert {one["gpu"]: one["done_in_paid_time"] for one in said["gpus"]}["L40S"] == "perhaps"


def test_the_cap_holds_at_the_highest_price() -> None:
    """The lease is cut to what is paid for, traffic first; nothing billed is never cut."""
    lease = LeaseTerms(total=240, idle=20, boot=20)
    one = Budget(Cap(run=Decimal(10), month=Decimal(99)), 2, Decimal(3), lease, Decimal(4))
    assert (one.worst, one.paid_minutes, one.pays_work) == (Decimal("28.00"), 60, True)
    assert one.terms == LeaseTerms(total=60, idle=20, boot=20)
    assert not replace(one, cap=Cap(run=Decimal(6), month=Decimal(99))).pays_work
    assert replace(one, cap=Cap(run=Decimal(28), month=Decimal(99))).terms == lease
    assert replace(one, dollars_per_hour=Decimal(0)).terms == lease


def test_a_plan_says_what_it_stands_on(tmp_path: Path) -> None:
    """In JSON: every number with its range, which GPU has no price, and exit code 2 for a GPU that is none."""
    words = ("plan", "batches/demo.yaml", "--phase", "a", "--gpu", "L40S", "--gpu", "H200-141GB", "--json")
    code, out, _ = videogen(tmp_path, *words)
    priced, bare = out["gpus"]
    assert code == 0
    assert priced["dollars"]["low"] < priced["dollars"]["likely"] < priced["dollars"]["high"]
    assert (bare["basis"], bare["dollars"], out["cheapest"], out["fastest"]) == ("measured", None, "L40S", "H200-141GB")
    code, _, err = videogen(tmp_path, "plan", "batches/demo.yaml", "--gpu", "H200")
    assert code == 2
    assert "no GPU `H200`" in err
    assert "one of: A100-40GB" in err


def test_a_batch_that_nothing_holds_fails_with_what_to_cut(tmp_path: Path) -> None:
    """Exit code 1, and the first rung that would help."""
    picture = ROOT / "batches" / "inputs" / "character.png"
    batch = tmp_path / "long.yaml"
    batch.write_text(
        f"schema: 1\nname: long\nworkflow: wan22-i2v\n"
        f"fixed: {{prompt: x, character: {os.path.relpath(picture, tmp_path)}, length: 241}}\n"
    )
    code, out, err = videogen(tmp_path / "state", "plan", str(batch), "--phase", "c", "--gpu", "RTX4090")
    assert code == 1
    assert "cut: " in out
    assert "no GPU holds every job; what would: the rung " in err


def test_what_was_rendered_here_is_learned_and_shown(tmp_path: Path, s3: S3Server) -> None:
    """After a batch the next plan knows its GPU's time and boundary; `videogen boundary` shows the latter."""
    state = tmp_path / "state" / "phase-a"
    state.mkdir(parents=True)
    what = plan(tmp_path, [1, 2])
    with workers(tmp_path, 1) as (one,):
        one.faults({"name": "out_of_memory", "over": {"width": 32}})
        ledger = state / "ledger.sqlite"
        assert run(what, [one.url], s3.store(), Heard(), ledger=ledger, gpus=["L40S"]).done == 2
    code, rows, _ = videogen(tmp_path / "state", "boundary", "--gpu", "L40S", "--json")
    memory = {(row["rung"], row["memory"]) for row in rows}
    assert (code, memory) == (0, {("", "memory ends"), ("fp8", "memory ends"), ("smaller", "works")})
    assert videogen(tmp_path / "state", "boundary", "--workflow", "other", "--json")[1] == []
    words = ("plan", "batches/demo-short.yaml", "--phase", "a", "--manifest", "models_manifest.dev.yaml", "--json")
    _, out, _ = videogen(tmp_path / "state", *words)
    learned = {one["gpu"]: (one["basis"], one["begins_at"]) for one in out["gpus"]}
    assert learned["L40S"] == ("learned from 2", ["smaller"])
    assert learned["A100-80GB"] == ("scaled", [])


def test_the_boundary_of_both_is_one_row(tmp_path: Path) -> None:
    """What worked once and failed once is said to end now and then, with the most memory that was seen."""
    ask = Ask("w", 64, 64, 5, "fp8")
    state = tmp_path / "phase-b"
    state.mkdir()
    with Ledger.open(state / "ledger.sqlite") as ledger:
        known = BoundaryStore(ledger.file)
        known.add(
            [
                observed(ask, "L40S", "", works=works, peak_bytes=peak * 2**30)
                for works, peak in ((True, 20), (False, 40), (True, 30))
            ]
        )
    _, rows, _ = videogen(tmp_path, "boundary", "--json")
    assert [(row["memory"], row["peak_gib"]) for row in rows] == [("memory ends now and then", 40)]
    assert "64×64" in videogen(tmp_path, "boundary")[1]
