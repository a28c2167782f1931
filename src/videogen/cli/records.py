"""What the ledger of a stack knows of attempts that ended, for the verbs that count them."""

from videogen import breakage, project
from videogen.breakage import Tried
from videogen.document import did_you_mean
from videogen.errors import InputError
from videogen.ledger import Ledger


def ended(stack: str, batch: str | None) -> list[Tried]:
    """The attempts of a batch, or of all, that say something about their conditions; raises `InputError`."""
    path = project.state(stack) / "ledger.sqlite"
    if not path.exists():
        raise InputError.of(f"--stack {stack}", "nothing was submitted on this stack from this machine")
    with Ledger.open(path, read_only=True) as ledger:
        known = ledger.batches()
        if batch is not None and batch not in known:
            raise InputError.of(batch, "no such batch was submitted", did_you_mean(batch, known))
        names = [batch] if batch else known
        jobs = [job for name in names for job in ledger.jobs(name)]
        attempts = [attempt for name in names for attempt in ledger.attempts(name)]
        found = breakage.ended(jobs, attempts)
        return [
            Tried(one.job, one.attempt, tuple(f for row in ledger.outputs(one.attempt.prompt_id) for f in row.flaws))
            for one in found
        ]
