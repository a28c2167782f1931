"""What a change touches, path by path; and what the checkout and git say to it."""

import subprocess
from pathlib import Path

import pytest

from tools.gitops import checkout
from tools.gitops.changed import Changed, Stack, changed

STACKS = (Stack("phase-a", rents=True), Stack("phase-c", rents=True), Stack("prod", rents=False))
EVERY = ("prod", "phase-a", "phase-c")


def decision(*paths: str) -> Changed:
    """What these paths touch."""
    return changed(paths, STACKS)


@pytest.mark.parametrize(
    ("path", "lasting", "renting", "queues"),
    [
        ("Pulumi.yaml", ("prod",), ("phase-a", "phase-c"), ()),
        ("infra/phase.py", ("prod",), ("phase-a", "phase-c"), ()),
        ("infra/foundation/aws.py", ("prod",), ("phase-a", "phase-c"), ()),
        ("src/videogen/money.py", ("prod",), ("phase-a", "phase-c"), ()),
        ("requirements.lock", ("prod",), ("phase-a", "phase-c"), ()),
        ("models_manifest.yaml", ("prod",), ("phase-a", "phase-c"), ()),
        ("workflows/wan22-i2v/graph.json", (), ("phase-a", "phase-c"), ()),
        ("Pulumi.prod.yaml", ("prod",), (), ()),
        ("Pulumi.phase-c.yaml", (), ("phase-c",), ()),
        ("batches/queue/phase-c/walk.yaml", (), ("phase-c",), ("phase-c",)),
        ("batches/queue/phase-c/inputs/walk.png", (), ("phase-c",), ("phase-c",)),
        ("Pulumi.dev.yaml", (), (), ()),
        ("models_manifest.dev.yaml", (), (), ()),
        ("batches/demo.yaml", (), (), ()),
        ("batches/queue/README.md", (), (), ()),
        ("images/comfyui/Dockerfile", (), (), ()),
        ("docs/guides/gitops.md", (), (), ()),
        ("other/infra/x.py", (), (), ()),
    ],
)
def test_a_path_touches(path: str, lasting: tuple[str, ...], renting: tuple[str, ...], queues: tuple[str, ...]) -> None:
    """Stacks by their own file or by what all are made of, queues by their folder, and nothing by anything else."""
    found = decision(path)

    assert (found.lasting, found.renting, found.queues, found.faults) == (lasting, renting, queues, ())
    assert found.why == dict.fromkeys((*lasting, *renting), (path,))
    assert found.merges == bool(lasting or queues)
    assert found.previews == bool(lasting or renting)


def test_many_paths_are_one_decision() -> None:
    """Each stack once, foundations first, with every path that touches it."""
    found = decision("batches/queue/phase-c/b.yaml", "Pulumi.prod.yaml", "batches/queue/phase-c/a.yaml", "README.md")

    assert (found.lasting, found.renting, found.queues) == (("prod",), ("phase-c",), ("phase-c",))
    assert found.why["phase-c"] == ("batches/queue/phase-c/a.yaml", "batches/queue/phase-c/b.yaml")


@pytest.mark.parametrize("stack", ["prod", "dev", "phase-z"])
def test_a_queue_of_no_renter_is_a_fault(stack: str) -> None:
    """A batch under a stack that rents nothing, or that is not there, is said, and not left lying in silence."""
    found = decision(f"batches/queue/{stack}/a.yaml")

    assert found.faults == (f"batches/queue/{stack}/a.yaml: no stack {stack} rents workers; one of: phase-a, phase-c",)
    assert found.merges
    assert found.previews


def test_nothing_changed() -> None:
    """Nothing to do."""
    assert not decision().merges
    assert not decision().previews


def test_the_checkouts_stacks() -> None:
    """Those that cost money somewhere: dev is on this machine alone, and is none."""
    assert {stack.name: stack.rents for stack in checkout.stacks()} == {
        "phase-a": True,
        "phase-b": True,
        "phase-c": True,
        "prod": False,
    }


def git(folder: Path, *words: str) -> str:
    """What git says, as somebody who may commit."""
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    return subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True, timeout=30
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit."""
    for name in ("Pulumi.yaml", "models_manifest.yaml", "a", "b"):
        (tmp_path / name).write_text(name * 20)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    monkeypatch.setenv("VIDEOGEN_PROJECT", str(tmp_path))
    return tmp_path


def test_git_says_what_changed(repository: Path) -> None:
    """A file that moved counts at both ends, a name in any script is itself, what is not committed counts not."""
    base = git(repository, "rev-parse", "HEAD")
    (repository / "散歩 a.yaml").write_text("x")
    git(repository, "mv", "b", "c")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "two")
    (repository / "a").write_text("not committed")

    assert sorted(checkout.paths(base)) == ["b", "c", "散歩 a.yaml"]
    assert checkout.paths("HEAD") == ()


@pytest.mark.parametrize("base", ["0" * 40, "1" * 40, ""])
def test_an_unknown_beginning_means_everything(base: str, repository: Path) -> None:
    """After the first push, or one that rewrote history, everything counts as changed."""
    assert set(checkout.paths(base)) == {"Pulumi.yaml", "models_manifest.yaml", "a", "b"}
