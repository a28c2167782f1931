"""A batch on its workers, from what an earlier run left to the contact sheet.

Each worker takes the next job when its GPU is free; files of the last job leave and inputs of the next one arrive
meanwhile. Everything that happens is in the ledger before it counts, so that a killed `submit` goes on where it was.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from videogen.batch import Job, Limits
from videogen.board import Board, Turn
from videogen.collect import RECORD, Collector, job_prefix
from videogen.comfy import Comfy, HistoryEntry
from videogen.contact_sheet import contact_sheet
from videogen.dispatch import Action, Decision, Waiting, after_failure, equal_jobs, reseeded
from videogen.errors import Interrupted, StoreError, WorkerError, WorkerLost
from videogen.failure import AttemptFailed, Failure, FailureClass
from videogen.ledger import Ledger
from videogen.ledger_lock import exclusive
from videogen.ledger_rows import AttemptRow, JobRow, JobState
from videogen.preflight import preflight
from videogen.progress import Progress
from videogen.runner import Limit, Runner, Waits
from videogen.secret import Secret
from videogen.stack_outputs import Worker
from videogen.store import Store
from videogen.workflow import Workflow

SHEET = "contact-sheet.png"
NEARLY_DONE = 0.8
"""A prompt that is this far is left running when the user stops; the next run collects it."""
_FINISHING = 3
"""Jobs of one worker whose files may be on their way at once."""


@dataclass(frozen=True)
class Plan:
    """What shall be rendered."""

    batch: str
    workflow: Workflow
    jobs: tuple[Job, ...]
    limits: Limits
    files: Mapping[str, Path]
    """SHA-256 of each input file → where it lies."""
    folder: Path
    """Videos are kept at `<folder>/<batch>/<job id>.mp4`."""
    retry_failed: bool = False
    """Whether jobs that failed in an earlier run are tried again."""
    again: bool = False
    """Whether done jobs are rendered anew; what the bucket holds does not count then."""


@dataclass(frozen=True)
class Result:
    """How it ended. `done` counts all done jobs of the plan, `before` those of them that an earlier run had done."""

    batch: str
    done: int
    before: int
    failed: int
    open: int
    seconds: float
    jobs: tuple[JobRow, ...]
    sheet: Path | None
    lost: dict[str, str]
    """Worker → why it got no more jobs."""


class Listener(Protocol):
    """Who wants to know what happens. Called in the event loop: be quick."""

    def planned(self, jobs: int, done: int, workers: Sequence[str]) -> None:
        """It begins; `done` of the jobs were done before."""

    def job_started(self, worker: str, job: Job, attempt: int, resumed: bool) -> None:
        """A worker got a job; `resumed`: it had it already, from an earlier run."""

    def job_progress(self, worker: str, job: Job, progress: Progress) -> None:
        """The job moved."""

    def job_rendered(self, worker: str, job: Job, seconds: float | None) -> None:
        """The GPU is done with the job after so many seconds of its own clock; its files come now."""

    def job_finished(self, job: Job, path: Path | None) -> None:
        """The job is done: in the bucket, and at `path`."""

    def job_failed(self, worker: str, job: Job, failure: Failure, decision: Decision) -> None:
        """An attempt failed, and this is done about it."""

    def worker_lost(self, worker: str, reason: str) -> None:
        """The worker gets no more jobs in this run."""

    def stopping(self, seconds: float) -> None:
        """A stop was asked for; what runs gets so many seconds to end by itself."""


async def submit(
    plan: Plan,
    workers: Sequence[Worker],
    tokens: Mapping[str, Secret],
    store: Store,
    ledger: Ledger,
    *,
    listener: Listener,
    stop: asyncio.Event,
    waits: Waits | None = None,
) -> Result:
    """Renders every open job of the plan, once; jobs that the ledger or the bucket has done are not rendered again.

    Raises `VideogenError` when another process works with the ledger, `InputError` when a worker lacks what the jobs
    need, `Interrupted` after `stop`, and `WorkerLost` when jobs stay open because no worker is left. A failed job is
    no error: it is in the result.
    """
    began = time.monotonic()
    with exclusive(ledger.path):
        run = _Run(plan, workers, tokens, store, ledger, listener, stop, waits or Waits())
        before = await run.restore()
        try:
            await run.work()
        except BaseExceptionGroup as group:
            raise _first(group) from group
        rows = {row.id: row for row in ledger.jobs(plan.batch)}
        jobs = tuple(rows[job] for job in run.jobs)
        sheet = await asyncio.to_thread(run.sheet, jobs)
    counts = {state: sum(row.state is state for row in jobs) for state in JobState}
    left = counts[JobState.OPEN]
    standing = f"{counts[JobState.DONE]} of {len(jobs)} jobs are done, {left} stay open"
    if left and stop.is_set():
        raise Interrupted(f"stopped: {standing}", "submit the batch again to go on")
    if left and not run.board.alive:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in run.lost.items()) or "the stack has none"
        raise WorkerLost(f"no worker is left ({reasons}): {standing}", "submit the batch again when there are workers")
    seconds = time.monotonic() - began
    return Result(
        plan.batch, counts[JobState.DONE], before, counts[JobState.FAILED], left, seconds, jobs, sheet, run.lost
    )


class _Stopped(Exception):
    """The user's stop ended a render."""


class _Run:
    def __init__(
        self,
        plan: Plan,
        workers: Sequence[Worker],
        tokens: Mapping[str, Secret],
        store: Store,
        ledger: Ledger,
        listener: Listener,
        stop: asyncio.Event,
        waits: Waits,
    ) -> None:
        self.jobs = {job.id: job for job in plan.jobs}
        self.board = Board()
        self.lost: dict[str, str] = {}
        self._plan, self._workers, self._tokens = plan, workers, tokens
        self._store, self._ledger = store, ledger
        self._listener, self._stop, self._waits = listener, stop, waits
        self._collector = Collector(plan.batch, plan.workflow, plan.folder, store, ledger)
        self._limit = Limit(plan.limits.job_minutes * 60, plan.workflow.definition.stall_minutes * 60)
        self._half_done: list[AttemptRow] = []
        self._wake = asyncio.Event()
        self._stopping: asyncio.Task[bool] | None = None

    # What an earlier run left

    async def restore(self) -> int:
        """Puts every open job on the board; the number of jobs that are done already."""
        batch = self._plan.batch
        self._ledger.register(batch, self._plan.jobs)
        rows = {row.id: row for row in self._ledger.jobs(batch) if row.id in self.jobs}
        wanted = {JobState.FAILED: self._plan.retry_failed or self._plan.again, JobState.DONE: self._plan.again}
        if any(wanted.values()):
            for row in rows.values():
                if wanted.get(row.state):
                    self._ledger.reopen(batch, row.id)
            rows = {row.id: row for row in self._ledger.jobs(batch) if row.id in self.jobs}
        waiting = [job for job in self.jobs if rows[job].state is JobState.OPEN]
        done = sum(row.state is JobState.DONE for row in rows.values())
        names = {worker.name for worker in self._workers}
        for attempt in self._ledger.in_flight(batch):
            if attempt.job not in waiting:
                continue
            if self._collector.intact(attempt):
                self._half_done.append(attempt)
                self.board.busy[attempt.job] = frozenset()
            elif attempt.worker in names:
                self.board.claim(attempt.worker, Turn(attempt.job, attempt.prompt_id))
            else:
                self._ledger.lose(attempt.prompt_id, _lost("its worker is gone"))
                continue
            waiting.remove(attempt.job)
        done += await self._adopt(waiting)
        self.board.waiting = [Waiting(job) for job in waiting]
        self._listener.planned(len(self.jobs), done, [worker.name for worker in self._workers])
        return done

    async def _adopt(self, waiting: list[str]) -> int:
        """Takes what the bucket has whole out of `waiting`: another machine, or another ledger, rendered it."""
        tried = {attempt.job for attempt in self._ledger.attempts(self._plan.batch)}
        if self._plan.again or not set(waiting) - tried:
            return 0
        prefix = job_prefix(self._plan.batch, "").rstrip("/") + "/"
        keys = await asyncio.to_thread(lambda: {one.key for one in self._store.list(self._store.outputs, prefix)})
        found = [job for job in waiting if job not in tried and job_prefix(self._plan.batch, job) + RECORD in keys]
        for job in found:
            await self._collector.adopt(self.jobs[job])
            waiting.remove(job)
        return len(found)

    # The work

    async def work(self) -> None:
        """Does all that is on the board."""
        if self.board.settled:
            return
        self._stopping = asyncio.create_task(self._stop.wait())
        self._stopping.add_done_callback(lambda _: self._heed_stop())
        try:
            async with self._connected() as runners, asyncio.TaskGroup() as group:
                for attempt in self._half_done:
                    group.create_task(self._put_away("", attempt))
                for runner in runners:
                    group.create_task(self._work_on(runner))
        finally:
            self._stopping.cancel()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[list[Runner]]:
        """The workers that answer and have what the jobs need; raises `InputError` before anything is sent."""
        async with contextlib.AsyncExitStack() as stack:
            if not self.board.waiting and not any(self.board.claims.values()):
                yield []
                return
            runners = []
            for worker in self._workers:
                client = Comfy(worker.url, self._tokens.get(worker.name), None, self._waits.lost, self._waits.answer)
                comfy = await stack.enter_async_context(client)
                # The same id in each run, so that a prompt of an earlier one tells its events to this one.
                client_id = str(uuid.uuid5(uuid.UUID(self._ledger.id), worker.name))
                events = await stack.enter_async_context(comfy.events(client_id, self._waits.first_word))
                runners.append(Runner(worker, comfy, events, client_id, self._plan.files, self._waits))
                self.board.alive.add(worker.name)
            infos = dict(zip(runners, await asyncio.gather(*(self._met(runner) for runner in runners)), strict=True))
            preflight(
                [self.jobs[one.job] for one in self.board.waiting],
                {runner.worker.name: info for runner, info in infos.items() if info is not None},
            )
            yield [runner for runner, info in infos.items() if info is not None]

    async def _met(self, runner: Runner) -> dict[str, object] | None:
        try:
            await runner.begin()
            if self._plan.again:
                await runner.comfy.free()  # or its cache would answer instead of a render
            return await runner.comfy.object_info()
        except WorkerError as error:
            self._drop(runner.worker.name, error.message)
            return None

    async def _work_on(self, runner: Runner) -> None:
        """Gives one worker jobs for as long as there are any and it is fit."""
        slots = asyncio.Semaphore(_FINISHING)
        async with asyncio.TaskGroup() as finishing:
            while (turn := await self._turn(runner.worker.name)) is not None:
                job, attempt = self._begun(runner.worker.name, turn)
                try:
                    entry = await self._rendered(runner, job, attempt, turn, finishing)
                except AttemptFailed as error:
                    await self._failed(runner, job, attempt, error)
                except WorkerError as error:
                    await self._failed(runner, job, attempt, AttemptFailed(_lost(error.message), reachable=False))
                except _Stopped:
                    return
                else:
                    self._listener.job_rendered(runner.worker.name, job, entry.render_seconds)
                    await slots.acquire()
                    task = finishing.create_task(self._finish(runner, job, attempt, entry))
                    task.add_done_callback(lambda _: slots.release())

    async def _turn(self, worker: str) -> Turn | None:
        """The worker's next turn; nothing when there will be none. Waits while other workers' jobs may come back."""
        while worker in self.board.alive and not self._stop.is_set():
            if (turn := self.board.take(worker)) is not None:
                return turn
            if self.board.settled:
                return None
            await self._wake.wait()
        return None

    def _begun(self, worker: str, turn: Turn) -> tuple[Job, AttemptRow]:
        if turn.prompt_id is None:
            attempt = self._ledger.lease(self._plan.batch, turn.job, worker)
        else:
            attempt = self._ledger.attempt(turn.prompt_id)
        job = self.jobs[turn.job]
        if self._plan.limits.new_seed_on_bad_output:
            before = [one for one in self._ledger.attempts(self._plan.batch, job.id) if one.number < attempt.number]
            bad = sum(one.failure is not None and one.failure.kind is FailureClass.BAD_OUTPUT for one in before)
            job = reseeded(job, self._plan.workflow, bad)
        self._listener.job_started(worker, job, attempt.number, turn.prompt_id is not None)
        return job, attempt

    async def _rendered(
        self, runner: Runner, job: Job, attempt: AttemptRow, turn: Turn, tasks: asyncio.TaskGroup
    ) -> HistoryEntry:
        """The prompt's end; raises `_Stopped` when the user's stop came first."""
        far = 0.0

        def heard(progress: Progress) -> None:
            nonlocal far
            self._listener.job_progress(runner.worker.name, job, progress)
            if far == 0.0 and (following := self.board.peek(runner.worker.name)) is not None:
                tasks.create_task(self._prepare(runner, self.jobs[following]))
            far = max(progress.fraction, 1e-6)

        assert self._stopping is not None
        resumed = turn.prompt_id is not None
        render = asyncio.create_task(runner.render(job, attempt, self._ledger, self._limit, heard, resumed))
        try:
            await asyncio.wait({render, self._stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not render.done():
                await asyncio.wait({render}, timeout=self._waits.grace)
            if render.done():
                return render.result()
        finally:
            if not render.done():
                render.cancel()
                await asyncio.wait({render})
        if far < NEARLY_DONE:
            await self._call_off(runner, attempt)
        raise _Stopped

    async def _call_off(self, runner: Runner, attempt: AttemptRow) -> None:
        """Ends what the user's stop ended; where the worker does not say so, the next run will ask it."""
        with contextlib.suppress(WorkerError):
            ended = await runner.end(attempt.prompt_id)
            entry = await runner.comfy.history(attempt.prompt_id)
            if ended and (entry is None or not entry.succeeded):
                failure = Failure(FailureClass.CANCELLED, "stopped by the user", {})
                self._ledger.fail(attempt.prompt_id, failure, job_fails=False)

    async def _prepare(self, runner: Runner, job: Job) -> None:
        """Sends the next job's inputs while the GPU works; a failure is met again when the job's turn comes."""
        if not runner.ready_for(job):
            with contextlib.suppress(WorkerError, AttemptFailed):
                await runner.prepare(job)

    async def _finish(self, runner: Runner, job: Job, attempt: AttemptRow, entry: HistoryEntry) -> None:
        try:
            await self._collector.collect(job, attempt, entry, runner.comfy, runner.worker, runner.versions)
        except AttemptFailed as error:
            await self._failed(runner, job, attempt, error)
        except WorkerError as error:
            await self._failed(runner, job, attempt, AttemptFailed(_lost(error.message), reachable=False))
        else:
            await self._put_away(runner.worker.name, attempt)

    async def _put_away(self, worker: str, attempt: AttemptRow) -> None:
        """From this machine into the bucket. A store that fails costs no render: the files wait for the next run."""
        job = self.jobs[attempt.job]
        try:
            await self._collector.put_away(attempt)
        except StoreError as error:
            failure = Failure(FailureClass.STORE, error.message, {})
            decision = after_failure(failure, 0, self._plan.limits, 0, reachable=True)
            self._listener.job_failed(worker, job, failure, decision)
        else:
            videos = [one.path for one in self._ledger.outputs(attempt.prompt_id)]
            self._listener.job_finished(job, videos[0] if videos else None)
        self.board.settle([job.id])
        self._news()

    # Failures

    async def _failed(self, runner: Runner, job: Job, attempt: AttemptRow, error: AttemptFailed) -> None:
        name, failure = runner.worker.name, error.failure
        row = self._ledger.job(self._plan.batch, job.id)
        ended = row.attempts + (failure.kind is not FailureClass.CANCELLED)
        others = self.board.others(job.id, name)
        decision = after_failure(failure, ended, self._plan.limits, others, error.reachable)
        gives_up = decision.action in (Action.GIVE_UP, Action.GIVE_UP_EQUAL)
        end = self._ledger.lose if failure.kind is FailureClass.LOST_WORKER else self._ledger.fail
        end(attempt.prompt_id, failure, gives_up)
        self._listener.job_failed(name, job, failure, decision)
        fit = not decision.drop_worker
        if failure.kind is FailureClass.STALLED:
            fit = await self._ended(runner, attempt.prompt_id)
        if decision.free_worker:
            with contextlib.suppress(WorkerError):
                await runner.comfy.free()
        if decision.action is Action.AGAIN:
            self.board.again(job.id, name)
        else:
            equal = self._equal(job, failure) if decision.action is Action.GIVE_UP_EQUAL else []
            for other in equal:
                self._ledger.fail_untried(self._plan.batch, other, failure)
                self._listener.job_failed(name, self.jobs[other], failure, decision)
            self.board.settle([job.id, *equal])
        if not fit:
            self._drop(name, failure.message)
        self._news()

    def _equal(self, job: Job, failure: Failure) -> list[str]:
        return equal_jobs(self.jobs[job.id], failure, [self.jobs[one.job] for one in self.board.waiting])

    async def _ended(self, runner: Runner, prompt_id: str) -> bool:
        try:
            return await runner.end(prompt_id)
        except WorkerError:
            return False

    def _drop(self, worker: str, reason: str) -> None:
        if worker not in self.board.alive:
            return
        for turn in self.board.drop(worker):
            if turn.prompt_id is not None:
                self._ledger.lose(turn.prompt_id, _lost(reason))
            self.board.waiting.append(Waiting(turn.job))
        self.lost[worker] = reason
        self._listener.worker_lost(worker, reason)
        self._news()

    def _news(self) -> None:
        """Wakes the workers that wait for a turn."""
        self._wake.set()
        self._wake = asyncio.Event()

    def _heed_stop(self) -> None:
        if self._stop.is_set():
            self._listener.stopping(self._waits.grace)
            self._news()

    # After it

    def sheet(self, jobs: Sequence[JobRow]) -> Path | None:
        """The contact sheet of the videos that lie here; nothing when there are none."""
        entries = []
        for row in jobs:
            outputs = self._ledger.done_outputs(self._plan.batch, row.id)
            videos = [one.path for one in outputs if one.name.startswith("video") and one.path.is_file()]
            entries += [(self.jobs[row.id].label, path) for path in videos]
        if not entries:
            return None
        path = self._plan.folder / self._plan.batch / SHEET
        contact_sheet(entries, path, f"{self._plan.batch} · {self._plan.workflow.name}")
        return path


def _lost(reason: str) -> Failure:
    return Failure(FailureClass.LOST_WORKER, reason, {})


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error behind a group: tasks end together when one of them meets something that ends the run."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
