"""What this machine's ledgers and receipts tell of the past, for forecasts."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from videogen import project, receipts
from videogen.boundary import Observation as Seen
from videogen.boundary_store import BoundaryStore
from videogen.ledger import Ledger
from videogen.ledger_rows import HERE, AttemptState
from videogen.planner.estimate import Observation, Seconds, estimate, estimate_here
from videogen.planner.speed import GPUS
from videogen.planner.work import Work


def ledgers() -> list[Path]:
    """The ledger of every stack that was used from this machine."""
    return sorted(project.state("any").parent.glob(f"*/{project.ledger('any').name}"))


def boundary() -> list[Seen]:
    """What all of them know of the GPUs, each thing once."""
    found: dict[str, Seen] = {}
    for path in ledgers():
        with Ledger.open(path, read_only=True) as ledger:
            found.update((one.digest, one) for one in BoundaryStore(ledger.file).known())
    return list(found.values())


def finished(sizes: dict[str, int]) -> list[Observation]:
    """Every done job with what it took, beside what would have been estimated for it today.

    `sizes` has the bytes of each model file by the name that the graphs use. Jobs of older programs, which did not
    write down what they asked for, are left out; so are GPUs of which nothing is known.
    """
    return [one for path in ledgers() for one in _finished(path, sizes)]


def boot(cloud: str) -> tuple[Seconds, str] | None:
    """From a worker's start to its first job, as the receipts of that cloud and the ledgers tell; nothing without any.

    It includes what somebody waited before submitting, so it is rather too long.
    """
    took: list[float] = []
    for path in ledgers():
        began = {one.machine: one.started.timestamp() for one in receipts.here(path.parent) if one.cloud == cloud}
        with Ledger.open(path, read_only=True) as ledger:
            firsts: dict[str, float] = {}
            for attempt in (one for name in ledger.batches() for one in ledger.attempts(name)):
                firsts[attempt.worker] = min(firsts.get(attempt.worker, attempt.leased), attempt.leased)
        took += [firsts[worker] - start for worker, start in began.items() if firsts.get(worker, 0) > start]
    if not took:
        return None
    return Seconds(median(took), min(took), max(took)), f"learned from {len(took)} boots, until the first job"


def _finished(path: Path, sizes: dict[str, int]) -> Iterator[Observation]:
    with Ledger.open(path, read_only=True) as ledger:
        workflows = {(name, row.id): row.workflow for name in ledger.batches() for row in ledger.jobs(name)}
        attempts = [one for name in ledger.batches() for one in ledger.attempts(name)]
    for attempt in attempts:
        if attempt.state is not AttemptState.DONE or not attempt.render_seconds or not attempt.work:
            continue
        try:
            asked = Work.of(attempt.work)
        except ValueError:  # another version wrote it
            continue
        name = workflows[attempt.batch, attempt.job]
        if attempt.worker == HERE:
            likely = sum(part.seconds.likely for part in estimate_here(asked))
            yield Observation(name, HERE, attempt.render_seconds, likely)
        for gpu in GPUS:
            if gpu == attempt.gpu:
                likely = estimate(asked, gpu, sizes, warm=True).seconds.likely
                yield Observation(name, gpu, attempt.render_seconds, likely)
