"""Edits of a manifest's text change what they are asked to, and no other byte."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from videogen.errors import VideogenError
from videogen.models_edit import append, change

TEXT = """\
# head
schema: 1
models:
    # about one
    -   name: one   # its name
        role: "draws: much"
        comfy_folder:   vae
        estimate: 12   # about
        source:
            repository: org/repo
            revision: main    # moves
            path: x   # where

        license: none
        aliases:
          - a     # first
          - b
    # about two
    - {name: two, role: r, comfy_folder: vae, source: empty, license: n}   # flow
# tail
"""


def test_new_keys_come_in_their_order() -> None:
    """Size and hash go behind the folder, with the entry's own indentation; the estimate's line goes."""
    new = change(TEXT, 0, {"size": 5, "estimate": None, "sha256": "a" * 64})

    assert new == TEXT.replace("        estimate: 12   # about\n", f"        size: 5\n        sha256: {'a' * 64}\n")


def test_a_block_keeps_its_comments() -> None:
    """Of a source with the same keys only what differs is written."""
    new = change(TEXT, 0, {"source": {"repository": "org/repo", "revision": "c0ffee", "path": "x"}})

    assert new == TEXT.replace("revision: main", "revision: c0ffee")


def test_another_kind_of_source_replaces_the_block() -> None:
    """A block becomes one line where its keys change."""
    new = change(TEXT, 0, {"source": {"local": "/a/b, c.safetensors"}})

    assert 'source: {local: "/a/b, c.safetensors"}   # where\n' in new
    assert "# head" in new


def test_entries_on_one_line() -> None:
    """A flow entry stays on its line; a key there cannot be removed without touching others."""
    new = change(TEXT, 1, {"size": 5, "source": {"local": "x"}})

    assert new == TEXT.replace("comfy_folder: vae, source: empty", "comfy_folder: vae, size: 5, source: {local: x}")
    with pytest.raises(VideogenError, match="`role` stands on a line with others"):
        change(TEXT, 1, {"role": None})


def test_line_ends_stay() -> None:
    """A file of Windows keeps its line ends."""
    new = change(TEXT.replace("\n", "\r\n"), 0, {"size": 5})

    assert new == TEXT.replace("        estimate", "        size: 5\n        estimate").replace("\n", "\r\n")


def test_entries_are_appended_behind_the_last() -> None:
    """New entries come before the closing comment, indented as the others."""
    new = append(TEXT, [{"name": "three", "role": "x: y", "phases": []}])

    assert new == TEXT.replace("# tail\n", '\n    - name: three\n      role: "x: y"\n      phases: []\n# tail\n')


def test_a_file_without_a_last_line_end() -> None:
    """Nothing runs together at the end of the file."""
    text = "schema: 1\nmodels:\n- name: one\n  comfy_folder: vae"

    assert change(text, 0, {"size": 5}).endswith("comfy_folder: vae\n  size: 5")
    assert append(text, [{"name": "two"}]).endswith("comfy_folder: vae\n\n- name: two\n")


def test_what_cannot_be_edited_safely_is_refused() -> None:
    """An alias of YAML leads elsewhere: the text would change at a place that nobody asked for."""
    text = "schema: 1\nmodels:\n- {name: one, size: &s 4}\n- {name: two, size: *s}\n"
    with pytest.raises(VideogenError, match="cannot be edited safely"):
        change(text, 1, {"size": 5})


def test_an_empty_list_wants_a_first_entry() -> None:
    """There is no layout to follow yet."""
    with pytest.raises(VideogenError, match="is empty or on one line"):
        append("schema: 1\nmodels: []\n", [{"name": "one"}])


@given(st.text(max_size=30) | st.text("?0-:{}[],#&*!|>%@` '\"", max_size=5))
def test_any_text_is_read_back(value: str) -> None:
    """Whatever a path or address holds, the edited file says exactly that."""
    new = change(TEXT, 0, {"source": {"local": value}, "license": value})
    entry = yaml.safe_load(new)["models"][0]

    assert (entry["source"], entry["license"]) == ({"local": value}, value)
