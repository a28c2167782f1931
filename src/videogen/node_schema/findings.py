"""What is wrong with a prompt though ComfyUI may take it: found on a laptop, before anything is sent.

ComfyUI ignores an input name it does not know, so a misspelt optional input renders, wrongly, and is paid for.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videogen.node_schema.refusal import annotated, listed
from videogen.node_schema.schema import COMBO, Input, NodeSchema, Schemas
from videogen.node_schema.values import converted, fits, is_link, unwrapped

_LITERALS = frozenset(("INT", "FLOAT", "STRING", "BOOLEAN", COMBO))
_SHOWN = 8


@dataclass(frozen=True)
class Finding:
    """One thing that a prompt should not have. `title` is the node's title (else its class), `input` may be empty."""

    node_id: str
    title: str
    class_type: str
    input: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.title}/{self.input}" if self.input else self.title
        return f"{place}: {self.message}"


def strict_findings(
    prompt: Mapping[str, Any], schemas: Schemas, options: Mapping[str, Sequence[str]] | None = None
) -> list[Finding]:
    """Everything that ComfyUI would refuse or silently ignore, in the order of the prompt.

    `options` as for `check`; without it file names are not judged.
    """
    return [
        Finding(node_id, _title(node_id, node), _class(node), *rest)
        for node_id, node in prompt.items()
        for rest in _node(prompt, node, schemas, options or {})
    ]


Rest = tuple[str, str, str | None]
"""Input, message, hint."""


def _node(
    prompt: Mapping[str, Any], node: Any, schemas: Schemas, options: Mapping[str, Sequence[str]]
) -> Iterator[Rest]:
    name = _class(node)
    if not name:
        yield "", "has no class_type", "export the graph in API format"
        return
    schema = schemas.get(name)
    if schema is None:
        yield "", f"no node class `{name}`", _meant(name, schemas)
        return
    values = node.get("inputs")
    if not isinstance(values, dict):
        yield "", "has no inputs", "export the graph in API format"
        return
    active = {item.name: item for item in schema.active(values)}
    for key in values:
        if key not in active and key not in schema.hidden:
            yield key, f"`{name}` has no such input; ComfyUI would ignore it", _meant(key, active)
    for key, item in active.items():
        if key not in values:
            if item.required:
                yield key, "required input is missing", None
        elif is_link(values[key]):
            yield from _link(prompt, item, values[key], schemas)
        else:
            yield from _value(item, unwrapped(values[key]), options)


def _link(prompt: Mapping[str, Any], item: Input, link: list[Any], schemas: Schemas) -> Iterator[Rest]:
    if len(link) != 2 or not isinstance(link[1], int):
        yield item.name, "a link is [node id, output number]", 'a plain list is written {"__value__": […]}'
        return
    source, slot = link
    if source not in prompt:
        yield item.name, f"is linked to node {source!r}, which is not there", None
        return
    schema: NodeSchema | None = schemas.get(_class(prompt[source]))
    if schema is None:
        return  # told at that node
    if not 0 <= slot < len(schema.outputs):
        yield item.name, f"`{schema.name}` has no output {slot}", f"it has {len(schema.outputs)}"
    elif not fits(schema.outputs[slot], item.type):
        yield item.name, f"takes {item.type}, but output {slot} of `{schema.name}` is {schema.outputs[slot]}", None


def _value(item: Input, value: Any, options: Mapping[str, Sequence[str]]) -> Iterator[Rest]:
    if not _LITERALS & {part.strip() for part in item.type.split(",")}:
        if item.type.isupper() and not item.type.startswith("COMFY_") and not item.config.get("socketless"):
            yield item.name, f"takes a link to {item.type}, not a value", None
        return
    try:
        typed = converted(item, value)
    except (ValueError, TypeError, OverflowError):
        yield item.name, f"{value!r} is not {item.type}", None
        return
    if item.type in ("INT", "FLOAT"):
        yield from _number(item, typed)
    elif item.type == COMBO:
        yield from _choice(item, typed, options)


def _number(item: Input, value: float) -> Iterator[Rest]:
    low, high, step = (item.config.get(key) for key in ("min", "max", "step"))
    if (low is not None and value < low) or (high is not None and value > high):
        yield item.name, f"{value} is outside {low} … {high}", None
    elif item.type == "INT" and step and step > 1 and value != item.config.get("default"):
        off = (value - (low or 0)) % step
        if off:
            message = f"{value} is not on the grid {low or 0} + n × {step}; ComfyUI does not say so"
            yield item.name, message, f"nearest below: {value - off}"


def _choice(item: Input, value: Any, options: Mapping[str, Sequence[str]]) -> Iterator[Rest]:
    if item.files is not None and item.files.complaint is not None:
        folder, name = annotated(str(value), item.files.folder)
        choices = tuple(options[folder]) if folder in options else None
    else:
        name, choices = value, listed(item, options)
    if choices is None or name in choices or (item.config.get("multiselect") and isinstance(value, list)):
        return
    shown = ", ".join(map(str, choices[:_SHOWN])) + (", …" if len(choices) > _SHOWN else "")
    yield item.name, f"{value!r} is none of its choices", _meant(str(value), choices) or f"choices: {shown or 'none'}"


def _meant(word: str, known: Any) -> str | None:
    near = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    return f"did you mean `{near[0]}`?" if near else None


def _class(node: Any) -> str:
    return str(node.get("class_type", "")) if isinstance(node, dict) else ""


def _title(node_id: str, node: Any) -> str:
    if not isinstance(node, dict):
        return node_id
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return str(title or _class(node) or node_id)
