"""A batch on the terminal: one bar a worker and one for the batch; plain lines where there is no terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from videogen import project
from videogen.batch import Job
from videogen.console import Console, counted, duration
from videogen.dispatch import Decision
from videogen.failure import Failure
from videogen.ledger_rows import HERE
from videogen.progress import Progress


class BatchBars:
    """Implements `videogen.submission.Listener`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.err.is_terminal
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[doing]}", style="dim"),
            console=console.err,
            disable=not self._live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._batch: TaskID | None = None
        self._done = self._jobs = 0

    def shown(self) -> dict[str, float]:
        """What each bar shows, from 0 to 1."""
        return {task.description.strip(): task.percentage / 100 for task in self._bars.tasks}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def planned(self, jobs: int, done: int, workers: Sequence[str]) -> None:
        """Says what is ahead."""
        self._jobs, self._done = jobs, done
        before = f", {done} done before" if done else ""
        rented = sum(worker != HERE for worker in workers)
        self._console.say(f"{counted(jobs, 'job')} on {counted(rented, 'worker')}{before} …")
        width = max([len(worker) for worker in workers] + [5])
        for worker in workers:
            self._tasks[worker] = self._bars.add_task(f"{worker:<{width}}", total=1.0, doing="")
        self._batch = self._bars.add_task(f"{'batch':<{width}}", total=jobs, completed=done, doing=self._count())

    def job_started(self, worker: str, job: Job, attempt: int, resumed: bool) -> None:
        """The worker's bar starts anew."""
        again = ", goes on" if resumed else f", attempt {attempt}" if attempt > 1 else ""
        if (task := self._task(worker)) is not None:
            self._bars.reset(task, total=1.0, doing=f"{job.label}{again}")
        self._plain(f"{worker}: {job.label}{again} …")

    def job_cut(self, worker: str, job: Job, rung: str, why: str) -> None:
        """Less is drawn than was asked for, and nobody shall be surprised by it."""
        self._console.warn(f"{worker}: {job.label}: begins on rung {rung}, memory ended before as it was asked: {why}")

    def job_progress(self, worker: str, job: Job, progress: Progress) -> None:
        """The worker's bar moves."""
        steps = f" {progress.step}/{progress.steps}" if progress.steps else ""
        if (task := self._task(worker)) is not None:
            doing = f"{job.label} · {progress.node}{steps}"
            self._bars.update(task, completed=progress.fraction, doing=doing)

    def job_rendered(self, worker: str, job: Job, seconds: float | None) -> None:
        """The GPU is free."""
        took = f" in {duration(seconds)}" if seconds is not None else ""
        if (task := self._task(worker)) is not None:
            self._bars.update(task, completed=1.0, doing=f"{job.label} · rendered{took}")
        self._plain(f"{worker}: {job.label}: rendered{took}")

    def job_finished(self, job: Job, path: Path | None) -> None:
        """The job is in the bucket."""
        self._done += 1
        if self._batch is not None:
            self._bars.update(self._batch, completed=self._done, doing=self._count())
        where = f" → {project.shown(path)}" if path else ""
        self._console.say(f"done {self._count()}: {job.label}{where}")

    def job_failed(self, worker: str, job: Job, failure: Failure, decision: Decision) -> None:
        """An attempt failed: what, and what is done about it."""
        where = f"{worker}: " if worker else ""
        self._console.warn(f"{where}{job.label}: {failure.kind}: {failure.message}; {decision.reason}")

    def worker_lost(self, worker: str, reason: str) -> None:
        """The worker gets no more jobs."""
        if (task := self._task(worker)) is not None:
            self._bars.update(task, doing="lost")
        self._console.warn(f"{worker} gets no more jobs: {reason}")

    def stopping(self, seconds: float) -> None:
        """A signal came."""
        self._console.say(f"stopping: what runs has {duration(seconds)} to end by itself; Ctrl-C again stops at once …")

    def _task(self, worker: str) -> TaskID | None:
        return self._tasks.get(worker)

    def _count(self) -> str:
        return f"{self._done}/{self._jobs}"

    def _plain(self, line: str) -> None:
        if not self._live:
            self._console.say(line)
