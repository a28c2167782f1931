"""Which job goes where, and what a failure means."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles import chain
from tests.doubles.studio import plan
from videogen.batch import Job, Limits, Need
from videogen.board import Board, Turn
from videogen.dispatch import SEED_STEP, Action, Waiting, after_failure, equal_jobs, next_job, reseeded, waiting
from videogen.failure import Failure, FailureClass


def _failure(kind: FailureClass) -> Failure:
    return Failure(kind, "it failed", {})


def test_a_job_goes_to_a_worker_on_which_it_has_not_failed() -> None:
    """A worker leaves a job that failed on it to the others while there are any."""
    both = [Waiting("hard", frozenset({"a"})), Waiting("easy")]

    assert next_job("a", both, ["a", "b"]) == "easy"
    assert next_job("b", both, ["a", "b"]) == "hard"
    assert next_job("a", both[:1], ["a", "b"]) is None
    assert next_job("a", both[:1], ["a"]) == "hard"


def _videos(count: int) -> list[Job]:
    """Videos of two segments, each enlarged, then stitched; drawing goes from segment to segment."""
    made: list[Job] = []
    for number in range(count):
        needs = {"draw-1": [], "draw-2": ["draw-1"], "up-1": ["draw-1"], "up-2": ["draw-2"], "stitch": ["up-1", "up-2"]}
        made += [
            replace(
                chain.plan(Path()).jobs[0],
                id=f"{step}-of-{number}",
                needs=tuple(Need("video", f"{need}-of-{number}") for need in needs[step]),
                group=f"seed={number}",
                post="stitch" if step == "stitch" else "",
            )
            for step in needs
        ]
    return made


def _given(videos: int, workers: int) -> list[list[str]]:
    """What the workers take, when all of them end their jobs at the same moments."""
    names = [f"w{number}" for number in range(workers)]
    board = Board(alive=set(names), waiting=list(waiting(_videos(videos), ()).values()))
    rounds: list[list[str]] = []
    while board.wants_workers:
        rounds.append([turn.job for name in names if (turn := board.take(name))])
        for job in rounds[-1]:
            board.met(job)
            board.settle([job])
    return rounds


def test_no_worker_waits_for_the_last_segments_of_another() -> None:
    """What is drawn segment by segment goes before what can be done at any time."""
    assert _given(2, 2) == [
        ["draw-1-of-0", "draw-1-of-1"], ["draw-2-of-0", "draw-2-of-1"], ["up-1-of-0", "up-2-of-0"],
        ["up-1-of-1", "up-2-of-1"],
    ]  # fmt: skip


def test_one_worker_finishes_a_video_before_it_begins_another() -> None:
    """A run that is stopped has finished some of its videos, and not begun all of them."""
    assert [taken for (taken,) in _given(2, 1)] == [
        f"{step}-of-{video}" for video in (0, 1) for step in ("draw-1", "draw-2", "up-1", "up-2")
    ]


@pytest.mark.parametrize(
    ("kind", "ended", "others", "action"),
    [
        (FailureClass.BAD_GRAPH, 1, 1, Action.GIVE_UP_EQUAL),
        (FailureClass.MISSING_MODEL, 1, 1, Action.AGAIN),
        (FailureClass.MISSING_MODEL, 1, 0, Action.GIVE_UP_EQUAL),
        (FailureClass.OUT_OF_MEMORY, 1, 0, Action.AGAIN),
        (FailureClass.OUT_OF_MEMORY, 2, 0, Action.GIVE_UP),
        (FailureClass.CUDA_FAULT, 1, 0, Action.AGAIN),
        (FailureClass.NODE_ERROR, 1, 3, Action.GIVE_UP),
        (FailureClass.LOST_WORKER, 1, 0, Action.AGAIN),
        (FailureClass.STALLED, 1, 0, Action.AGAIN),
        (FailureClass.BAD_OUTPUT, 2, 1, Action.GIVE_UP),
        (FailureClass.STORE, 9, 0, Action.LEAVE),
        (FailureClass.CANCELLED, 9, 0, Action.LEAVE),
    ],
)
def test_every_class_of_failure_has_one_answer(kind: FailureClass, ended: int, others: int, action: Action) -> None:
    """What becomes of the job follows from the class, the attempts so far and the workers left."""
    assert after_failure(_failure(kind), ended, Limits(attempts=2), others, reachable=True).action is action


def test_the_same_picture_is_not_paid_for_twice() -> None:
    """A bad output is rendered again only where the batch allows another seed."""
    bad = _failure(FailureClass.BAD_OUTPUT)

    assert after_failure(bad, 1, Limits(attempts=2), 1, reachable=True).action is Action.GIVE_UP
    allowed = Limits(attempts=2, new_seed_on_bad_output=True)
    assert after_failure(bad, 1, allowed, 1, reachable=True).action is Action.AGAIN


def test_every_class_is_decided() -> None:
    """No failure class is without an answer."""
    for kind in FailureClass:
        assert after_failure(_failure(kind), 1, Limits(), 1, reachable=True).reason


def test_a_worker_is_dropped_when_it_is_to_blame() -> None:
    """A CUDA fault or silence takes the worker out; a restart of its ComfyUI, or a job's own fault, does not."""
    drops = {
        (kind, reachable): after_failure(_failure(kind), 1, Limits(), 1, reachable).drop_worker
        for kind in (FailureClass.CUDA_FAULT, FailureClass.LOST_WORKER, FailureClass.OUT_OF_MEMORY)
        for reachable in (True, False)
    }

    assert {key for key, drop in drops.items() if drop} == {
        (FailureClass.CUDA_FAULT, True),
        (FailureClass.CUDA_FAULT, False),
        (FailureClass.LOST_WORKER, False),
    }


def test_a_lost_worker_is_not_the_jobs_fault_at_once() -> None:
    """Even with one attempt allowed a job survives the loss of one worker, but not of two."""
    lost = _failure(FailureClass.LOST_WORKER)

    assert after_failure(lost, 1, Limits(attempts=1), 1, reachable=False).action is Action.AGAIN
    assert after_failure(lost, 2, Limits(attempts=1), 1, reachable=False).action is Action.GIVE_UP


def test_a_refusal_fails_the_jobs_in_which_the_same_is_wrong(tmp_path: Path) -> None:
    """Jobs that differ in a node that was not blamed fail together; a blamed node that differs saves a job."""
    jobs = plan(tmp_path, [1, 2, 3]).jobs
    seeded = next(node for node, one in jobs[0].prompt.items() if one["inputs"].get("noise_seed") == 1)
    elsewhere = next(node for node in jobs[0].prompt if node != seeded)

    def blame(node: str) -> list[str]:
        return equal_jobs(jobs[0], Failure(FailureClass.BAD_GRAPH, "", {"node_errors": {node: {}}}), jobs)

    assert blame(elsewhere) == [jobs[1].id, jobs[2].id]
    assert blame(seeded) == []
    assert equal_jobs(jobs[0], Failure(FailureClass.BAD_GRAPH, "", {"node_errors": {}}), jobs) == [
        jobs[1].id,
        jobs[2].id,
    ]


def test_a_new_seed_changes_the_prompt_and_not_the_job(tmp_path: Path) -> None:
    """After a bad output the seed is another one in graph and parameters; the job keeps its id."""
    what = plan(tmp_path, [7])
    job: Job = what.jobs[0]
    again = reseeded(job, what.workflow, bad=2)

    assert reseeded(job, what.workflow, bad=0) is job
    assert (again.id, again.parameters["seed"]) == (job.id, 7 + 2 * SEED_STEP)
    seeds = [node["inputs"]["noise_seed"] for node in again.prompt.values() if "noise_seed" in node["inputs"]]
    assert 7 + 2 * SEED_STEP in seeds


def test_the_board_hands_a_dropped_workers_claims_back() -> None:
    """What an earlier run left on a worker is that worker's alone until it is dropped."""
    board = Board(alive={"a", "b"}, waiting=[Waiting("one")])
    board.claim("a", Turn("two", "prompt"))

    assert board.take("b") == Turn("one")
    assert board.take("b") is None
    board.settle(["one"])
    assert not board.settled
    assert board.drop("a") == [Turn("two", "prompt")]
    assert board.settled
