"""A queue is worked off batch by batch; `videogen` is a small program that says how it was called."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gitops.conftest import ROOT
from tools.gitops import checkout, waiting


def worked_off(folder: Path, stack: str) -> "subprocess.CompletedProcess[str]":
    """`make queue`'s own program."""
    return subprocess.run(
        [sys.executable, "-m", "tools.gitops.work_off", stack],
        cwd=ROOT, env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_each_batch_is_run_within_the_pipelines_time(small: Path) -> None:
    """In the order of their names, unasked; the lease of eight hours is cut to five, so that a destroy fits in."""
    done = worked_off(small, "phase-c")
    queue = small / "batches/queue/phase-c"

    assert done.returncode == 0, done.stderr
    assert [line.split(" --cap ")[0] for line in done.stdout.splitlines()] == [
        f"videogen run {queue / name}.yaml --stack phase-c" for name in ("a", "b")
    ]
    assert all(line.endswith(" --yes") for line in done.stdout.splitlines())


def test_the_lease_fits_the_pipeline(small: Path) -> None:
    """What phase-c may rent in five hours, its models' way included; a phase with a shorter lease keeps its cap."""
    path = small / "batches/queue/phase-c/a.yaml"
    long, short = (waiting.ordered(path, stack, waiting.MINUTES) for stack in ("phase-c", "phase-a"))

    assert long.lease
    assert short.lease
    assert (long.lease.total, short.lease.total) == (waiting.MINUTES, 240)
    assert long.worst <= long.cap.run < long.declared.cap.run


def test_a_batch_that_fails_keeps_no_other_from_its_run(small: Path) -> None:
    """Failed jobs are the pipeline's failure at the end; a fault in a file is said, and the next one runs."""
    (small / "batches/queue/code.a.yaml").write_text("1")
    failed = worked_off(small, "phase-c")
    (small / "batches/queue/phase-c/a.yaml").write_text("schema: 1\n")
    faulty = worked_off(small, "phase-c")

    assert (failed.returncode, failed.stdout.count("videogen run")) == (1, 2)
    assert (faulty.returncode, faulty.stdout.count("videogen run")) == (2, 1)
    assert "a.yaml:1: name: is required" in faulty.stderr


def test_after_a_cap_or_a_signal_nothing_more_is_begun(small: Path) -> None:
    """A run that was stopped is the last one of the queue."""
    (small / "batches/queue/code.a.yaml").write_text("3")
    done = worked_off(small, "phase-c")

    assert (done.returncode, done.stdout.count("videogen run")) == (3, 1)


@pytest.mark.parametrize("stack", ["prod", "dev", "phase-z", ""])
def test_only_renters_have_queues(stack: str, small: Path) -> None:
    """A stack that rents nothing on a cloud is refused before anything starts."""
    done = worked_off(small, stack)

    assert (done.returncode, done.stdout) == (2, "")
    assert "rents no workers on a cloud" in done.stderr


def test_what_waits(small: Path) -> None:
    """Batch files, in order; inputs and other folders beside them are none."""
    assert [path.name for path in checkout.batches("phase-c")] == ["a.yaml", "b.yaml"]
    assert checkout.batches("phase-a") == ()
