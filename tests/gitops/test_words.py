"""The comment under a pull request, as text."""

from decimal import Decimal

import pytest

from tools.gitops.words import LONGEST, MARK, BatchPreview, StackPreview, comment

RENTS, LASTS = True, False
PHASE = StackPreview("phase-c", rents=True, why=("Pulumi.phase-c.yaml",), said=("phase c: 2 workers",))
WALK = BatchPreview("batches/queue/phase-c/walk.yaml", "phase-c", 24, 24, Decimal("81.60"), changed=True)


def test_a_batch_is_told_with_its_worst_case() -> None:
    """What will run, why, how much is open, the most that it can cost."""
    assert comment([], [WALK], []) == (
        f"{MARK}\n"
        "### What merging this will do\n"
        "\n"
        "**Worst case: $81.60**, 1 run; each ends everything it rented.\n"
        "\n"
        "#### `videogen run` of `batches/queue/phase-c/walk.yaml` on `phase-c`\n"
        "\n"
        "24 jobs, 24 of them still open: at most $81.60. Why: this change brings it.\n"
    )


def test_the_worst_case_is_that_of_all_that_may_run() -> None:
    """Batches that wait in the same queue count; what is done or cannot be run does not."""
    other = BatchPreview("batches/queue/phase-c/old.yaml", "phase-c", 3, None, Decimal("1.40"), doubt="no answer")
    done = BatchPreview("batches/queue/phase-c/done.yaml", "phase-c", 2, 0, Decimal("9.00"))
    broken = BatchPreview("batches/queue/phase-c/bad.yaml", "phase-c", fault="bad.yaml:3: unknown key")
    text = comment([], [WALK, other, done, broken], [])

    assert "**Worst case: $83.00**, 2 runs;" in text
    assert "3 jobs: at most $1.40. Why: it waits in the same queue, and is run again if it is open." in text
    assert "What is open is not known: no answer." in text
    assert "2 jobs, all in the bucket: nothing is rented for it." in text
    assert "❌ It cannot be run:\n\n```text\nbad.yaml:3: unknown key\n```" in text


def test_a_phase_alone_rents_nothing() -> None:
    """A change of a phase says what its next run will do, and that this merge costs no rent."""
    steps = (("create", "videogen:index:Phase phase"), ("create", "videogen:index:GpuWorker worker-1"))
    text = comment([StackPreview("phase-c", RENTS, ("Pulumi.phase-c.yaml",), steps, PHASE.said)], [], [])

    assert "**Worst case: $0.00 of rent.** No batch is run, so nothing is rented." in text
    assert (
        "#### `phase-c`, what is rented\n\nWhy: `Pulumi.phase-c.yaml`.\n\nIts next run creates, and ends again: 2 to create."
        in text
    )
    assert "- create `videogen:index:GpuWorker worker-1`" in text
    assert "```text\nphase c: 2 workers\n```" in text


def test_a_foundation_is_brought_up() -> None:
    """What Pulumi would do at the merge, each resource, or that nothing changes."""
    changes = StackPreview(
        "prod", LASTS, ("infra/a.py",), (("update", "aws:s3/bucket:Bucket models"), ("replace", "x y"))
    )
    still = StackPreview("prod", LASTS, ("infra/a.py",))

    assert "`pulumi up` at the merge: 1 to update, 1 to replace.\n- update `aws:s3/bucket:Bucket models`" in comment(
        [changes], [], []
    )
    assert "`pulumi up` at the merge: nothing changes." in comment([still], [], [])


def test_what_would_fail_is_said() -> None:
    """Pulumi's own words, and nothing of what it would have done."""
    text = comment([StackPreview("prod", LASTS, (), fault="videogen:cap: too low\nhint: more")], [], ["a: no stack b"])

    assert "❌ It would fail:\n\n```text\nvideogen:cap: too low\nhint: more\n```" in text
    assert "pulumi up" not in text
    assert "❌ a: no stack b" in text


@pytest.mark.parametrize("name", ["a`b`.yaml", "a\n# b.yaml", "<img src=x>", "@everyone", "```\n# title"])
def test_names_of_files_are_not_markup(name: str) -> None:
    """Whatever a path is called, it stays one line of code, and a fault stays one sentence."""
    text = comment(
        [StackPreview("prod", LASTS, (name,), fault=name)], [BatchPreview(name, "phase-c", fault=name)], [name]
    )
    outside = [line for line in text.split("```text\n")[0].splitlines() if line.startswith(("# ", "<img", "@", "```"))]

    assert outside == []
    assert text.count("```") == 4


def test_a_long_comment_is_cut() -> None:
    """GitHub takes no more; it ends in order and says so."""
    many = [StackPreview(f"s{number}", LASTS, (), fault="x" * 1000) for number in range(100)]
    text = comment(many, [], [])

    assert len(text) < LONGEST + 100
    assert text.endswith("… and more.\n")
