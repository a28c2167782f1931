"""A worker's life is counted over all its boots, whatever its clocks do."""

from pathlib import Path

import pytest

from videogen.errors import InputError, Stopped
from videogen.lease import LeaseTerms
from videogen.worker_lease import MOST_BOOTS, Moment, WorkerLease


def at(wall: float, since_boot: float, boot: str = "b1") -> Moment:
    """A moment of a machine that booted at 0."""
    return Moment(1000 + wall, boot, since_boot)


@pytest.mark.parametrize(
    ("now", "lived"),
    [
        (at(60, 60), 60),
        (at(-5000, 60), 60),  # the wall clock was set back
        (at(9000, 60), 9000),  # it was set forward: the earlier end counts
        (at(60, 1, "b2"), 60),  # the machine was started again, or it is another one
        (at(-5000, 1, "b2"), 0),  # nobody knows: the number of boots is what limits it
    ],
)
def test_clocks(tmp_path: Path, now: Moment, lived: float) -> None:
    """The clock that says more is believed, in the same boot and after another one."""
    first = WorkerLease.begin(tmp_path, "w1", at(0, 0), goes_on=True)
    again = WorkerLease.begin(tmp_path, "w1", now, goes_on=True)

    assert first.lived(now) == again.lived(now) == lived
    assert (first.boots, again.boots) == (1, 2)


def test_what_was_kept_counts(tmp_path: Path) -> None:
    """What was lived before a clock was set back is not lost."""
    lease = WorkerLease.begin(tmp_path, "w1", at(0, 0), goes_on=True)
    lease.keep(at(600, 600))

    assert WorkerLease.begin(tmp_path, "w1", at(-900, 5, "b2"), goes_on=True).lived(at(-800, 105, "b2")) == 700


def test_over_is_over(tmp_path: Path) -> None:
    """A finished lease is refused for ever where boots go on, and only there; other workers have their own."""
    WorkerLease.begin(tmp_path, "w1", at(0, 0), goes_on=True).finish("idle", at(9, 9))

    with pytest.raises(Stopped, match="the lease of w1 is over: idle"):
        WorkerLease.begin(tmp_path, "w1", at(10, 10), goes_on=True)
    assert WorkerLease.begin(tmp_path, "w2", at(10, 10), goes_on=True).boots == 1
    assert WorkerLease.begin(tmp_path, "w1", at(10, 10), goes_on=False).lived(at(12, 12)) == 2


def test_renewed_terms_stay(tmp_path: Path) -> None:
    """What was granted later holds in the next boot, too, also when the disk took it only with a later write."""
    longer = LeaseTerms(total=90, idle=9, boot=3)
    first = WorkerLease.begin(tmp_path, "w1", at(0, 0), goes_on=True)
    assert first.terms is None
    folder = tmp_path / "cache" / "leases"
    folder.rename(tmp_path / "away")
    folder.write_text("no folder")
    with pytest.raises(InputError, match="cannot be written down"):
        first.renew(longer, at(1, 1))
    folder.unlink()
    first.keep(at(2, 2))

    assert WorkerLease.begin(tmp_path, "w1", at(3, 3), goes_on=True).terms == longer
    assert WorkerLease.begin(tmp_path, "w1", at(3, 3), goes_on=False).terms is None


def test_too_many_boots(tmp_path: Path) -> None:
    """A container that dies again and again is refused, and stays so."""
    for boot in range(MOST_BOOTS):
        WorkerLease.begin(tmp_path, "w1", at(boot, boot), goes_on=True)
    for _ in range(2):
        with pytest.raises(Stopped, match="started 6 times in one lease"):
            WorkerLease.begin(tmp_path, "w1", at(9, 9), goes_on=True)


def test_unreadable(tmp_path: Path) -> None:
    """A record that says nothing allows nothing."""
    WorkerLease.begin(tmp_path, "w1", at(0, 0), goes_on=True)
    next((tmp_path / "cache" / "leases").iterdir()).write_text("{")

    with pytest.raises(Stopped, match="does not say how long this worker has lived"):
        WorkerLease.begin(tmp_path, "w1", at(1, 1), goes_on=True)
