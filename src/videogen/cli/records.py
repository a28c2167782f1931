"""What the ledger of a stack knows of attempts that ended, for the verbs that count them."""

from pathlib import Path

from videogen import breakage, project
from videogen.breakage import Tried
from videogen.document import did_you_mean
from videogen.errors import InputError
from videogen.ledger import Ledger


def ended(stack: str, batch: str | None) -> list[Tried]:
    """The attempts of a batch, or of all, that say something about their conditions; raises `InputError`."""
    with ledger_of(stack) as ledger:
        names = _names(ledger, batch)
        jobs = [job for name in names for job in ledger.jobs(name)]
        attempts = [attempt for name in names for attempt in ledger.attempts(name)]
        found = breakage.ended(jobs, attempts)
        return [
            Tried(one.job, one.attempt, tuple(f for row in ledger.outputs(one.attempt.prompt_id) for f in row.flaws))
            for one in found
        ]


def videos_of(stack: str, batch: str) -> list[Path]:
    """Where the finished videos of a batch lie on this machine, or would; raises `InputError`."""
    with ledger_of(stack) as ledger:
        _names(ledger, batch)
        rows = [row for job in ledger.jobs(batch) if job.final for row in ledger.done_outputs(batch, job.id)]
        return [row.path for row in rows if row.name.startswith("video")]


def ledger_of(stack: str) -> Ledger:
    """What this machine submitted on a stack, to read; raises `InputError` where that is nothing."""
    path = project.ledger(stack)
    if not path.exists():
        raise InputError.of(f"--stack {stack}", "nothing was submitted on this stack from this machine")
    return Ledger.open(path, read_only=True)


def _names(ledger: Ledger, batch: str | None) -> list[str]:
    known = ledger.batches()
    if batch is not None and batch not in known:
        raise InputError.of(batch, "no such batch was submitted", did_you_mean(batch, known))
    return [batch] if batch else known
