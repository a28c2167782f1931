"""Where a batch stands when `submit` begins: what the ledger, the disk, the workers and the bucket already have."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from videogen import dispatch
from videogen.batch import Job
from videogen.board import Board, Turn
from videogen.collect import RECORD, Collector, job_prefix
from videogen.dispatch import Waiting
from videogen.failure import Failure, FailureClass, lost_worker, needs_failed
from videogen.ledger import Ledger
from videogen.ledger_rows import HERE, AttemptRow, JobRow, JobState
from videogen.store import Store
from videogen.submission import Plan


@dataclass(frozen=True)
class Resumed:
    """What is left to do."""

    board: Board
    """With every open job on it."""
    done: int
    """Jobs that need no render any more."""
    half_done: tuple[AttemptRow, ...]
    """Their files lie here, checked, and miss only the bucket."""


async def resume(plan: Plan, workers: Collection[str], ledger: Ledger, store: Store, collector: Collector) -> Resumed:
    """Goes on where an earlier run of the batch ended; `workers` are the names of those that there are now."""
    ledger.register(plan.batch, plan.jobs)
    rows = _wanted(plan, ledger)
    waiting = [job for job, row in rows.items() if row.state is JobState.OPEN]
    board, half_done = Board(), []
    for attempt in ledger.in_flight(plan.batch):
        if attempt.job not in waiting:
            continue
        if any(rows[need].state is not JobState.DONE for need in rows[attempt.job].needs if need in rows):
            ledger.lose(attempt.prompt_id, Failure(FailureClass.CANCELLED, "what it is made of is made anew", {}))
            continue
        if collector.intact(attempt):
            half_done.append(attempt)
            board.busy[attempt.job] = Waiting(attempt.job)
        elif attempt.worker in workers:
            board.claim(attempt.worker, Turn(attempt.job, attempt.prompt_id))
        else:
            ledger.lose(attempt.prompt_id, _why_lost(attempt))
            continue
        waiting.remove(attempt.job)
    done = {job for job, row in rows.items() if row.state is JobState.DONE}
    done |= await _adopted(plan, waiting, ledger, store, collector)
    _fail_dependents(plan, [job for job in waiting if job not in done], rows, ledger)
    as_it_waits = dispatch.waiting(plan.jobs, done)
    for job in waiting:
        if job not in done and ledger.job(plan.batch, job).state is JobState.OPEN:
            board.waiting.append(as_it_waits[job])
    return Resumed(board, len(done), tuple(half_done))


def _why_lost(attempt: AttemptRow) -> Failure:
    if attempt.worker == HERE:  # no fault of the job: it does not count as a try
        return Failure(FailureClass.CANCELLED, "the submitting process ended before it did", {})
    return lost_worker("its worker is gone")


def _fail_dependents(plan: Plan, waiting: Collection[str], rows: Mapping[str, JobRow], ledger: Ledger) -> None:
    """What needs a job that failed in an earlier run fails with it; the plan has each job after its needs."""
    failed: dict[str, Job] = {job.id: job for job in plan.jobs if rows[job.id].state is JobState.FAILED}
    for job in plan.jobs:
        lost = next((need.job for need in job.needs if need.job in failed), None)
        if lost is not None and job.id in waiting:
            ledger.fail_untried(plan.batch, job.id, needs_failed(failed[lost].label, lost, "in an earlier run"))
            failed[job.id] = job


def _wanted(plan: Plan, ledger: Ledger) -> dict[str, JobRow]:
    """The plan's jobs in its order; those that shall be rendered once more are open again."""
    reopened = {JobState.FAILED: plan.retry_failed or plan.again, JobState.DONE: plan.again}
    jobs = {job.id for job in plan.jobs}
    for row in ledger.jobs(plan.batch):
        if row.id in jobs and reopened.get(row.state):
            ledger.reopen(plan.batch, row.id)
    rows = {row.id: row for row in ledger.jobs(plan.batch)}
    return {job.id: rows[job.id] for job in plan.jobs}


async def _adopted(
    plan: Plan, waiting: Collection[str], ledger: Ledger, store: Store, collector: Collector
) -> set[str]:
    """Those that wait and that the bucket has whole: another machine, or another ledger, rendered them."""
    untried = set(waiting) - {attempt.job for attempt in ledger.attempts(plan.batch)}
    if plan.again or not untried:
        return set()
    prefix = job_prefix(plan.batch, "").rstrip("/") + "/"
    keys = await asyncio.to_thread(lambda: {one.key for one in store.list(store.outputs, prefix)})
    found = [job for job in plan.jobs if job.id in untried and job_prefix(plan.batch, job.id) + RECORD in keys]
    return {job.id for job in found if await collector.adopt(job)}
