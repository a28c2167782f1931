"""The ledger's rows as values: jobs, attempts and outputs, and the states in which they stand."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from videogen.failure import Failure
from videogen.flaw import Flaw


class JobState(StrEnum):
    """Where a job stands."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


class AttemptState(StrEnum):
    """Where an attempt stands."""

    LEASED = "leased"
    """A worker and a prompt id are chosen; the POST may or may not have been sent."""
    SUBMITTED = "submitted"
    """The worker took it."""
    RENDERED = "rendered"
    """Its files lie on this machine and passed the check."""
    STORED = "stored"
    """Its files are confirmed in the bucket."""
    DONE = "done"
    """Its record is, too."""
    FAILED = "failed"
    LOST = "lost"
    """Nobody knows its end: the worker went, or forgot it."""


HERE = "here"
"""The worker's name of jobs that the submitting machine does itself."""
IN_FLIGHT = (AttemptState.LEASED, AttemptState.SUBMITTED, AttemptState.RENDERED, AttemptState.STORED)


@dataclass(frozen=True)
class JobRow:
    """One job."""

    batch: str
    id: str
    workflow: str
    label: str
    parameters: dict[str, Any]
    state: JobState
    attempts: int
    """Ended attempts that count against the batch's limit: those after which less was asked for do not."""
    changed: float
    """Unix time."""
    step: str = ""
    """Of a chain; empty for a job of its own."""
    group: str = ""
    """What the jobs of one finished video have in common, for people."""
    final: bool = True
    """Its video is wanted for itself, not only for the jobs that need it."""
    needs: tuple[str, ...] = ()
    """Jobs that make its inputs."""


@dataclass(frozen=True)
class AttemptRow:
    """One try at a job on one worker."""

    prompt_id: str
    batch: str
    job: str
    number: int
    worker: str
    state: AttemptState
    leased: float
    changed: float
    render_seconds: float | None
    """From ComfyUI's own clock; nothing until it is known."""
    failure: Failure | None
    gpu: str = ""
    """Of the worker; empty in rows of older programs and for jobs that were never tried."""
    rung: str = ""
    """The rung of the shrink ladder on which it was tried; empty for the job as it was asked for."""
    work: str = ""
    """What was asked of the GPU, as `planner.work` writes it; empty in rows of older programs."""


@dataclass(frozen=True)
class OutputRow:
    """One file of a job."""

    name: str
    """In the bucket, within the job's folder."""
    path: Path
    """On this machine."""
    key: str
    size: int
    sha256: str
    flaws: tuple[Flaw, ...] = ()
    """What its check found and did not reject it for."""
