"""What is left of an attempt that failed on a real stand-in, and of a video that is only suspicious."""

import json
from pathlib import Path
from typing import Any

from tests.doubles.studio import Heard, plan, run, workers
from videogen import breakage, breakdown
from videogen.breakage import Tried
from videogen.ledger import Ledger
from videogen.ledger_rows import AttemptState
from videogen.store import Store
from videogen.success import success


def tried(ledger: Ledger) -> list[Tried]:
    """All attempts that say something, with flaws."""
    found = breakage.ended(ledger.jobs("walk"), ledger.attempts("walk"))
    return [
        Tried(one.job, one.attempt, tuple(f for row in ledger.outputs(one.attempt.prompt_id) for f in row.flaws))
        for one in found
    ]


def test_a_failure_keeps_what_its_record_needs(tmp_path: Path, store: Store) -> None:
    """Graph, parameters, worker, versions and memory are in the ledger; the record has a page with all of it."""
    what = plan(tmp_path, [1, 2], attempts=1)
    with workers(tmp_path, 1, faults=[{"name": "black", "times": 1}]) as (worker,):
        run(what, [worker.url], store, Heard(), gpus=["L40S"])
    with Ledger.open(tmp_path / "ledger.sqlite", read_only=True) as ledger:
        seen = tried(ledger)
    bad = next(one for one in seen if one.failure)
    assert bad.failure is not None
    kept: dict[str, Any] = bad.failure.evidence

    assert kept["graph"] == next(job.prompt for job in what.jobs if job.id == bad.job.id)
    assert kept["parameters"] == bad.job.parameters
    assert kept["findings"] == [{"kind": "black", "message": "is black in 5 of 5 frames"}]
    assert (bad.attempt.gpu, kept["worker"]["gpu"]) == ("L40S", "L40S")
    assert "comfyui_version" in kept["worker"]
    assert kept["memory"]["ram_total"] > 0
    page = breakdown.record(breakage.patterns(seen)[0], "ja", lambda _: []).text
    for words in (
        "出力動画の破綻",
        "- 真っ黒: is black in 5 of 5 frames",
        "L40S",
        "64x64",
        "同じ条件での試行 2 回のうち 1 回",
    ):
        assert words in page, words


def test_success_is_counted_gpu_against_gpu(tmp_path: Path, store: Store) -> None:
    """Two workers of different GPUs are two rows, and every job is on one of them."""
    with workers(tmp_path, 2) as pair:
        run(plan(tmp_path, [1, 2, 3, 4]), [one.url for one in pair], store, Heard(), gpus=["L40S", "RTX4090"])
    with Ledger.open(tmp_path / "ledger.sqlite", read_only=True) as ledger:
        rows = success(tried(ledger))

    assert {row.gpu for row in rows} == {"L40S", "RTX4090"}
    assert sum(row.done for row in rows) == 4
    assert all(row.rate == 1 and row.first == row.jobs and 0 < row.margin < 0.5 for row in rows)


def test_a_record_tells_how_far_a_good_video_was(tmp_path: Path, store: Store) -> None:
    """Flaws and measures stand in the record of each output, in the bucket as well."""
    what = plan(tmp_path, [1], {"length": 33})
    with workers(tmp_path, 1) as (worker,):
        run(what, [worker.url], store, Heard())
    with Ledger.open(tmp_path / "ledger.sqlite", read_only=True) as ledger:
        (row,) = ledger.done_outputs("walk", what.jobs[0].id)
        (attempt,) = ledger.attempts("walk")
    record = json.loads(store.get_bytes(store.outputs, f"outputs/walk/{what.jobs[0].id}/record.json"))

    assert attempt.state is AttemptState.DONE
    assert row.flaws == ()
    assert record["outputs"][0]["flaws"] == []
    assert record["outputs"][0]["measures"]["flicker_levels"] < 2
