"""One batch of a queue on its stack: what is open of it, what it can cost, and the run that a pipeline gives it."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

from videogen import places, run_order
from videogen.collect import RECORD, job_prefix
from videogen.errors import VideogenError
from videogen.money import CENT
from videogen.run_order import RunOrder
from videogen.store import Store

MINUTES = 300
"""The longest that a pipeline rents for: a hosted runner's job is ended after six hours, and a destroy must fit in."""


@dataclass(frozen=True)
class Waiting:
    """A batch as a pipeline would run it now."""

    path: Path
    order: RunOrder
    open_jobs: int | None
    """Jobs that are not in the bucket; nothing: not known."""
    doubt: str | None = None
    """Why the bucket, which was asked, did not say."""


def cap(found: RunOrder, minutes: float) -> Decimal:
    """The cap of a run, lowered to what renting for so many minutes can cost; the run's lease becomes no longer."""
    wanted = found.declared
    pays = (wanted.dearest * wanted.workers * Decimal(minutes) / 60).quantize(CENT, ROUND_DOWN)
    return min(found.cap.run, pays + found.traffic) if found.bills else found.cap.run


def ordered(path: Path, stack: str, minutes: float) -> RunOrder:
    """What `videogen run` shall do with a batch in so many minutes; raises `InputError` with its faults."""
    whole = run_order.order(path, stack, cap=None, again=False, retry_failed=False, folder=None)
    lowered = cap(whole, minutes)
    return run_order.order(path, stack, cap=lowered, again=False, retry_failed=False, folder=None)


def look(path: Path, stack: str, *, ask: bool) -> Waiting:
    """A batch and its order; raises `InputError` with its faults. `ask`: look into the bucket, too."""
    order = ordered(path, stack, MINUTES)
    if not ask:
        return Waiting(path, order, None)
    try:
        done = _done(order)
    except VideogenError as error:
        return Waiting(path, order, None, error.message)
    return Waiting(path, order, sum(job.id not in done for job in order.plan.jobs))


def _done(order: RunOrder) -> Collection[str]:
    """Jobs that the bucket has whole; raises `VideogenError` when it is not known or does not answer."""
    outputs = places.store_of(order.stack, order.declared.cloud)
    store = Store(outputs.store, outputs.store_access, patience_seconds=places.PATIENCE_SECONDS)
    prefix = job_prefix(order.plan.batch, "").rstrip("/") + "/"
    keys = {one.key for one in store.list(store.outputs, prefix)}
    return {job.id for job in order.plan.jobs if job_prefix(order.plan.batch, job.id) + RECORD in keys}
