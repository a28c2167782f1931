"""Submitting batches to real stand-ins and a real store."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles import studio
from tests.doubles.bad_link import BadLink
from tests.doubles.s3_server import S3Server
from tests.doubles.standin_process import StandinProcess, ticks
from tests.doubles.studio import QUICK, Heard, Lent, plan, run, workers
from videogen.errors import InputError, Interrupted, VideogenError, WorkerLost
from videogen.failure import FailureClass
from videogen.ledger import Ledger
from videogen.ledger_lock import exclusive
from videogen.ledger_rows import JobState
from videogen.media import Expected, look
from videogen.runner import Waits
from videogen.submit import NEARLY_DONE

pytestmark = pytest.mark.timeout(60)


def _prompts(*stands: StandinProcess) -> int:
    return sum(stand.stats()["prompts"] for stand in stands)


def test_two_workers_share_a_batch(tmp_path: Path, s3: S3Server, two: list[Lent]) -> None:
    """Every job is rendered once, by one of both workers, checked, in the bucket, and on the contact sheet."""
    what, heard, store = plan(tmp_path, range(6)), Heard(), s3.store()
    result = run(what, [stand.url for stand in two], store, heard)

    assert (result.done, result.failed, result.open, result.before) == (6, 0, 0, 0)
    assert [stand.stats()["prompts"] > 0 for stand in two] == [True, True]
    assert _prompts(*two) == 6
    assert result.sheet is not None
    assert result.sheet.is_file()
    for job in what.jobs:
        path = tmp_path / "videos" / "walk" / f"{job.id}.mp4"
        assert look(path, Expected(64, 64, 5, 16)).flaws == ()
        record = json.loads(store.get_bytes("outputs", f"outputs/walk/{job.id}/record.json"))
        assert record["parameters"]["seed"] == job.parameters["seed"]
        assert record["graph"] == job.prompt
        assert record["outputs"][0]["size"] == path.stat().st_size
        assert record["versions"]["comfyui_version"]
        assert "argv" not in json.dumps(record["versions"])
        assert record["timings"]["render_seconds"] >= 0


def test_a_done_batch_is_not_rendered_again(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """The same ledger, and a new ledger over the same bucket, both know that all is done; nothing is sent."""
    what, store = plan(tmp_path, [1, 2]), s3.store()
    run(what, [one.url], store, Heard())
    again = run(what, [one.url], store, Heard())
    (tmp_path / "videos" / "walk" / f"{what.jobs[0].id}.mp4").unlink()
    elsewhere = run(what, [one.url], store, Heard(), ledger=tmp_path / "other.sqlite")

    assert _prompts(one) == 2
    assert (again.done, again.before) == (elsewhere.done, elsewhere.before) == (2, 2)
    assert (tmp_path / "videos" / "walk" / f"{what.jobs[0].id}.mp4").is_file()


def test_a_worker_killed_in_mid_job_hands_its_job_on(tmp_path: Path, s3: S3Server) -> None:
    """The job of a killed worker is rendered by the other one; the loss is told and the batch is whole."""
    what, heard = plan(tmp_path, range(4)), Heard()
    with workers(tmp_path, 2) as (first, second):
        first.faults({"name": "crash", "times": 1})
        result = run(what, [first.url, second.url], s3.store(), heard)

        assert second.stats()["prompts"] == 4
        assert first.process.wait(5) == 70
    assert (result.done, result.open) == (4, 0)
    assert list(result.lost) == ["w1"]
    assert [failure.kind for failure, _ in heard.failures] == [FailureClass.LOST_WORKER]


def test_jobs_stay_open_when_no_worker_is_left(tmp_path: Path, s3: S3Server) -> None:
    """With the last worker gone the run ends with one error that counts; the next run does the rest."""
    what = plan(tmp_path, range(3))
    with workers(tmp_path, 1) as (one,):
        one.faults({"name": "crash", "times": 1})
        with pytest.raises(WorkerLost, match="0 of 3 jobs are done, 3 stay open"):
            run(what, [one.url], s3.store(), Heard())
    with workers(tmp_path / "new", 1) as (other,):
        assert run(what, [other.url], s3.store(), Heard()).done == 3


def test_a_second_submit_is_refused_with_the_pid(tmp_path: Path, s3: S3Server) -> None:
    """Two submits never work with one ledger; the error says who has it."""
    what = plan(tmp_path, [1])
    holder = "import sys, pathlib; from videogen.ledger_lock import exclusive\n"
    holder += "with exclusive(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holder, str(tmp_path / "ledger.sqlite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(VideogenError, match=rf"another submit works with this ledger \(pid {process.pid}\)"):
            run(what, [], s3.store(), Heard())
        process.kill()
    with exclusive(tmp_path / "ledger.sqlite"):
        pass


def test_a_stop_leaves_a_ledger_from_which_the_next_run_goes_on(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Stopped in mid-render, the run calls the prompt off and says what stays open; the next one finishes the batch."""
    what, stop = plan(tmp_path, range(3)), asyncio.Event()
    heard = Heard(react=lambda word: stop.set() if word == "progress" else None)
    one.faults({"name": "slow", "seconds": 0.5})
    with pytest.raises(Interrupted, match="0 of 3 jobs are done, 3 stay open"):
        run(what, [one.url], s3.store(), heard, stop=stop)
    one.faults()
    assert one.stats()["interrupted"] == 1
    one.idle()

    assert run(what, [one.url], s3.store(), Heard()).done == 3
    assert heard.words("stopping")
    assert not heard.words("failed")
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert [row.attempts for row in ledger.jobs("walk")] == [0, 0, 0]


def test_a_stop_lets_a_prompt_that_is_nearly_done_run_on(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """What is nearly done is not interrupted; the next run collects it and renders it no second time."""
    what, stop, heard = plan(tmp_path, [1], {"steps": 10, "switch_step": 1}), asyncio.Event(), Heard()

    def react(word: str) -> None:
        if word == "progress" and float(heard.lines[-1][3]) > NEARLY_DONE:
            stop.set()

    heard.react = react
    one.faults({"name": "slow", "seconds": 0.3})
    with pytest.raises(Interrupted):
        run(what, [one.url], s3.store(), heard, stop=stop)
    one.idle()
    next_run = Heard()
    result = run(what, [one.url], s3.store(), next_run)

    assert result.done == 1
    assert one.stats()["prompts"] == 1
    assert one.stats()["interrupted"] == 0
    assert next_run.words("resumed")


def test_a_prompt_that_arrives_after_the_stop_is_rendered_once(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """A stop while a prompt is on its way: the worker may still get it, so the next run asks before it sends."""
    what, stop = plan(tmp_path, [1]), asyncio.Event()
    heard = Heard(react=lambda word: stop.set() if word == "started" else None)
    with BadLink(int(one.url.rpartition(":")[2])) as link:
        link.held, link.hold = b"POST /prompt ", 3.0
        with pytest.raises(Interrupted):
            run(what, [f"http://127.0.0.1:{link.port}"], s3.store(), heard, waits=replace(QUICK, grace=1.0), stop=stop)
        assert _prompts(one) == 0
        for _ in ticks():
            if _prompts(one):
                break
    assert run(what, [one.url], s3.store(), Heard()).done == 1
    assert _prompts(one) == 1


def test_a_prompt_that_hangs_in_silence_is_called_off(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """A socket that says nothing while the server answers: called off after the workflow's limit, then tried again."""
    what, heard = plan(tmp_path, [1], stall=1 / 60), Heard()
    one.faults({"name": "silent", "times": 1})
    result = run(what, [one.url], s3.store(), heard)

    assert one.stats()["interrupted"] == 1
    assert result.done == 1
    assert [failure.kind for failure, _ in heard.failures] == [FailureClass.STALLED]
    assert "nothing moved for" in heard.failures[0][0].message


def test_out_of_memory_frees_the_worker_and_is_tried_again(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """A job that ran out of memory once is done in the end; the evidence names node, GPU and versions."""
    what, heard = plan(tmp_path, [1]), Heard()
    one.faults({"name": "out_of_memory", "times": 1})
    assert run(what, [one.url], s3.store(), heard).done == 1
    failure, decision = heard.failures[0]
    assert failure.kind is FailureClass.OUT_OF_MEMORY
    assert decision.free_worker
    worker = json.loads(json.dumps(failure.evidence))["worker"]
    assert (worker["gpu"], bool(worker["comfyui_version"])) == ("stand-in", True)
    assert "argv" not in json.dumps(worker)


@pytest.mark.parametrize("fault", ["black", "frozen", "truncated", "missing"])
def test_a_bad_output_is_kept_as_evidence_and_rendered_again(
    tmp_path: Path, s3: S3Server, one: Lent, fault: str
) -> None:
    """A video that is not worth keeping never reaches the bucket; the next attempt's, with another seed, does."""
    what, heard, store = plan(tmp_path, [1], new_seed_on_bad_output=True), Heard(), s3.store()
    one.faults({"name": fault, "times": 1})
    assert run(what, [one.url], store, heard).done == 1
    assert [failure.kind for failure, _ in heard.failures] == [FailureClass.BAD_OUTPUT]
    rejected = list((tmp_path / "videos" / "walk").glob("rejected/*.mp4"))
    assert len(rejected) == (0 if fault == "missing" else 1)
    assert look(tmp_path / "videos" / "walk" / f"{what.jobs[0].id}.mp4", Expected(64, 64, 5)).flaws == ()
    assert not list((tmp_path / "videos" / "walk").glob("*.part"))


def test_the_same_bad_picture_is_not_paid_for_twice(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Without another seed a bad output is the end of its job, after one render, and the option is named."""
    what, heard = plan(tmp_path, [1], attempts=3), Heard()
    one.faults({"name": "black"})
    result = run(what, [one.url], s3.store(), heard)
    assert (result.failed, one.stats()["prompts"]) == (1, 1)
    assert "new_seed_on_bad_output" in heard.failures[0][1].reason


def test_a_job_fails_after_its_last_attempt_and_can_be_retried(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Failures end at the batch's limit and cost only their own job; `retry_failed` opens it again."""
    what, heard = plan(tmp_path, [1], attempts=2, new_seed_on_bad_output=True), Heard()
    one.faults({"name": "black"})
    result = run(what, [one.url], s3.store(), heard)
    assert (result.done, result.failed) == (0, 1)
    assert len(heard.failures) == 2
    one.faults()
    assert run(what, [one.url], s3.store(), Heard()).failed == 1
    one.http.post("/free", json={"free_memory": True})
    retry = replace(what, retry_failed=True)
    assert run(retry, [one.url], s3.store(), Heard()).done == 1


def test_a_new_seed_is_taken_only_where_the_batch_allows_it(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """With `new_seed_on_bad_output` the record tells the seed that was really used."""
    what, store = plan(tmp_path, [1], new_seed_on_bad_output=True), s3.store()
    one.faults({"name": "frozen", "times": 1})
    assert run(what, [one.url], store, Heard()).done == 1
    record = json.loads(store.get_bytes("outputs", f"outputs/walk/{what.jobs[0].id}/record.json"))
    assert record["parameters"]["seed"] == 1_000_004


def test_a_cuda_fault_takes_the_worker_out(tmp_path: Path, s3: S3Server, two: list[Lent]) -> None:
    """After a CUDA fault the worker gets no more jobs and the others do them."""
    what, heard = plan(tmp_path, range(4)), Heard()
    first, second = two
    first.faults({"name": "cuda_fault"})
    result = run(what, [first.url, second.url], s3.store(), heard)

    assert first.stats()["prompts"] == 1
    assert result.done == 4
    assert list(result.lost) == ["w1"]


def test_a_store_that_is_down_for_a_while_costs_nothing(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """The store goes when the first video wants in and comes back later: all jobs are done, each rendered once."""
    what, store = plan(tmp_path, range(3)), s3.store()
    back = threading.Timer(1.5, s3.start)
    gone = threading.Event()

    def react(word: str) -> None:
        if word == "rendered" and not gone.is_set():
            gone.set()
            s3.kill()
            back.start()

    result = run(what, [one.url], store, Heard(react=react))

    assert _prompts(one) == 3
    back.join()
    assert result.done == 3


def test_what_a_dead_store_refused_is_put_away_by_the_next_run(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """With the store gone for good, jobs stay open without being rendered again, even when the worker is gone too."""
    what, store, heard = plan(tmp_path, range(2)), s3.store(patience_seconds=0.3), Heard()
    heard.react = lambda word: s3.kill() if word == "rendered" else None
    result = run(what, [one.url], store, heard)
    assert _prompts(one) == 2
    assert (result.done, result.open) == (0, 2)
    assert {failure.kind for failure, _ in heard.failures} == {FailureClass.STORE}
    s3.start()

    assert run(what, [], s3.store(), Heard()).done == 2


def test_a_worker_that_lacks_something_is_told_before_anything_is_sent(tmp_path: Path, s3: S3Server) -> None:
    """A missing model and an unknown node class are one error that names worker, node and name."""
    what = plan(tmp_path, [1])
    bent = {**what.jobs[0].prompt, "99": {"class_type": "WanUni3CNext", "inputs": {}, "_meta": {"title": "Uni3C"}}}
    strange = replace(what, jobs=(replace(what.jobs[0], prompt=bent),))
    with workers(tmp_path, 1) as (one,):
        vae = next((one.base / "models" / "vae").glob("*"))
        vae.unlink()
        with pytest.raises(InputError) as missing:
            run(what, [one.url], s3.store(), Heard())
        with pytest.raises(InputError) as unknown:
            run(strange, [one.url], s3.store(), Heard())

        assert _prompts(one) == 0
        assert one.stats()["uploads"] == 0
    assert f"its ComfyUI does not list `{vae.name}`" in str(missing.value)
    assert "worker w1: wan22-i2v: Uni3C: its ComfyUI has no node class `WanUni3CNext`" in str(unknown.value)


MOMENTS = ["started", "progress", "rendered", "put:video.mp4", "put:record.json"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_submit_renders_nothing_twice_and_loses_nothing(
    tmp_path: Path, s3: S3Server, one: Lent, moment: str
) -> None:
    """After kill -9 at any moment the next run finishes the batch with one render a job."""
    s3.store()
    one.faults({"name": "slow", "seconds": 0.02})
    spec = studio.spec(tmp_path / "spec.json", tmp_path, [1, 2], [one.url], s3, moment)
    child = subprocess.run(
        [sys.executable, "-m", "tests.doubles.studio", str(spec)], cwd=studio.REPOSITORY, timeout=30, check=False
    )
    assert child.returncode == -9
    result = run(plan(tmp_path, [1, 2]), [one.url], s3.store(), Heard())

    assert result.done == 2
    assert _prompts(one) == 2
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert [row.state for row in ledger.jobs("walk")] == [JobState.DONE] * 2
        assert ledger.in_flight("walk") == []


def test_a_checked_file_that_was_changed_is_fetched_again(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Between the check and the bucket somebody else wrote into the file: the worker still has the right one."""
    s3.store()
    spec = studio.spec(tmp_path / "spec.json", tmp_path, [1], [one.url], s3, "put:video.mp4")
    command = [sys.executable, "-m", "tests.doubles.studio", str(spec)]
    assert subprocess.run(command, cwd=studio.REPOSITORY, timeout=30, check=False).returncode == -9
    (video,) = (tmp_path / "videos" / "walk").glob("*.mp4")
    good = video.read_bytes()
    video.write_bytes(bytes(len(good)))
    result = run(plan(tmp_path, [1]), [one.url], s3.store(), Heard())

    assert (result.done, _prompts(one)) == (1, 1)
    assert s3.store().get_bytes("outputs", f"outputs/walk/{video.stem}/video.mp4") == good


def test_a_worker_that_forgot_its_prompt_renders_it_again(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """ComfyUI's history is in memory: after its restart the lost prompt is sent once more, and the ledger says so."""
    what = plan(tmp_path, [1])
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.register("walk", what.jobs)
        attempt = ledger.lease("walk", what.jobs[0].id, "w1")
        ledger.submitted(attempt.prompt_id)
    assert run(what, [one.url], s3.store(), Heard()).done == 1
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert [str(row.state) for row in ledger.attempts("walk")] == ["lost", "done"]


def test_a_silent_server_is_noticed(tmp_path: Path, s3: S3Server) -> None:
    """A server that takes connections and never answers is lost after the patience, not waited for."""
    what = plan(tmp_path, [1])
    with studio.deaf() as nobody:
        began = time.monotonic()
        with pytest.raises(WorkerLost, match="no worker is left"):
            run(what, [nobody.url], s3.store(), Heard(), waits=Waits(lost=0.5, first_word=0.5, answer=0.5))
    assert time.monotonic() - began < 10


def test_a_batch_can_be_rendered_anew(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """With `again` done jobs are rendered once more, whatever ledger and bucket say."""
    what, store = plan(tmp_path, [1, 2]), s3.store()
    run(what, [one.url], store, Heard())
    result = run(replace(what, again=True), [one.url], store, Heard())

    assert _prompts(one) == 4
    assert (result.done, result.before) == (2, 0)
