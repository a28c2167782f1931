"""Edits of a manifest's text that change what they are asked to and leave every other byte: comments, layout, quotes.

PyYAML says where each key and value stands; the text is cut there. What comes out is read back and compared.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from videogen.errors import VideogenError

_ORDER = (
    "name", "variant", "slot", "role", "file", "comfy_folder", "size", "estimate", "sha256", "source", "license",
    "phases", "aliases",
)  # fmt: skip
"""Where a new key goes: behind the last of those before it."""

Value = str | int | Mapping[str, str] | Sequence[str]


def change(text: str, index: int, changes: Mapping[str, Value | None]) -> str:
    """The manifest with some keys of entry `index` set, or removed where the value is nothing.

    Raises `VideogenError` where the entry is laid out so that it cannot be done without touching anything else.
    """
    wanted = yaml.safe_load(text)
    for key, value in changes.items():
        text = _remove(text, index, key) if value is None else _set(text, index, key, value)
        if value is None:
            wanted["models"][index].pop(key, None)
        else:
            wanted["models"][index][key] = _plain(value)
    _compare(text, wanted)
    return text


def append(text: str, entries: Sequence[Mapping[str, Value]]) -> str:
    """The manifest with more entries behind the last one; raises `VideogenError` as `change` does."""
    wanted = yaml.safe_load(text)
    models = _child(yaml.compose(text, Loader=yaml.SafeLoader), "models")
    assert isinstance(models, yaml.SequenceNode)
    if not models.value or models.flow_style:
        raise VideogenError("the manifest's list of models is empty or on one line", "write a first entry by hand")
    last = models.value[-1]
    dash = text.rindex("-", 0, last.start_mark.index)
    indent = " " * (dash - (text.rfind("\n", 0, dash) + 1))
    newline = _newline(text)
    blocks = []
    for entry in entries:
        lines = [f"{key}: {_spelled(value)}" for key, value in entry.items()]
        blocks.append(f"{indent}- " + f"{newline}{indent}  ".join(lines) + newline)
        wanted["models"].append({key: _plain(value) for key, value in entry.items()})
    end = _line_end(text, _end(last))
    head, tail = text[:end], text[end:]
    if not head.endswith("\n"):
        head += newline
    text = head + newline + newline.join(blocks) + tail
    _compare(text, wanted)
    return text


def _set(text: str, index: int, key: str, value: Value) -> str:
    entry = _entry(text, index)
    found = next((pair for pair in entry.value if pair[0].value == key), None)
    if found is not None:
        start, end = found[1].start_mark.index, _end(found[1])
        if isinstance(found[1], yaml.MappingNode) and isinstance(value, Mapping):
            inner = {name.value: one for name, one in found[1].value}
            if set(inner) == set(value):
                for name, one in reversed(inner.items()):
                    if one.value != value[name]:
                        spelled = _quoted(value[name])
                        text = text[: one.start_mark.index] + spelled + text[one.end_mark.index :]
                return text
        if isinstance(found[1], yaml.MappingNode | yaml.SequenceNode) and not found[1].flow_style:
            start = _end(found[0]) + 1  # a block begins on a line of its own; what follows the colon goes away
            return f"{text[:start]} {_spelled(value)}{text[end:]}"
        return text[:start] + _spelled(value) + text[end:]
    before = _ORDER[: _ORDER.index(key)]
    anchor = [pair for pair in entry.value if pair[0].value in before][-1]
    if entry.flow_style:
        end = _end(anchor[1])
        return f"{text[:end]}, {key}: {_spelled(value)}{text[end:]}"
    end = _line_end(text, _end(anchor[1]))
    line = f"{' ' * entry.value[0][0].start_mark.column}{key}: {_spelled(value)}"
    if not text[:end].endswith("\n"):
        return f"{text[:end]}{_newline(text)}{line}{text[end:]}"
    return f"{text[:end]}{line}{_newline(text)}{text[end:]}"


def _remove(text: str, index: int, key: str) -> str:
    entry = _entry(text, index)
    found = next((pair for pair in entry.value if pair[0].value == key), None)
    if found is None:
        return text
    start = text.rfind("\n", 0, found[0].start_mark.index) + 1
    if text[start : found[0].start_mark.index].strip():
        raise VideogenError(f"line {found[0].start_mark.line + 1}: `{key}` stands on a line with others", "change it")
    return text[:start] + text[_line_end(text, _end(found[1])) :]


def _entry(text: str, index: int) -> yaml.MappingNode:
    models = _child(yaml.compose(text, Loader=yaml.SafeLoader), "models")
    assert isinstance(models, yaml.SequenceNode)
    entry = models.value[index]
    assert isinstance(entry, yaml.MappingNode)
    return entry


def _child(node: yaml.Node | None, key: str) -> yaml.Node:
    assert isinstance(node, yaml.MappingNode)
    found: yaml.Node = next(value for name, value in node.value if name.value == key)
    return found


def _end(node: yaml.Node) -> int:
    """Where a node's text ends; the marks of a block lie behind its comments."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _line_end(text: str, position: int) -> int:
    """Behind the line in which a position lies."""
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _spelled(value: Value) -> str:
    """A value on one line, quoted only where YAML would read it as something else."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_quoted(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int):
        return str(value)
    return "[" + ", ".join(_quoted(one) for one in value) + "]"


def _quoted(text: str) -> str:
    """A text that YAML reads back as itself, on a line of its own and inside brackets."""
    try:
        plain = text.isprintable() and yaml.safe_load(f"k: {text}") == yaml.safe_load(f"{{k: {text}}}") == {"k": text}
    except yaml.YAMLError:
        plain = False
    return text if plain else '"' + "".join(_escaped(one) for one in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _plain(value: Value) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return value if isinstance(value, str | int) else list(value)


def _compare(text: str, wanted: object) -> None:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        found = None
    if found != wanted:
        raise VideogenError("the manifest is laid out so that it cannot be edited safely", "change it by hand")
