"""Memory that ends on real stand-ins: the next rung, a larger GPU, a kill in between, and what is known next time."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.doubles import studio
from tests.doubles.s3_server import S3Server
from tests.doubles.studio import Heard, Lent, plan, run
from videogen.boot_report import WorkerStatus
from videogen.boundary import Observation
from videogen.boundary_store import BoundaryStore
from videogen.failure import FailureClass
from videogen.ledger import Ledger
from videogen.ledger_rows import AttemptRow, JobState
from videogen.media import probe
from videogen.planner.work import Work
from videogen.prepare import prepare
from videogen.secret import Secret
from videogen.shrinking import Cut, Shrinking
from videogen.submission import Plan
from videogen.worker_peak import gpu_peak
from videogen.worker_sample import GpuSample, Sample

pytestmark = pytest.mark.timeout(60)
GIB = 1024**3
OVER_32 = {"name": "out_of_memory", "over": {"width": 32}}


def attempts(folder: Path) -> list[AttemptRow]:
    with Ledger.open(folder / "ledger.sqlite", read_only=True) as ledger:
        return ledger.attempts("walk")


def known(folder: Path, name: str = "ledger.sqlite") -> set[tuple[str, bool]]:
    with Ledger.open(folder / name, read_only=True) as ledger:
        return {(one.rung, one.works) for one in BoundaryStore(ledger.file).known()}


def record(s3: S3Server, job: str) -> Any:
    return json.loads(s3.store().get_bytes("outputs", f"outputs/walk/{job}/record.json"))


def test_tiles_are_tried_before_anything_is_made_smaller(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Out of memory until the VAE works in tiles: the same job, one attempt more, as large as it was asked for."""
    ladder = "[{rung: tiled-vae, why: tiles, set: {tile: 256}}, {rung: small, why: w, set: {width: 32}}]"
    what = plan(tmp_path, [1], ladder=ladder, attempts=1)
    one.faults({"name": "out_of_memory", "over": {"tile_size": 512}})
    heard = Heard()
    result = run(what, [one.url], s3.store(), heard)

    assert (result.done, [row.id for row in result.jobs]) == (1, [what.jobs[0].id])
    assert [one.rung for one in attempts(tmp_path)] == ["", "tiled-vae"]
    written = record(s3, what.jobs[0].id)
    assert (written["rung"], written["asked"]) == ("tiled-vae", {"tile": 1024})
    assert (written["parameters"]["tile"], written["parameters"]["width"]) == (256, 64)
    failure, decision = heard.failures[0]
    assert (failure.kind, failure.evidence["next"]) == (FailureClass.OUT_OF_MEMORY, "tiled-vae")
    assert (decision.reason, decision.free_worker) == ("cut: tiled-vae (tiles)", True)


def test_the_ladder_goes_down_until_memory_is_enough(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Out of memory until the video is smaller: rungs count against no limit, and what was asked for is recorded."""
    what = plan(tmp_path, [1], attempts=1)
    one.faults(OVER_32)
    assert run(what, [one.url], s3.store(), Heard()).done == 1

    assert [one.rung for one in attempts(tmp_path)] == ["", "fp8", "smaller"]
    job = what.jobs[0].id
    assert record(s3, job)["asked"] == {"precision": "default", "width": 64, "height": 64}
    video = probe(tmp_path / "videos" / "walk" / f"{job}.mp4", "video")
    assert (video.width, video.height) == (32, 32)
    asked = [Work.of(one.work).shape for one in attempts(tmp_path)]
    assert [shape.width for shape in asked if shape] == [64, 64, 32]


def test_the_next_jobs_begin_where_the_first_one_ended(tmp_path: Path, s3: S3Server, two: list[Lent]) -> None:
    """Two workers of one GPU walk down once between them; the jobs after that cost one attempt each."""
    what = plan(tmp_path, range(6))
    for stand in two:
        stand.faults(OVER_32)
    assert run(what, [stand.url for stand in two], s3.store(), Heard()).done == 6

    assert known(tmp_path) == {("", False), ("fp8", False), ("smaller", True)}
    rungs = [one.rung for one in attempts(tmp_path)]
    assert rungs.count("smaller") == 6
    assert len(rungs) <= 6 + 2 * 2  # both may meet the first two rungs at the same moment


def test_another_machine_knows_it_from_the_bucket(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """A new ledger begins on the rung that worked, and a larger job of the same workflow too."""
    one.faults(OVER_32)
    run(plan(tmp_path, [1]), [one.url], s3.store(), Heard())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    heard = Heard()
    run(plan(elsewhere, [2], {"width": 96}), [one.url], s3.store(), heard)

    assert [line[3] for line in heard.words("cut")] == ["smaller"]
    assert known(elsewhere) == {("", False), ("fp8", False), ("smaller", True), ("smaller", False)}
    assert [one.rung for one in attempts(elsewhere)] == ["smaller"]
    stored = [one.key for one in s3.store().list("outputs", "boundary/stand-in/")]
    assert len(stored) == 4
    assert Observation.model_validate_json(s3.store().get_bytes("outputs", stored[0])).gpu == "stand-in"


def test_a_larger_gpu_takes_what_the_ladder_could_not_save(tmp_path: Path, s3: S3Server, two: list[Lent]) -> None:
    """After the last rung the job goes to a living worker with more memory, as it was asked for."""
    small, large = two
    small.faults({"name": "out_of_memory"})
    large.faults({"name": "slow", "seconds": 0.1})
    what, heard = plan(tmp_path, [1, 2], attempts=1), Heard()
    result = run(what, [small.url, large.url], s3.store(), heard, gpus=["RTX4090", "H200-141GB"])

    assert result.done == 2
    done = [one for one in attempts(tmp_path) if one.failure is None]
    assert [(one.gpu, one.rung) for one in done] == [("H200-141GB", "")] * 2
    assert {one.gpu for one in attempts(tmp_path) if one.failure} == {"RTX4090"}
    assert "nothing is left to cut on RTX4090; H200-141GB has more" in [one.reason for _, one in heard.failures]


def test_a_job_that_no_gpu_holds_fails_with_what_may_help(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Every rung once, then the end, with the GPUs that have more memory."""
    one.faults({"name": "out_of_memory"})
    what, heard = plan(tmp_path, [1], attempts=5), Heard()
    result = run(what, [one.url], s3.store(), heard, gpus=["A100-80GB"])

    assert (result.failed, result.jobs[0].state) == (1, JobState.FAILED)
    assert [one.rung for one in attempts(tmp_path)] == ["", "fp8", "smaller"]
    assert heard.failures[-1][1].reason == "nothing is left to cut on A100-80GB: a larger GPU: H200-141GB"


def test_a_video_of_the_batchs_own_counts_with_its_frames(tmp_path: Path) -> None:
    """Memory that ended on a long video bars no short one: what was seen has the frames of the file."""
    manifest = studio.manifest_of_dev()
    found = prepare(studio.REPOSITORY / "batches" / "demo-enlarge.yaml", "a", manifest)
    (job,) = found.jobs
    what = Plan(found.batch.name, found.workflow, found.jobs, found.batch.limits, found.files, tmp_path)
    frames = 2 * probe(found.files[job.inputs[0].sha256], "video").frames - 1  # interpolated
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.register(what.batch, what.jobs)
        shrinking = Shrinking(what, BoundaryStore(ledger.file), studio.rows(["http://127.0.0.1:1"], ["L40S"]), {})
        shrinking.ended(ledger.lease(what.batch, job.id, "w1", "L40S"), "", None, {"w1": "L40S"})

        assert [one.frames for one in BoundaryStore(ledger.file).known()] == [frames]
        begun = Work.of(shrinking.begin(job, "L40S", "").work).shape
        assert begun is not None
        assert begun.count == frames > 1


def test_a_larger_gpu_that_failed_already_is_no_way_out(tmp_path: Path) -> None:
    """Two GPUs that hold the job on no rung do not hand it to one another for ever."""
    what = plan(tmp_path, [1], ladder="[]")
    lent = studio.rows(["http://127.0.0.1:1", "http://127.0.0.1:2"], ["RTX4090", "H200-141GB"])
    alive = {worker.name: worker.gpu for worker in lent}
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.register(what.batch, what.jobs)
        shrinking = Shrinking(what, BoundaryStore(ledger.file), lent, {})

        def cut(name: str) -> Cut | None:
            attempt = ledger.lease(what.batch, what.jobs[0].id, name, alive[name])
            return shrinking.ended(attempt, "", None, alive)

        small = cut("w1")
        assert small is not None
        assert (small.next, small.avoid) == ("a larger GPU", frozenset({"w1"}))
        assert [cut("w2"), cut("w1")] == [None, None]


@pytest.mark.parametrize("moment", ["failed", "rendered", "put:record.json"])
def test_a_kill_in_the_middle_of_the_ladder_costs_nothing(tmp_path: Path, s3: S3Server, one: Lent, moment: str) -> None:
    """After kill -9 the next run goes on from the rung where it was: each rung is rendered once."""
    s3.store()
    one.faults(OVER_32)
    spec = studio.spec(tmp_path / "spec.json", tmp_path, [1], [one.url], s3, moment)
    child = subprocess.run(
        [sys.executable, "-m", "tests.doubles.studio", str(spec)], cwd=studio.REPOSITORY, timeout=30, check=False
    )
    assert child.returncode == -9
    assert run(plan(tmp_path, [1]), [one.url], s3.store(), Heard()).done == 1

    assert [one.rung for one in attempts(tmp_path)] == ["", "fp8", "smaller"]
    assert one.stats()["prompts"] == 3
    assert record(s3, plan(tmp_path, [1]).jobs[0].id)["parameters"]["width"] == 32


def test_without_memory_trouble_nothing_is_cut(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """A job that goes through is what was asked for, and that it works is known."""
    what = plan(tmp_path, [1])
    run(what, [one.url], s3.store(), Heard())
    assert known(tmp_path) == {("", True)}
    assert record(s3, what.jobs[0].id)["asked"] == {}


def test_the_agents_samples_tell_the_peak(tmp_path: Path, s3: S3Server, one: Lent) -> None:
    """Of the GPU's memory while the job ran; nothing where no agent answers or it saw no GPU."""
    samples = [
        Sample(
            at=at,
            memory_used=0,
            memory_total=0,
            disk_free=0,
            gpus=(GpuSample(name="g", memory_used=used, memory_total=0),),
        )
        for at, used in ((10, 70 * GIB), (500, 30 * GIB), (510, 20 * GIB))
    ]
    state = WorkerStatus(worker="w1", state="ready", manifest="", steps=(), samples=tuple(samples))
    with answering(state.model_dump_json()) as agent, answering("{}") as odd:
        lent = studio.rows([one.url])[0]

        def peak(url: str, seconds: float | None) -> int | None:
            return asyncio.run(gpu_peak(lent.model_copy(update={"agent": url}), Secret("t"), seconds))

        assert peak(agent, 20) == 30 * GIB
        assert peak(agent, None) == 70 * GIB
        assert peak(odd, 20) is None
        assert peak("http://127.0.0.1:1", 20) is None


@contextlib.contextmanager
def answering(body: str) -> Iterator[str]:
    """A server that says the same to everybody."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(5)
