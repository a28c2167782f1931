"""What a preview says from the files alone, as for a fork; test_pipelines_run.py has what Pulumi and RunPod say."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.gitops.conftest import ROOT


def previewed(folder: Path) -> "subprocess.CompletedProcess[str]":
    """`make preview`'s own program, for everything in a checkout."""
    for words in (
        ["init", "-q"],
        ["add", "--all"],
        ["-c", "user.name=n", "-c", "user.email=e@x.org", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", folder, *words], check=True, timeout=30)
    told = {"BASE": "", "HAS_SECRETS": "false", "COMMENT": str(folder / "comment.md")}
    return subprocess.run(
        [sys.executable, "-m", "tools.gitops.preview"],
        cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_phase_without_an_image_runs_no_batch(small: Path) -> None:
    """As the repository comes, nobody has pushed one: the comment says so before anything is merged."""
    done = previewed(small)
    text = (small / "comment.md").read_text()

    assert done.returncode == 1, done.stderr
    assert "videogen:image: none: a rented worker needs an image" in text
    assert "No batch is run, so nothing is rented." in text
    assert text.index("#### `prod`, what lasts") < text.index("#### `phase-a`, what is rented")


def test_the_worst_case_is_cut_to_the_pipelines_time(small: Path) -> None:
    """Two batches of phase-c, of five hours each at the highest price, with their models' way."""
    path = small / "Pulumi.phase-c.yaml"
    path.write_text(path.read_text().replace("videogen:image: none", "videogen:image: ghcr.io/me/worker:1"))
    done = previewed(small)
    text = (small / "comment.md").read_text()

    assert done.returncode == 0, done.stderr
    assert "**Worst case: $102.02**, 2 runs; each ends everything it rented." in text
    assert text.count("2 jobs: at most $51.01.") == 2


def test_what_is_wrong_with_a_stack_is_said_with_its_line(small: Path) -> None:
    """The file's own errors are in the comment, and the other stacks are told all the same."""
    path = small / "Pulumi.phase-a.yaml"
    path.write_text(path.read_text().replace("videogen:workers: 1", "videogen:workers: 9"))
    done = previewed(small)
    text = (small / "comment.md").read_text()

    assert done.returncode == 1
    assert re.search(r"Pulumi\.phase-a\.yaml:\d+: videogen:workers: ", text), text
    assert "phase b: 1 worker on runpod" in text
