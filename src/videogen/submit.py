"""A batch on its workers, from what an earlier run left to the contact sheet.

Each worker takes the next job when its GPU is free; files of the last job leave and inputs of the next one arrive
meanwhile. Everything that happens is in the ledger before it counts, so that a killed `submit` goes on where it was.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from videogen.batch import Job
from videogen.board import Turn
from videogen.boundary_store import BoundaryStore
from videogen.collect import Collector
from videogen.comfy import Comfy, HistoryEntry
from videogen.contact_sheet import contact_sheet
from videogen.dispatch import after_failure, reseeded
from videogen.errors import Interrupted, StoreError, WorkerError, WorkerLost
from videogen.failure import AttemptFailed, Failure, FailureClass
from videogen.here import Stopped, done_here
from videogen.ledger import Ledger
from videogen.ledger_lock import exclusive
from videogen.ledger_rows import HERE, AttemptRow, AttemptState, JobRow, JobState
from videogen.preflight import preflight
from videogen.progress import Progress
from videogen.recovery import Recovery
from videogen.resume import Resumed, resume
from videogen.runner import Limit, Runner, Waits
from videogen.secret import Secret
from videogen.shrinking import Shrinking
from videogen.stack_outputs import Worker
from videogen.store import Store
from videogen.submission import Listener, Plan, Result
from videogen.supply import Supply

SHEET = "contact-sheet.png"
NEARLY_DONE = 0.8
"""A prompt that is this far is left running when the user stops; the next run collects it."""
_FINISHING = 3
"""Jobs of one worker whose files may be on their way at once."""


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
    workers_only: bool = False,
) -> Result:
    """Renders every open job of the plan, once; jobs that the ledger or the bucket has done are not rendered again.

    With `workers_only` it ends when no worker is needed any more: the post steps of this machine that are left stay
    open, so that nobody pays for workers meanwhile.

    Raises `VideogenError` when another process works with the ledger, `InputError` when a worker lacks what the jobs
    need, `Interrupted` after `stop`, and `WorkerLost` when jobs stay open because no worker is left. A failed job is
    no error: it is in the result.
    """
    began = time.monotonic()
    with exclusive(ledger.path):
        steps = frozenset(job.id for job in plan.jobs if not job.final)
        collector = Collector(plan.batch, plan.workflow, plan.folder, store, ledger, steps, plan.cuts)
        names = [worker.name for worker in workers]
        resumed = await resume(plan, names, ledger, store, collector)
        supply = Supply(plan.batch, ledger, store, dict(plan.files), collector.local)
        boundary = BoundaryStore(ledger.file)
        with contextlib.suppress(StoreError):  # worth a look, not a wait: the ladder finds it out, too
            await asyncio.to_thread(boundary.take, store, [worker.gpu for worker in workers])
        waits = waits or Waits()
        run = _Run(plan, workers, tokens, resumed, collector, supply, ledger, listener, stop, waits, workers_only)
        posts = [HERE] if any(job.post for job in plan.jobs) else []
        listener.planned(len(run.jobs), resumed.done, names + posts)
        try:
            await run.work()
        except BaseExceptionGroup as group:
            raise _first(group) from group
        with contextlib.suppress(StoreError):  # it waits in the ledger for the next run
            await asyncio.to_thread(boundary.send, store)
        rows = {row.id: row for row in ledger.jobs(plan.batch)}
        jobs = tuple(rows[job] for job in run.jobs)
        videos = run.videos(jobs)
        sheet = await asyncio.to_thread(run.sheet, jobs)
    counts = {state: sum(row.state is state for row in jobs) for state in JobState}
    left = counts[JobState.OPEN]
    standing = f"{counts[JobState.DONE]} of {len(jobs)} jobs are done, {left} stay open"
    if left and stop.is_set():
        raise Interrupted(f"stopped: {standing}", "submit the batch again to go on")
    if left and not run.board.alive and any(row.state is JobState.OPEN and not run.jobs[row.id].post for row in jobs):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in run.recovery.lost.items()) or "the stack has none"
        raise WorkerLost(f"no worker is left ({reasons}): {standing}", "submit the batch again when there are workers")
    return Result(
        batch=plan.batch,
        done=counts[JobState.DONE],
        before=resumed.done,
        failed=counts[JobState.FAILED],
        open=left,
        seconds=time.monotonic() - began,
        jobs=jobs,
        videos={job: str(path) for job, path in videos.items()},
        sheet=sheet,
        lost=run.recovery.lost,
    )


class _Run:
    def __init__(
        self,
        plan: Plan,
        workers: Sequence[Worker],
        tokens: Mapping[str, Secret],
        resumed: Resumed,
        collector: Collector,
        supply: Supply,
        ledger: Ledger,
        listener: Listener,
        stop: asyncio.Event,
        waits: Waits,
        workers_only: bool,
    ) -> None:
        self.jobs = {job.id: job for job in plan.jobs}
        self.board = resumed.board
        self.shrinking = Shrinking(plan, BoundaryStore(ledger.file), workers, tokens)
        gpus = {worker.name: worker.gpu for worker in workers}
        self.recovery = Recovery(
            plan.batch, plan.limits, self.jobs, ledger, self.board, listener, self.shrinking, gpus, self._news
        )
        self._plan, self._workers, self._tokens = plan, workers, tokens
        self._half_done, self._collector, self._supply, self._ledger = resumed.half_done, collector, supply, ledger
        self._listener, self._stop, self._waits, self._workers_only = listener, stop, waits, workers_only
        self._wake = asyncio.Event()
        self._stopping: asyncio.Task[bool] | None = None

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
                group.create_task(self._work_here())
        finally:
            self._stopping.cancel()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[list[Runner]]:
        """The workers that answer and have what the jobs need; raises `InputError` before anything is sent."""
        async with contextlib.AsyncExitStack() as stack:
            if not self.board.wants_workers:
                yield []
                return
            runners = []
            for worker in self._workers:
                client = Comfy(worker.url, self._tokens.get(worker.name), None, self._waits.lost, self._waits.answer)
                comfy = await stack.enter_async_context(client)
                # The same id in each run, so that a prompt of an earlier one tells its events to this one.
                client_id = str(uuid.uuid5(uuid.UUID(self._ledger.id), worker.name))
                events = await stack.enter_async_context(comfy.events(client_id, self._waits.first_word))
                runners.append(Runner(worker, comfy, events, client_id, self._supply.files, self._waits))
                self.board.alive.add(worker.name)
            infos = dict(zip(runners, await asyncio.gather(*(self._met(runner) for runner in runners)), strict=True))
            preflight(
                [self.jobs[one.job] for one in self.board.waiting if not one.here],
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
            self.recovery.drop(runner.worker.name, error.message)
            return None

    async def _work_on(self, runner: Runner) -> None:
        """Gives one worker jobs for as long as there are any and it is fit."""
        slots = asyncio.Semaphore(_FINISHING)
        async with asyncio.TaskGroup() as finishing:
            while (turn := await self._turn(runner.worker.name)) is not None:
                given = await self._given(runner.worker.name, turn.job)
                if given is None:
                    continue
                job, attempt = self._begun(runner, given, turn)
                try:
                    entry = await self._rendered(runner, job, attempt, turn, finishing)
                except (AttemptFailed, WorkerError) as error:
                    await self.recovery.failed(runner, job, attempt, error)
                except Stopped:
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
            if self.board.settled or self._enough:
                return None
            await self._wake.wait()
        return None

    @property
    def _enough(self) -> bool:
        """Whether only post steps are left, and they are not for this run."""
        return self._workers_only and not self.board.keeps_workers

    async def _work_here(self) -> None:
        """Does the post steps, one after the other."""
        while (turn := await self._turn_here()) is not None:
            if (job := await self._given(HERE, turn)) is None:
                continue
            attempt = self._ledger.lease(self._plan.batch, job.id, HERE, work=self.shrinking.asked(job.id))
            self._listener.job_started(HERE, job, attempt.number, resumed=False)
            made = self._collector.local(job.id, "video.mp4").with_name(f".{job.id}.making.mp4")

            def heard(progress: Progress, job: Job = job) -> None:
                self._listener.job_progress(HERE, job, progress)

            limit = self._plan.limits.job_minutes * 60
            try:
                seconds = await done_here(job, self._supply.files, made, limit, heard, self._stop, self._waits.grace)
                self._listener.job_rendered(HERE, job, seconds)
                await self._collector.collect_post(job, attempt, made, seconds)
            except AttemptFailed as error:
                await self.recovery.failed(None, job, attempt, error)
            except Stopped:
                cancelled = Failure(FailureClass.CANCELLED, "stopped by the user", {})
                self._ledger.fail(attempt.prompt_id, cancelled, job_fails=False)
                return
            else:
                await self._put_away(HERE, attempt)

    async def _turn_here(self) -> str | None:
        """The next post step; nothing when there will be none: those that need what nobody will make stay open."""
        while not self._stop.is_set() and not self._enough and any(one.here for one in self.board.waiting):
            if (job := self.board.take_here()) is not None:
                return job
            if not self.board.alive and not self.board.busy:
                return None
            await self._wake.wait()
        return None

    async def _given(self, worker: str, job_id: str) -> Job | None:
        """The job with what its needs made; nothing where that does not come, and it is left for the next run."""
        job = self.jobs[job_id]
        try:
            return await self._supply.given(job)
        except StoreError as error:
            self._left(worker, job, error)
            return None

    def _begun(self, runner: Runner, job: Job, turn: Turn) -> tuple[Job, AttemptRow]:
        worker = runner.worker
        if turn.prompt_id is None:
            begun = self.shrinking.begin(job, worker.gpu, runner.software)
            job = begun.job
            attempt = self._ledger.lease(self._plan.batch, job.id, worker.name, worker.gpu, begun.rung, begun.work)
            if begun.rung and attempt.number == 1:
                self._listener.job_cut(worker.name, job, begun.rung, begun.why)
        else:
            attempt = self._ledger.attempt(turn.prompt_id)
            job = self.shrinking.resumed(job, attempt)
        if self._plan.limits.new_seed_on_bad_output:
            before = [one for one in self._ledger.attempts(self._plan.batch, job.id) if one.number < attempt.number]
            bad = sum(one.failure is not None and one.failure.kind is FailureClass.BAD_OUTPUT for one in before)
            job = reseeded(job, self._plan.workflow.doing(job.step), bad)
        self._listener.job_started(worker.name, job, attempt.number, turn.prompt_id is not None)
        return job, attempt

    async def _rendered(
        self, runner: Runner, job: Job, attempt: AttemptRow, turn: Turn, tasks: asyncio.TaskGroup
    ) -> HistoryEntry:
        """The prompt's end; raises `Stopped` when the user's stop came first."""
        far = 0.0

        def heard(progress: Progress) -> None:
            nonlocal far
            self._listener.job_progress(runner.worker.name, job, progress)
            if far == 0.0 and (following := self.board.peek(runner.worker.name)) is not None:
                tasks.create_task(self._prepare(runner, following))
            far = max(progress.fraction, 1e-6)

        assert self._stopping is not None
        resumed = turn.prompt_id is not None
        silence = self._plan.workflow.doing(job.step).definition.stall_minutes * 60
        limit = Limit(self._plan.limits.job_minutes * 60, silence)
        render = asyncio.create_task(runner.render(job, attempt, self._ledger, limit, heard, resumed))
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
        raise Stopped

    async def _call_off(self, runner: Runner, attempt: AttemptRow) -> None:
        """Ends what the user's stop ended; where the worker does not say so, the next run will ask it.

        A prompt that the worker has not confirmed may still be on its way: that it is unknown there proves nothing.
        """
        with contextlib.suppress(WorkerError):
            ended = await runner.end(attempt.prompt_id)
            entry = await runner.comfy.history(attempt.prompt_id)
            confirmed = self._ledger.attempt(attempt.prompt_id).state is not AttemptState.LEASED
            if ended and (not entry.succeeded if entry else confirmed):
                failure = Failure(FailureClass.CANCELLED, "stopped by the user", {})
                self._ledger.fail(attempt.prompt_id, failure, job_fails=False)

    async def _prepare(self, runner: Runner, job_id: str) -> None:
        """Sends the next job's inputs while the GPU works; a failure is met again when the job's turn comes."""
        with contextlib.suppress(WorkerError, AttemptFailed, StoreError):
            job = await self._supply.given(self.jobs[job_id])
            if not runner.ready_for(job):
                await runner.prepare(job)

    async def _finish(self, runner: Runner, job: Job, attempt: AttemptRow, entry: HistoryEntry) -> None:
        try:
            await self._collector.collect(job, attempt, entry, runner.comfy, runner.worker, runner.versions)
        except (AttemptFailed, WorkerError) as error:
            await self.recovery.failed(runner, job, attempt, error)
        else:
            await self._put_away(runner.worker.name, attempt)
            peak = await self.shrinking.peak(runner.worker.name, entry.render_seconds)
            self.shrinking.worked(attempt, runner.software, peak)

    async def _put_away(self, worker: str, attempt: AttemptRow) -> None:
        """From this machine into the bucket. A store that fails costs no render: the files wait for the next run."""
        job = self.jobs[attempt.job]
        try:
            await self._collector.put_away(attempt)
        except StoreError as error:
            self._left(worker, job, error)
        else:
            videos = [one.path for one in self._ledger.outputs(attempt.prompt_id)]
            self._listener.job_finished(job, videos[0] if videos else None)
            self.board.met(job.id)
            self.board.settle([job.id])
            self._news()

    def _left(self, worker: str, job: Job, error: StoreError) -> None:
        """The store failed: the job, and what needs it, waits for the next run."""
        failure = Failure(FailureClass.STORE, error.message, {})
        decision = after_failure(failure, 0, self._plan.limits, 0, reachable=True)
        self._listener.job_failed(worker, job, failure, decision)
        self.board.settle([job.id])
        self._news()

    def _news(self) -> None:
        """Wakes the workers that wait for a turn."""
        self._wake.set()
        self._wake = asyncio.Event()

    def _heed_stop(self) -> None:
        if self._stop.is_set():
            self._listener.stopping(self._waits.grace)
            self._news()

    def videos(self, jobs: Sequence[JobRow]) -> dict[str, Path]:
        """Done job → its first file, where it lies here; what only other jobs want may not."""
        found = {row.id: self._ledger.done_outputs(self._plan.batch, row.id) for row in jobs}
        there = {job: outputs[0].path for job, outputs in found.items() if outputs}
        return {job: path for job, path in there.items() if self.jobs[job].final or path.is_file()}

    def sheet(self, jobs: Sequence[JobRow]) -> Path | None:
        """The contact sheet of the videos that lie here; nothing when there are none."""
        entries = []
        for row in (one for one in jobs if one.final):
            outputs = self._ledger.done_outputs(self._plan.batch, row.id)
            videos = [one.path for one in outputs if one.name.startswith("video") and one.path.is_file()]
            job = self.jobs[row.id]
            entries += [(job.group if job.step else job.label, path) for path in videos]
        if not entries:
            return None
        path = self._plan.folder / self._plan.batch / SHEET
        contact_sheet(entries, path, f"{self._plan.batch} · {self._plan.workflow.name}")
        return path


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error behind a group: tasks end together when one of them meets something that ends the run."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
