"""Recorded `/object_info` answers as typed values.

Tolerates the three ways in which ComfyUI writes a choice (`[[…]]`, `["COMBO", {options}]`, dynamic combos) and inputs
that grow (`values.a`, `values.b`, …).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from videogen.errors import InputError
from videogen.node_schema.listings import FILE_LISTS, FileList

COMBO = "COMBO"
_GROW_CEILING = 100


@dataclass(frozen=True)
class Input:
    """One input of a node class. `type` is ComfyUI's word (`INT`, `IMAGE`, `FLOAT,INT`, `*`); choices are `COMBO`."""

    name: str
    type: str
    required: bool
    recorded: Any
    """The type as the server writes it: for old-style choices the list itself."""
    config: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[Any, ...] | None = None
    """The choices; None where the recording does not know them."""
    files: FileList | None = None
    """Set where the choices are files on the worker; `options` is then only what the recording machine had."""
    variants: Mapping[str, tuple["Input", ...]] = field(default_factory=dict)
    """Dynamic combo: choice → the inputs that it brings, with dotted names."""
    grown: tuple["Input", ...] | None = None
    """Autogrow: the inputs it may grow, with dotted names."""


@dataclass(frozen=True)
class NodeSchema:
    """One node class."""

    name: str
    inputs: tuple[Input, ...]
    hidden: frozenset[str]
    outputs: tuple[str, ...]
    is_output: bool
    """Whether a prompt may end here, as at `SaveVideo`."""
    recorded: Mapping[str, Any] = field(repr=False)
    """The class as it stands in the document."""

    def active(self, given: Mapping[str, Any]) -> Iterator[Input]:
        """The inputs that hold for these values: a dynamic combo brings those of its chosen variant."""
        return _active(self.inputs, given)


Schemas = Mapping[str, NodeSchema]
"""Class name → schema."""


def parse(document: Mapping[str, Any], name: str = "object_info") -> dict[str, NodeSchema]:
    """The classes of one recorded answer. Keys that begin with `_` are notes. `name` is what errors call the document.

    Raises `InputError` where an entry is not a node class.
    """
    return {key: _node(name, key, node) for key, node in document.items() if not key.startswith("_")}


def model_files(schemas: Schemas) -> dict[str, list[str]]:
    """Folder key → the files that a server listed for it, without its inputs: a job brings its own."""
    found: dict[str, dict[str, None]] = {}
    for item in (item for schema in schemas.values() for item in schema.inputs):
        if item.files is not None and item.files.media is None:
            found.setdefault(item.files.folder, {}).update((str(option), None) for option in item.options or ())
    return {folder: list(names) for folder, names in found.items()}


def merge(*several: Schemas) -> dict[str, NodeSchema]:
    """One set of classes; of equal names the later one counts."""
    return {name: node for schemas in several for name, node in schemas.items()}


def _node(document: str, name: str, recorded: Any) -> NodeSchema:
    if not isinstance(recorded, Mapping) or not isinstance(recorded.get("input"), Mapping):
        raise InputError.of(f"{document}: {name}", "is not a node class: it has no `input`")
    groups = recorded["input"]
    order = recorded.get("input_order", {})
    inputs: list[Input] = []
    for group in ("required", "optional"):
        members = groups.get(group, {})
        names = [key for key in order.get(group, ()) if key in members]
        names += [key for key in members if key not in names]
        for key in names:
            try:
                inputs.append(_input(name, key, members[key], group == "required"))
            except (TypeError, KeyError, IndexError, AttributeError) as error:
                raise InputError.of(f"{document}: {name}/{key}", f"is not an input: {error!r}") from error
    outputs = tuple(COMBO if isinstance(output, list) else str(output) for output in recorded.get("output", ()))
    hidden = frozenset((*groups.get("hidden", {}), *order.get("hidden", ())))
    return NodeSchema(name, tuple(inputs), hidden, outputs, bool(recorded.get("output_node", False)), recorded)


def _input(node: str, name: str, spec: Sequence[Any], required: bool) -> Input:
    recorded, config = spec[0], (spec[1] if len(spec) > 1 else {})
    files = FILE_LISTS.get((node, name))
    if isinstance(recorded, list):
        # An empty recorded list means that the recording machine had no such file: known only with `files`.
        return Input(name, COMBO, required, recorded, config, tuple(recorded) or None, files)
    if recorded == COMBO:
        options = config.get("options")
        return Input(name, COMBO, required, recorded, config, tuple(options) if options else None, files)
    if recorded.startswith("COMFY_DYNAMICCOMBO"):
        variants = {key: tuple(inputs) for key, inputs in _variants(node, name, config)}
        return Input(name, COMBO, required, recorded, config, tuple(variants), variants=variants)
    if recorded.startswith("COMFY_AUTOGROW"):
        return Input(name, recorded, required, recorded, config, grown=tuple(_grown(node, name, config["template"])))
    return Input(name, recorded, required, recorded, config)


def _variants(node: str, name: str, config: Mapping[str, Any]) -> Iterator[tuple[str, list[Input]]]:
    for option in config["options"]:
        if isinstance(option, str):  # the short form of hand-written entries: the same inputs whatever is chosen
            subs = config.get("sub_inputs", {})
            yield option, [_short(dotted, description) for dotted, description in subs.items()]
        else:
            groups = option.get("inputs", {})
            yield (
                option["key"],
                [
                    _input(node, f"{name}.{key}", spec, group == "required")
                    for group in ("required", "optional")
                    for key, spec in groups.get(group, {}).items()
                ],
            )


def _short(dotted: str, description: Any) -> Input:
    if isinstance(description, list):
        return Input(dotted, COMBO, required=False, recorded=description, options=tuple(description))
    kind = str(description).split(",")[0].split(" ")[0]
    return Input(dotted, kind, required=False, recorded=kind)


def _grown(node: str, name: str, template: Mapping[str, Any]) -> Iterator[Input]:
    (spec,) = [spec for group in template["input"].values() for spec in group.values()]
    ceiling = template.get("max", _GROW_CEILING)
    names = template.get("names") or [f"{template['prefix']}{number}" for number in range(ceiling)]
    for index, member in enumerate(names):
        yield _input(node, f"{name}.{member}", spec, index < template.get("min", 0))


def _active(inputs: Sequence[Input], given: Mapping[str, Any]) -> Iterator[Input]:
    for item in inputs:
        if item.grown is not None:
            yield from _active(item.grown, given)
            continue
        yield item
        chosen = given.get(item.name)
        if isinstance(chosen, str):
            yield from _active(item.variants.get(chosen, ()), given)
