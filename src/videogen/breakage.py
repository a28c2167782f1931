"""Under which conditions attempts break, and how often: counted over all that ended, so that a share has its whole."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from videogen.failure import Failure, FailureClass
from videogen.flaw import Flaw
from videogen.ledger_rows import HERE, AttemptRow, AttemptState, JobRow

_GOOD = (AttemptState.RENDERED, AttemptState.STORED, AttemptState.DONE)
_BAD = (AttemptState.FAILED, AttemptState.LOST)
_SAYS_NOTHING = frozenset({FailureClass.CANCELLED, FailureClass.STORE, FailureClass.NEEDS_FAILED})
"""Ends that tell nothing about the conditions of the attempt itself."""


@dataclass(frozen=True)
class Tried:
    """An attempt that ended, with its job and what the check of its files found."""

    job: JobRow
    attempt: AttemptRow
    flaws: tuple[Flaw, ...] = ()

    @property
    def failure(self) -> Failure | None:
        """Why it failed; nothing for one that made its video."""
        return self.attempt.failure if self.attempt.state in _BAD else None


CONDITIONS: dict[str, Callable[[Tried], str]] = {
    "gpu": lambda one: one.attempt.gpu or (one.attempt.worker if one.attempt.worker == HERE else "unknown"),
    "size": lambda one: _size(one.job),
    "frames": lambda one: str(one.job.parameters.get("length") or one.job.parameters.get("frames") or "–"),
    "workflow": lambda one: one.job.workflow + (f"/{one.job.step}" if one.job.step else ""),
    "rung": lambda one: one.attempt.rung or "–",
    "batch": lambda one: one.job.batch,
}
"""What attempts are counted by. Size and frames are what the job asked for; the rung says what was cut of it."""
CLASS = "class"
"""Counts failures by what happened, each against all attempts under the same other conditions."""


@dataclass(frozen=True)
class Count:
    """Attempts under the same conditions."""

    conditions: dict[str, str]
    attempts: int
    failed: int
    """With `class` among the conditions, those of this class."""
    suspicious: int
    """Videos that were kept although their check found something."""
    classes: dict[str, int]
    """Class of failure → how many."""

    @property
    def share(self) -> float:
        """Of the attempts, how many failed: 0 to 1."""
        return self.failed / self.attempts


@dataclass(frozen=True)
class Pattern:
    """What broke in the same way under the same conditions, newest last."""

    kind: FailureClass
    conditions: dict[str, str]
    failures: tuple[Tried, ...]
    attempts: int
    """All that ended under these conditions, the good ones included."""


def ended(jobs: Iterable[JobRow], attempts: Iterable[AttemptRow]) -> list[Tried]:
    """The attempts that say something about their conditions: tried on a worker, and ended by themselves."""
    known = {(job.batch, job.id): job for job in jobs}
    return [
        Tried(known[one.batch, one.job], one)
        for one in attempts
        if one.worker
        and (
            one.state in _GOOD
            or (one.state in _BAD and one.failure is not None and one.failure.kind not in _SAYS_NOTHING)
        )
    ]


def counts(tried: Sequence[Tried], by: Sequence[str]) -> list[Count]:
    """A count for each combination of conditions that occurs, the worst share first."""
    plain = [name for name in by if name != CLASS]
    found = []
    for key, group in _grouped(tried, plain).items():
        failures = [one.failure.kind for one in group if one.failure]
        classes = {str(kind): number for kind, number in Counter(failures).most_common()}
        suspicious = sum(any(flaw.severity == "suspicious" for flaw in one.flaws) for one in group)
        conditions = dict(zip(plain, key, strict=True))
        if CLASS in by:
            found += [
                Count({**conditions, CLASS: kind}, len(group), number, suspicious, {kind: number})
                for kind, number in classes.items()
            ]
        else:
            found.append(Count(conditions, len(group), len(failures), suspicious, classes))
    return sorted(found, key=lambda one: (-one.share, -one.attempts, list(one.conditions.values())))


def patterns(tried: Sequence[Tried]) -> list[Pattern]:
    """Every way to break that was seen, the most frequent first."""
    by = [name for name in CONDITIONS if name != "batch"]
    found = []
    for key, group in _grouped(tried, by).items():
        for kind in {one.failure.kind: None for one in group if one.failure}:
            failures = sorted(
                (one for one in group if one.failure and one.failure.kind is kind), key=lambda one: one.attempt.changed
            )
            found.append(Pattern(kind, dict(zip(by, key, strict=True)), tuple(failures), len(group)))
    return sorted(found, key=lambda one: (-len(one.failures), one.kind, list(one.conditions.values())))


def _grouped(tried: Sequence[Tried], by: Sequence[str]) -> dict[tuple[str, ...], list[Tried]]:
    groups: dict[tuple[str, ...], list[Tried]] = {}
    for one in tried:
        groups.setdefault(tuple(CONDITIONS[name](one) for name in by), []).append(one)
    return groups


def _size(job: JobRow) -> str:
    width, height = job.parameters.get("width"), job.parameters.get("height")
    return f"{width}x{height}" if width and height else "–"
