"""A worker's lease as it is kept on its disk, and as its board knows it."""

import logging
from collections.abc import Callable
from pathlib import Path

from videogen.background import every
from videogen.errors import VideogenError
from videogen.lease import LeaseTerms
from videogen.status_board import StatusBoard
from videogen.worker_lease import Moment, WorkerLease

KEEP_SECONDS = 60.0

log = logging.getLogger(__name__)


def begin(root: Path, worker: str, board: StatusBoard, *, goes_on: bool) -> WorkerLease:
    """As `WorkerLease.begin`; the board then counts all boots and knows the terms that an earlier one was granted.

    From then on the record is kept, on a thread, since disks may hang.
    """
    lease = WorkerLease.begin(root, worker, Moment.now(), goes_on=goes_on)
    board.lived = lambda: lease.lived(Moment.now())
    if lease.terms is not None:
        board.renew(lease.terms)

    def keep_terms(terms: LeaseTerms) -> None:
        _written(lambda: lease.renew(terms, Moment.now()))

    board.keep_terms = keep_terms
    every(KEEP_SECONDS, lambda: _written(lambda: lease.keep(Moment.now())), board.stop, "lease", first=KEEP_SECONDS)
    return lease


def finish(lease: WorkerLease, board: StatusBoard) -> None:
    """Writes down that the lease is over; a signal alone says nothing of it: machines are moved and started again."""
    if board.error or not board.signalled.is_set():
        why = board.error.message if board.error else board.why or ""
        _written(lambda: lease.finish(why, Moment.now()))


def _written(write: Callable[[], None]) -> None:
    """What the disk does not take costs no job: the board knows it, and a later write has it, too."""
    try:
        write()
    except VideogenError as error:
        log.warning("the lease's record cannot be written: %s", error)
