"""A batch file becomes jobs, or every fault in it is found, in a time that its size allows."""

import os
import time
from pathlib import Path

import pytest

from videogen import project
from videogen.errors import InputError
from videogen.prepare import prepare

ROOT = Path(__file__).resolve().parents[2]
START = "schema: 1\nname: walk\nworkflow: wan22-i2v\n"


def _prepared(folder: Path, rest: str) -> int:
    (folder / "who.png").write_bytes((ROOT / "batches" / "inputs" / "character.png").read_bytes())
    (folder / "walk.yaml").write_text(START + rest)
    manifest = project.read_manifest(ROOT / "models_manifest.dev.yaml")
    return len(prepare(folder / "walk.yaml", "a", manifest).jobs)


def _faults(folder: Path, rest: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        _prepared(folder, rest)
    return [f"{fault.address.rsplit('/walk.yaml:')[-1]}: {fault.message}" for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (f"{{seed: {list(range(3000))}, length: {list(range(3000))}}}", "5: matrix: 9,000,000 combinations are more"),
        (f"{{seed: {list(range(10_001))}}}", "5: matrix: 10,001 combinations are more"),
    ],
    ids=["product", "one axis"],
)
def test_a_matrix_beyond_reason_is_refused_at_once(tmp_path: Path, matrix: str, words: str) -> None:
    """The product is said before a single combination is made."""
    began = time.process_time()
    (only,) = _faults(tmp_path, f"fixed: {{character: who.png, prompt: walks}}\nmatrix: {matrix}\n")

    assert only.startswith(words)
    assert time.process_time() - began < 5


def test_a_file_that_is_named_often_is_read_once(tmp_path: Path) -> None:
    """Thousands of mentions of one file cost one reading of it, and equal jobs are one."""
    began = time.process_time()
    many = ", ".join(["who.png"] * 3000)

    assert _prepared(tmp_path, f"fixed: {{prompt: walks, seed: 1}}\nmatrix: {{character: [{many}]}}\n") == 1
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("named", "hint"),
    [
        ("whom.png", "did you mean `who.png`?"),
        ("figure.jpg", "one of: who.png"),
        ("dance.mp4", None),
        ("walk", "did you mean `walk.yaml`?"),
    ],
)
def test_a_missing_file_is_told_what_could_be_meant(tmp_path: Path, named: str, hint: str | None) -> None:
    """The nearest name, or the few of its kind: nobody means a batch where a picture is asked for."""
    text = f"fixed: {{character: {named}, prompt: walks, seed: 1}}\n"
    with pytest.raises(InputError) as caught:
        _prepared(tmp_path, text)

    assert [fault.hint for fault in caught.value.faults] == [hint]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("whom.png", "no such file: whom.png"),
        ("nowhere/who.png", "no such file: nowhere/who.png"),
        (".", "is no file: ."),
        ("pipe", "is no file: pipe"),
        ('"a\\0b.png"', "cannot be read: embedded null byte"),
        ("walk.yaml", "walk.yaml is not an image"),
        (f"{'x' * 300}.png", "cannot be read: [Errno"),
    ],
    ids=["missing", "no folder", "folder", "pipe", "zero byte", "no image", "long name"],
)
def test_what_is_no_input_file_is_a_fault(tmp_path: Path, named: str, words: str) -> None:
    """Whatever a path leads to, it is a fault at its line: no traceback, and no wait for a pipe's other end."""
    os.mkfifo(tmp_path / "pipe")
    (only,) = _faults(tmp_path, f"fixed: {{character: {named}, prompt: walks, seed: 1}}\n")

    assert only.startswith(f"4: fixed/character: {words}")
