"""Chains on real stand-ins and a real store: jobs that feed jobs."""

import asyncio
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles import studio
from tests.doubles.chain import CHAIN, plan
from tests.doubles.s3_server import S3Server
from tests.doubles.studio import Heard, Lent, run
from videogen.errors import Interrupted
from videogen.failure import FailureClass
from videogen.ledger import Ledger
from videogen.ledger_rows import HERE, JobState
from videogen.media import probe
from videogen.store import Store
from videogen.submission import Plan

pytestmark = pytest.mark.timeout(60)


def _record(store: Store, job: str) -> Any:
    return json.loads(store.get_bytes("outputs", f"outputs/walk/{job}/record.json"))


def _stopped_at(what: Plan, word: str, time: int, one: Lent, s3: S3Server) -> None:
    """A run that the user stops when the listener hears `word` for that time."""
    stop, heard = asyncio.Event(), Heard()
    heard.react = lambda _: stop.set() if len(heard.words(word)) == time else None
    with pytest.raises(Interrupted):
        run(what, [one.url], s3.store(), heard, stop=stop)
    one.idle()


def test_a_chain_is_one_video(tmp_path: Path, s3: S3Server, two: list[Lent]) -> None:
    """Each segment goes on from the bytes of the one before; only the last step's video lies where people look."""
    what, store = plan(tmp_path), s3.store()
    result = run(what, [stand.url for stand in two], store, Heard())
    first, second, stitch, eyes = what.jobs
    folder = tmp_path / "videos" / "walk"

    assert (result.done, result.failed, result.open) == (4, 0, 0)
    assert sum(stand.stats()["prompts"] for stand in two) == 2
    assert sorted(path.name for path in folder.glob("*.mp4")) == [f"{eyes.id}.mp4"]
    assert sorted(path.stem for path in (folder / "steps").glob("*.mp4")) == sorted([first.id, second.id, stitch.id])
    made = _record(store, first.id)["outputs"][0]
    taken = _record(store, second.id)
    assert [file["sha256"] for file in taken["inputs"]] == [made["sha256"]]
    assert "needs/" not in json.dumps(taken["graph"])
    assert probe(folder / "steps" / f"{stitch.id}.mp4", "video").frames == 13
    assert (probe(folder / f"{eyes.id}.mp4", "video").width, probe(folder / f"{eyes.id}.mp4", "video").frames) == (
        256,
        13,
    )
    assert _record(store, eyes.id)["worker"] == {"name": HERE}
    assert result.sheet is not None


def test_nothing_is_given_out_before_its_needs_are_done(tmp_path: Path, s3: S3Server, two: list[Lent]) -> None:
    """Two videos are on the way at once, on both workers, and within each the order holds."""
    what, heard = plan(tmp_path, [1, 2]), Heard()
    for stand in two:
        stand.faults({"name": "slow", "seconds": 0.5})  # the other one begins, too, before one is done
    result = run(what, [stand.url for stand in two], s3.store(), heard)
    at = {(line[0], line[2] if line[0] == "started" else line[1]): place for place, line in enumerate(heard.lines)}

    assert (result.done, [stand.stats()["prompts"] for stand in two]) == (8, [2, 2])
    for job in what.jobs:
        assert all(at["finished", need.job] < at["started", job.id] for need in job.needs)
    begun = [line[2] for line in heard.words("started")]
    assert {begun[0], begun[1]} == {what.jobs[0].id, what.jobs[4].id}


def test_a_failed_need_fails_what_needs_it_and_nothing_else(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Dependents fail untried and name the job to blame; the other video is made. A retry makes the rest."""
    what, heard = plan(tmp_path, [1, 2]), Heard()
    one.faults({"name": "black", "times": 1})
    result = run(what, [one.url], s3.store(), heard)
    kinds = [failure.kind for failure, _ in heard.failures]

    assert (result.done, result.failed, result.open) == (4, 4, 0)
    assert kinds == [FailureClass.BAD_OUTPUT] + [FailureClass.NEEDS_FAILED] * 3
    assert "needs `seed=1 · draw 1/2`, which failed: " in heard.failures[1][0].message
    one.faults()
    one.http.post("/free", json={"free_memory": True})
    again = run(replace(what, retry_failed=True), [one.url], s3.store(), Heard())
    assert (again.done, again.before) == (8, 4)


def test_what_needs_a_job_that_failed_before_fails_at_once(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """A step that is added to a chain whose earlier step failed is not waited for."""
    what = plan(tmp_path)
    shorter = replace(what, jobs=what.jobs[:2])
    one.faults({"name": "black", "times": 1})
    assert run(shorter, [one.url], s3.store(), Heard()).failed == 2

    assert run(what, [one.url], s3.store(), Heard()).failed == 4


def test_segments_come_from_the_bucket_when_this_machine_lost_them(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """An input whose local file is gone, or is another one by now, is fetched and is right."""
    what = plan(tmp_path)
    _stopped_at(what, "finished", 1, one, s3)
    shutil.rmtree(tmp_path / "videos" / "walk" / "steps")
    _stopped_at(what, "finished", 1, one, s3)
    spoilt = tmp_path / "videos" / "walk" / "steps" / f"{what.jobs[0].id}.mp4"
    spoilt.write_bytes(b"x" * spoilt.stat().st_size)

    assert run(what, [one.url], s3.store(), Heard()).done == 4
    assert one.stats()["prompts"] == 2


def test_post_steps_need_no_worker(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """With all segments there, the rest is done without any worker."""
    what = plan(tmp_path)
    _stopped_at(what, "finished", 2, one, s3)

    assert run(what, [], s3.store(), Heard()).done == 4


def test_workers_are_not_kept_for_post_steps(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Whoever pays for workers can give them back when all is drawn, and have the rest done without any."""
    what, heard = plan(tmp_path, [1, 2]), Heard()
    first = run(what, [one.url], s3.store(), heard, workers_only=True)

    assert (first.done - sum(line[1] == HERE for line in heard.words("started")), one.stats()["prompts"]) == (4, 4)
    assert first.open >= 2
    assert run(what, [one.url], s3.store(), Heard(), workers_only=True).done == first.done
    assert run(what, [], s3.store(), Heard()).done == 8
    assert one.stats()["prompts"] == 4


def test_what_is_made_of_a_job_that_is_made_anew_is_made_anew(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """An attempt that an earlier run left under way counts no more: its input is another one by now."""
    what = plan(tmp_path)
    _stopped_at(what, "finished", 1, one, s3)
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        old = ledger.lease("walk", what.jobs[1].id, "w1", "stand-in")
    assert run(replace(what, again=True), [one.url], s3.store(), Heard()).done == 4

    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        lost = ledger.attempt(old.prompt_id)
        assert lost.failure is not None
        assert lost.failure.message == "what it is made of is made anew"
        assert ledger.job("walk", what.jobs[1].id).attempts == 0
    assert one.stats()["prompts"] == 3


def test_a_still_screen_in_the_dark_is_no_flaw(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """What moves little in the flat video seems to stand still in a half sphere; only the flat one is judged by it."""
    text = CHAIN.replace("feeds: {video: stitch}, set: {", "feeds: {video: stitch}, set: {fov: 20, ")
    what = plan(tmp_path, text=text.replace("default: 90, sets", "default: 20, sets"))
    run(what, [one.url], s3.store(), Heard())
    made = _record(s3.store(), what.jobs[-1].id)["outputs"][0]

    assert made["measures"]["held_seconds"] >= 0.5
    assert made["flaws"] == []


def test_a_folder_that_moved_costs_no_render(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """What an earlier run put elsewhere is found where it belongs by now, and nothing is written to the old place."""
    what = plan(tmp_path)
    _stopped_at(what, "finished", 2, one, s3)
    moved = replace(what, folder=tmp_path / "新しい 場所")
    what.folder.rename(moved.folder)

    assert run(moved, [], s3.store(), Heard()).done == 4
    assert not what.folder.exists()


def test_a_torn_object_is_not_taken_over(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """A video that is not the one of its record is rendered again rather than passed on."""
    what, store = plan(tmp_path), s3.store()
    run(what, [one.url], store, Heard())
    final = what.jobs[-1].id
    good = store.get_bytes("outputs", f"outputs/walk/{final}/video.mp4")
    store.put_bytes("outputs", f"outputs/walk/{final}/video.mp4", b"half")
    shutil.rmtree(tmp_path / "videos")
    result = run(what, [], store, Heard(), ledger=tmp_path / "other.sqlite")

    assert (result.done, result.before) == (4, 3)
    assert store.get_bytes("outputs", f"outputs/walk/{final}/video.mp4")[4:8] == good[4:8] == b"ftyp"


def test_a_record_says_what_was_cut_before(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """The finished video tells that a segment of it was drawn with less, and that its segments are shorter."""
    what = replace(plan(tmp_path), cuts={"draw": {"length": 9}})
    one.faults({"name": "out_of_memory", "times": 1})
    run(what, [one.url], s3.store(), Heard())
    found = _record(s3.store(), what.jobs[-1].id)

    assert (found["rung"], found["cuts"]) == ("", {"draw": {"length": 9}})
    assert found["rungs_before"] == dict.fromkeys([what.jobs[0].id, what.jobs[1].id], "fp8")


def test_another_ledger_finds_all_of_it_in_the_bucket(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Nothing is rendered twice, and only the finished video comes down."""
    what = plan(tmp_path)
    run(what, [one.url], s3.store(), Heard())
    shutil.rmtree(tmp_path / "videos")
    result = run(what, [one.url], s3.store(), Heard(), ledger=tmp_path / "other.sqlite")

    assert (result.done, result.before, one.stats()["prompts"]) == (4, 4, 2)
    assert [path.stem for path in (tmp_path / "videos").rglob("*.mp4")] == [what.jobs[-1].id]


def test_a_stop_ends_a_post_step(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """It stays open without half a file, its try does not count, and the next run makes it."""
    what = plan(tmp_path, text=CHAIN.replace("height: 128", "height: 1024"))
    stop, heard = asyncio.Event(), Heard()
    heard.react = lambda _: (
        stop.set() if [HERE, what.jobs[-1].id] in [list(x[1:3]) for x in heard.words("started")] else None
    )
    with pytest.raises(Interrupted, match="3 of 4 jobs are done, 1 stay open"):
        run(what, [one.url], s3.store(), heard, stop=stop)

    assert list((tmp_path / "videos" / "walk").glob("*.mp4")) == []
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.job("walk", what.jobs[-1].id).attempts == 0
    assert run(what, [], s3.store(), Heard()).done == 4


def test_a_post_step_that_cannot_be_done_fails_with_what_needs_it(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """It is not tried again: the same videos would give the same."""
    text = CHAIN.replace("feeds: {video: draw}}", "feeds: {video: draw}, set: {overlap: 12}}")
    what, heard = plan(tmp_path, text=text), Heard()
    result = run(what, [one.url], s3.store(), heard)

    assert (result.done, result.failed) == (2, 2)
    assert [failure.kind for failure, _ in heard.failures] == [FailureClass.NODE_ERROR, FailureClass.NEEDS_FAILED]
    assert "shorter than the 12 frames in common" in heard.failures[0][0].message


MOMENTS = [
    "rendered@1", "started@2", "finished@2", "started@3", "rendered@3", "started@4", "put:video.mp4", "put:record.json",
]  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_submit_renders_nothing_twice(tmp_path: Path, s3: S3Server, one: Lent, moment: str) -> None:
    """After kill -9 at any moment the next run finishes the chain with one render a segment."""
    s3.store()
    spec = studio.spec(tmp_path / "spec.json", tmp_path, [1], [one.url], s3, moment)
    command = [sys.executable, "-m", "tests.doubles.chain", str(spec)]
    child = subprocess.run(command, cwd=studio.REPOSITORY, timeout=30, check=False)
    assert child.returncode == -9
    result = run(plan(tmp_path), [one.url], s3.store(), Heard())

    assert (result.done, one.stats()["prompts"]) == (4, 2)
    assert not [path for path in (tmp_path / "videos").rglob("*") if "making" in path.name]
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert {(row.state, row.attempts) for row in ledger.jobs("walk")} == {(JobState.DONE, 0)}
        assert ledger.in_flight("walk") == []
