"""What is wrong with a prompt though ComfyUI may take it: found on a laptop, before anything is sent.

ComfyUI ignores an input name it does not know, so a misspelt optional input renders, wrongly, and is paid for. It also
turns any value into a text, a truth or a whole number where it can: `"false"` is true, 3.7 frames are 3.
"""

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videogen.node_schema.refusal import annotated, listed
from videogen.node_schema.schema import COMBO, Input, NodeSchema, Schemas
from videogen.node_schema.values import converted, fits, is_link, unwrapped

_LITERALS = frozenset(("INT", "FLOAT", "STRING", "BOOLEAN", COMBO))
_SHOWN = 8
MISSING = "required input is missing"


@dataclass(frozen=True)
class Finding:
    """One thing that a prompt should not have. `title` is the node's title (else its class), `input` may be empty."""

    node_id: str
    title: str
    class_type: str
    input: str
    message: str
    hint: str | None = None
    value: Any = None
    """What stands there; None where nothing does."""
    allowed: str = ""
    """What may stand there, in words."""

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
        Finding(node_id, title_of(node_id, node), _class(node), *rest)
        for node_id, node in prompt.items()
        for rest in _node(prompt, node, schemas, options or {})
    ]


def shown(choices: Sequence[Any]) -> str:
    """The first choices of a list."""
    return ", ".join(map(str, choices[:_SHOWN])) + (", …" if len(choices) > _SHOWN else "")


Rest = tuple[str, str, str | None, Any, str]
"""Input, message, hint, value, what is allowed."""


def _node(
    prompt: Mapping[str, Any], node: Any, schemas: Schemas, options: Mapping[str, Sequence[str]]
) -> Iterator[Rest]:
    name = _class(node)
    if not name:
        yield "", "has no class_type", "export the graph in API format", None, "a node class"
        return
    schema = schemas.get(name)
    if schema is None:
        yield "", f"no node class `{name}`", _meant(name, schemas), name, "a node class of ComfyUI and its packs"
        return
    values = node.get("inputs")
    if not isinstance(values, dict):
        yield "", "has no inputs", "export the graph in API format", values, "an object of inputs"
        return
    active = {item.name: item for item in schema.active(values)}
    for key, value in values.items():
        if key not in active and key not in schema.hidden:
            message = f"`{name}` has no such input; ComfyUI would ignore it"
            yield key, message, _meant(key, active), value, shown(list(active)) or "no inputs"
    for key, item in active.items():
        if key not in values:
            if item.required:
                yield key, MISSING, None, None, _takes(item)
        elif is_link(values[key]):
            yield from _link(prompt, item, values[key], schemas)
        else:
            yield from _value(item, unwrapped(values[key]), options)


def _link(prompt: Mapping[str, Any], item: Input, link: list[Any], schemas: Schemas) -> Iterator[Rest]:
    if len(link) != 2 or not isinstance(link[1], int) or isinstance(link[1], bool):
        hint = 'a plain list is written {"__value__": […]}'
        yield item.name, "a link is [node id, output number]", hint, link, f"a link to {item.type}"
        return
    source, slot = link
    if not isinstance(source, str) or source not in prompt:
        yield item.name, f"is linked to node {source!r}, which is not there", None, link, f"a link to {item.type}"
        return
    schema: NodeSchema | None = schemas.get(_class(prompt[source]))
    if schema is None:
        return  # told at that node
    right = [str(number) for number, output in enumerate(schema.outputs) if fits(output, item.type)]
    meant = f"output {' or '.join(right)} of `{schema.name}` is {item.type}" if right else None
    if not 0 <= slot < len(schema.outputs):
        message = f"`{schema.name}` has no output {slot}"
        yield item.name, message, f"it has {len(schema.outputs)}", link, f"output 0 … {len(schema.outputs) - 1}"
    elif not fits(schema.outputs[slot], item.type):
        message = f"takes {item.type}, but output {slot} of `{schema.name}` is {schema.outputs[slot]}"
        yield item.name, message, meant, link, f"a link to {item.type}"


def _value(item: Input, value: Any, options: Mapping[str, Sequence[str]]) -> Iterator[Rest]:
    if not _LITERALS & {part.strip() for part in item.type.split(",")}:
        if item.type.isupper() and not item.type.startswith("COMFY_") and not item.config.get("socketless"):
            message = f"takes a link to {item.type}, not a value"
            yield item.name, message, None, value, f"a link to {item.type}"
        return
    if item.type in _LITERALS and (lost := _silently_lost(item, value)):
        yield item.name, f"{_spelt(value)} is not {item.type}{lost}", None, value, _takes(item)
        return
    try:
        typed = converted(item, value)
    except (ValueError, TypeError, OverflowError):
        yield item.name, f"{value!r} is not {item.type}", None, value, _takes(item)
        return
    if item.type in ("INT", "FLOAT"):
        yield from _number(item, typed)
    elif item.type == COMBO:
        yield from _choice(item, typed, options)


def _silently_lost(item: Input, value: Any) -> str | None:
    """What ComfyUI would make of the value without a word, where that is not what was meant."""
    match item.type:
        case "INT" if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            return f"; ComfyUI would take {int(value)}" if math.isfinite(value) else ""
        case "FLOAT" if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
            return f"; ComfyUI would take {float(value)}"
        case "BOOLEAN" if not isinstance(value, bool) and value not in (0, 1):
            return f"; ComfyUI would take {_spelt(bool(value))}"
        case "STRING" if not isinstance(value, str | int | float) or isinstance(value, bool):
            return f"; ComfyUI would take {str(value)!r}"
    return None


def _number(item: Input, value: float) -> Iterator[Rest]:
    low, high, step = (item.config.get(key) for key in ("min", "max", "step"))
    if (low is not None and value < low) or (high is not None and value > high):
        meant = f"nearest: {low if low is not None and value < low else high}"
        yield item.name, f"{value} is outside {low} … {high}", meant, value, _takes(item)
    elif item.type == "INT" and step and step > 1 and value != item.config.get("default"):
        off = (value - (low or 0)) % step
        if off:
            message = f"{value} is not on the grid {low or 0} + n × {step}; ComfyUI does not say so"
            yield item.name, message, f"nearest below: {value - off}", value, _takes(item)


def _choice(item: Input, value: Any, options: Mapping[str, Sequence[str]]) -> Iterator[Rest]:
    if item.files is not None and not isinstance(value, str):
        yield item.name, f"{_spelt(value)} is no file name", None, value, "a file name"
        return
    if item.files is not None and item.files.complaint is not None:
        folder, name = annotated(str(value), item.files.folder)
        choices = tuple(options[folder]) if folder in options else None
    else:
        name, choices = value, listed(item, options)
    several = item.config.get("multiselect") and isinstance(value, list)
    if choices is None or several or name in choices:
        return
    meant = _meant(str(value), choices) or f"choices: {shown(choices) or 'none'}"
    yield item.name, f"{value!r} is none of its choices", meant, value, shown(choices) or "no choices"


def _takes(item: Input) -> str:
    """What an input takes, in words."""
    low, high, step = (item.config.get(key) for key in ("min", "max", "step"))
    if item.type == COMBO:
        return f"a file of {item.files.folder}" if item.files else shown(item.options or ()) or "a choice"
    if item.type not in _LITERALS:
        return f"a link to {item.type}"
    bounds = f" {low} … {high}" if item.type in ("INT", "FLOAT") and None not in (low, high) else ""
    grid = f" in steps of {step} from {low or 0}" if item.type == "INT" and step and step > 1 else ""
    return f"{item.type}{bounds}{grid}"


def _spelt(value: Any) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)


def _meant(word: str, known: Iterable[Any]) -> str | None:
    near = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    return f"did you mean `{near[0]}`?" if near else None


def _class(node: Any) -> str:
    return str(node.get("class_type", "")) if isinstance(node, dict) else ""


def title_of(node_id: str, node: Any) -> str:
    """A node's title, else its class, else its id."""
    if not isinstance(node, dict):
        return node_id
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return str(title or _class(node) or node_id)
