"""A batch on its way through `submit`: what shall be rendered, who hears of it, and how it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from videogen.batch import Job, Limits
from videogen.definition import Value
from videogen.dispatch import Decision
from videogen.failure import Failure
from videogen.ledger_rows import JobRow
from videogen.progress import Progress
from videogen.workflow import Workflow


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
    cuts: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    """Step of the chain → parameters with which less is drawn at a time than was asked for."""
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
    videos: Mapping[str, str]
    """Done job → where its video lies on this machine; one that only other jobs want may be in the bucket alone."""
    sheet: Path | None
    lost: dict[str, str]
    """Worker → why it got no more jobs."""


class Listener(Protocol):
    """Who wants to know what happens. Called in the event loop: be quick."""

    def planned(self, jobs: int, done: int, workers: Sequence[str]) -> None:
        """It begins; `done` of the jobs were done before."""

    def job_started(self, worker: str, job: Job, attempt: int, resumed: bool) -> None:
        """A worker got a job; `resumed`: it had it already, from an earlier run."""

    def job_cut(self, worker: str, job: Job, rung: str, why: str) -> None:
        """The job begins with less than was asked for: memory ended there before with as much."""

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
