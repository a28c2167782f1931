"""Faults in files that people write are addresses and plain sentences."""

import itertools
from typing import Literal

import pytest
from pydantic import Field

from videogen.document import NAME, Document, Schema, load
from videogen.errors import InputError


class Leaf(Schema):
    """A leaf."""

    size: int = Field(gt=0)
    kind: Literal["big", "small"] = "big"


class Tree(Schema):
    """A tree."""

    name: str
    label: str = Field("x", pattern=NAME)
    word: str = Field("x", pattern=r"^[a-z][a-z0-9_]*$")
    leaves: tuple[Leaf, ...] = ()


SENTENCES = [
    ("name: x\nleaves:\n- size: no", ["t.yaml:3: leaves/0/size: should be a valid integer, got False"]),
    ("nam: x", ["t.yaml:1: name: is required", "t.yaml:1: nam: unknown key\nhint: did you mean `name`?"]),
    ("name: x\nleaves:\n- size: 3\n- size: n0", ["t.yaml:4: leaves/1/size: should be a valid integer, got 'n0'"]),
    ("name: x\nleaves: [{size: 0}]", ["t.yaml:2: leaves/0/size: should be greater than 0, got 0"]),
    ("name: x\nleaves: [{size: 1, kind: bigg}]", ["t.yaml:2: leaves/0/kind: 'bigg' is not one of the words allowed here\nhint: did you mean `big`?"]),
    ("name: x\nleaves: [{size: 1, sise: 2}]", ["t.yaml:2: leaves/0/sise: unknown key\nhint: did you mean `size`?"]),
    ("name: x\nname: y", ["t.yaml:2: name: stands twice"]),
    ("name: [", ["t.yaml:1: is not YAML: expected the node content, but found '<stream end>'"]),
    ("name: x\nlabel: My Walk!", ["t.yaml:2: label: should be small letters, digits and hyphens, beginning with a small letter or a digit, got 'My Walk!'\nhint: `my-walk`"]),
    ("name: x\nlabel: 散歩", ["t.yaml:2: label: should be small letters, digits and hyphens, beginning with a small letter or a digit, got '散歩'"]),
    ("name: x\nword: 2nd-walk", ["t.yaml:2: word: should be small letters, digits and underscores, beginning with a small letter, got '2nd-walk'\nhint: `nd_walk`"]),
    ("name: x\n\tlabel: y", ["t.yaml:2: is not YAML: found character '\\t' that cannot start any token\nhint: spaces in place of the tab"]),
    ("", ["t.yaml:1: should be an object, got nothing"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentences"), SENTENCES)
def test_wording(text: str, sentences: list[str]) -> None:
    """Every fault of a file is shown, in the file's order, with line, path, sentence and the nearest right word."""
    with pytest.raises(InputError) as caught:
        load(Tree, text, "t.yaml")

    assert [str(fault) for fault in caught.value.faults] == sentences
    assert caught.value.exit_code == 2


HOSTILE = [
    ("name: x\nleaves: 2024-13-45", "t.yaml:2: is not YAML: '2024-13-45' is no timestamp (month must be in 1..12)"),
    ("name: !!bool x", "t.yaml:1: is not YAML: 'x' is no bool"),
    ("name: !!int ''", "t.yaml:1: is not YAML: '' is no int"),
    ("name: !!timestamp x", "t.yaml:1: is not YAML: 'x' is no timestamp"),
    ("name: 0x" + "f" * 6000, "is not YAML: Exceeds the limit"),
    ('name: "\\UFFFFFFFF"', "is not YAML: Python int too large"),
    ("2024-01-01: x", "t.yaml:1: 2024-01-01: a key must be text"),
    ("name: x\n1: x", "t.yaml:2: 1: a key must be text\nhint: put quotes round it"),
    ("name: a\nleaves: \x07", "t.yaml:2: is not YAML: a character is not allowed"),
    ("name: !!python/object:os.system x", "t.yaml:1: is not YAML: could not determine a constructor"),
    ("? [a, b]\n: x", "t.yaml:1: a key must be text"),
    ("&x [*x]", "is nested too deeply"),
    ("[" * 3000, "is nested too deeply"),
    ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in itertools.pairwise("abcdefghi")), "more than 100,000 values"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), HOSTILE, ids=[words.replace("\n", " ") for _, words in HOSTILE])
def test_hostile_files(text: str, words: str) -> None:
    """No text crashes or hangs the reader: it is one error with an address."""
    with pytest.raises(InputError) as caught:
        load(Tree, text, "t.yaml")

    assert words in str(caught.value)


def test_files_from_other_systems() -> None:
    """A byte order mark and line ends of Windows are no fault."""
    assert load(Tree, "\ufeffname: x\r\nleaves: [{size: 2}]\r\n", "t.yaml").leaves == (Leaf(size=2),)


def test_right_file() -> None:
    """A right file becomes its schema."""
    assert load(Tree, "name: x\nleaves: [{size: 2}]", "t.yaml") == Tree(name="x", leaves=(Leaf(size=2),))


def test_line_of_a_key() -> None:
    """A path that does not exist has the line of its nearest parent."""
    document = Document("a:\n  b:\n    c: 1\n", "t.yaml")

    assert tuple(document.line(path) for path in [("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "x")]) == (1, 2, 3, 2)
