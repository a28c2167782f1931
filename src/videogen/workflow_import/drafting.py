"""Graph, definition and page of an imported workflow, as texts."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from videogen.definition import STAGES
from videogen.graph import Prompt, title
from videogen.lint.definition import stage_of
from videogen.lint.shape import idle
from videogen.manifest import Manifest
from videogen.node_schema import Schemas
from videogen.workflow_import.models import FoundModel, models
from videogen.workflow_import.parameters import Found, parameters
from videogen.workflow_import.walk import titled


@dataclass(frozen=True)
class Draft:
    """What an import writes, and what it leaves to its user."""

    name: str
    graph: str
    definition: str
    parameters: tuple[Found, ...]
    models: tuple[FoundModel, ...]
    outputs: tuple[tuple[str, str], ...]
    """`(title, video or image)`."""
    remains: tuple[str, ...]
    """What remains to do, as sentences."""
    left_out: tuple[str, ...]
    """Titles of nodes that no output needs."""
    entries: str
    """Entries for the manifest, ready to paste under `models:`."""


def draft(nodes: Prompt, name: str, schemas: Schemas, manifest: Manifest) -> Draft:
    """The workflow `name` of exported nodes (see `graph.parse_nodes`)."""
    every = titled(nodes)
    loose = set(idle(every, schemas))
    named = {node_id: node for node_id, node in every.items() if title(node) not in loose} or every
    set_by_batch = tuple(parameters(named, schemas))
    loaded = tuple(models(named, schemas, manifest))
    outputs = tuple(_outputs(named, schemas))
    missing = {one.name: one for one in loaded if not one.known}
    entries = "\n".join(entry for one in missing.values() if (entry := one.entry))
    return Draft(
        name,
        json.dumps(named, indent=1, ensure_ascii=False) + "\n",
        "\n".join(_definition(name, named, set_by_batch, loaded, outputs)) + "\n",
        set_by_batch,
        loaded,
        outputs,
        tuple(_remains(named, schemas, missing.values(), outputs)),
        tuple(title(node) for node_id, node in every.items() if node_id not in named),
        entries,
    )


def _outputs(nodes: Prompt, schemas: Schemas) -> Iterator[tuple[str, str]]:
    for node in nodes.values():
        schema = schemas.get(node["class_type"])
        name = node["class_type"].lower()
        if schema is None:
            if "save" in name or "combine" in name:
                yield title(node), "video" if "video" in name else "image"
            continue
        kinds = {item.type for item in schema.inputs}
        if schema.is_output and (kinds & {"VIDEO"} or "webm" in name):
            yield title(node), "video"
        elif schema.is_output and "IMAGE" in kinds:
            yield title(node), "image"


def _definition(
    name: str,
    nodes: Prompt,
    set_by_batch: Sequence[Found],
    loaded: Sequence[FoundModel],
    outputs: Sequence[tuple[str, str]],
) -> Iterator[str]:
    yield "schema: 1"
    yield f"name: {name}"
    yield f"about: {_text(f'Imported graph of {len(nodes)} nodes.')}"
    yield "\nparameters:" if set_by_batch else "\nparameters: []"
    for one in set_by_batch:
        yield from _parameter(one)
    yield "\nmodels:" if loaded else "\nmodels: []"
    for model in loaded:
        yield f"  - {_flow({'title': model.title, 'input': model.input, 'model': model.name})}"
    stages = [(stage, title(node)) for node in nodes.values() if (stage := stage_of(node["class_type"]))]
    firsts = dict(reversed(stages))
    if len(firsts) > 1:
        yield "\norder:"
        yield from (f"  - {_flow({'stage': one, 'title': firsts[one]})}" for one in STAGES if one in firsts)
    names = {one.name for one in set_by_batch}
    if {"switch_step", "steps"} <= names:
        yield "\nrules:"
        yield "  - {less: switch_step, than: steps, why: the second expert needs steps of its own}"
    yield "\noutputs:" if outputs else "\noutputs: []"
    yield from (f"  - {_flow({'title': node, 'kind': kind})}" for node, kind in outputs)


def _parameter(one: Found) -> Iterator[str]:
    yield f"  - name: {one.name}"
    yield f"    about: {_text(one.about)}"
    yield f"    type: {one.type}"
    for key in ("minimum", "maximum", "multiple_of", "plus"):
        if (value := getattr(one, key)) is not None:
            yield f"    {key}: {_text(value)}"
    if one.choices:
        yield f"    choices: {_list(one.choices)}"
    if one.default is not None:
        yield f"    default: {_text(one.default)}"
    if len(one.sets) == 1:
        yield f"    sets: [{_flow({'title': one.sets[0][0], 'input': one.sets[0][1]})}]"
        return
    yield "    sets:"
    yield from (f"      - {_flow({'title': node, 'input': name})}" for node, name in one.sets)


def _remains(
    nodes: Prompt, schemas: Schemas, missing: Iterable[FoundModel], outputs: Sequence[tuple[str, str]]
) -> Iterator[str]:
    for name in sorted({node["class_type"] for node in nodes.values()} - set(schemas)):
        yield f"the image's ComfyUI has no node class `{name}`: add its pack to the image, or draw without it"
    for model in missing:
        if model.entry is not None:
            yield f"the manifest has no {model.file}: paste the entry below, then `videogen models pin {model.name}`"
        else:
            where = f"ComfyUI's folder {model.folder}" if model.folder else "its folder is not known"
            yield f"the manifest cannot hold {model.file} as yet ({where})"
    for node in nodes.values():
        if node["class_type"] == "SaveAnimatedWEBP":
            yield f"`{title(node)}` gives what counts as an image: SaveVideo gives a video that is checked"
        if "download" in node["class_type"].lower():
            yield f"`{title(node)}` fetches files while it runs, unpinned: load them from the manifest instead"
    if not outputs:
        yield "nothing gives a video or an image: add SaveVideo behind the last node"


def _flow(values: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_text(value, flow=True)}" for key, value in values.items()) + "}"


def _list(words: Sequence[str]) -> str:
    return "[" + ", ".join(_text(word, flow=True) for word in words) + "]"


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-./+()")
_WORDS = frozenset(("", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "~", "nan", "inf"))


def _text(value: Any, flow: bool = False) -> str:
    """A value in YAML: plain where that is safe, else in JSON's quotes, which YAML reads."""
    if not isinstance(value, str):
        return json.dumps(value)
    extra = frozenset() if flow else frozenset(",;`'")
    safe = set(value) <= _PLAIN | extra and value[:1].isalpha() and value.strip() == value
    return value if safe and value.lower() not in _WORDS else _quoted(value)


def _quoted(value: str) -> str:
    """In JSON's quotes; YAML wants every character escaped that no page shows."""
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in quoted)
