"""Ways through a graph that was drawn by somebody else."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from videogen.graph import Prompt, link_of, title
from videogen.node_schema import Input, Schemas

MEDIA = {"image": (".png", ".jpg", ".jpeg", ".webp"), "video": (".mp4", ".webm", ".mov", ".mkv", ".gif")}
WEIGHTS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin", ".onnx")
_PRIMITIVE = "Primitive"
_ROLES = {"positive": "Positive prompt", "negative": "Negative prompt"}


@dataclass(frozen=True)
class Place:
    """An input with a value of its own. `item` is nothing where the node class is not recorded."""

    node_id: str
    input: str
    value: Any
    item: Input | None
    primitive: Input | None = None
    """The value's own input, where it comes from a primitive node."""

    @property
    def type(self) -> str:
        """ComfyUI's word, or the nearest one to the value."""
        if self.item is not None:
            return self.item.type
        words = {bool: "BOOLEAN", int: "INT", float: "FLOAT", str: "STRING"}
        return words.get(type(self.value), "*")

    @property
    def media(self) -> str | None:
        """`image` or `video` where it reads such a file."""
        if self.item is not None:
            return self.item.files.media if self.item.files else None
        return next((kind for kind, ends in MEDIA.items() if self._ends(ends)), None)

    @property
    def loads(self) -> bool:
        """It names a weights file."""
        if self.item is not None and self.item.files is not None:
            return self.item.files.media is None and self.value not in self.item.files.also
        return self.item is None and self._ends(WEIGHTS)

    def _ends(self, ends: tuple[str, ...]) -> bool:
        return isinstance(self.value, str) and self.value.lower().endswith(ends)


def places(nodes: Prompt, schemas: Schemas) -> Iterator[Place]:
    """Every input with a value, in the order of the graph.

    Where a value comes from a primitive node, it is the primitive's, with the schema of the input that it feeds.
    """
    for node_id, node in nodes.items():
        schema = schemas.get(node["class_type"])
        known = {item.name: item for item in schema.active(node["inputs"])} if schema else {}
        for name, value in node["inputs"].items():
            link = link_of(value)
            source = nodes.get(link[0]) if link else None
            if source is not None and link is not None and _is_primitive(source):
                own = schemas.get(source["class_type"])
                value_item = next((item for item in own.inputs if item.name == "value"), None) if own else None
                yield Place(link[0], name, source["inputs"]["value"], known.get(name), value_item)
            elif link is None and not _is_primitive(node):
                yield Place(node_id, name, value, known.get(name))


def target(nodes: Prompt, place: Place) -> tuple[str, str]:
    """`(title, input)` that sets the place: a primitive has one input, whatever it feeds."""
    node = nodes[place.node_id]
    return title(node), "value" if _is_primitive(node) else place.input


def role(nodes: Prompt, wanted: str) -> str | None:
    """Whether a node's text ends as `positive` or `negative` conditioning; `positive` where it is both."""
    return next((name for name in _ROLES if wanted in _said(nodes, name)), None)


def titled(nodes: Prompt) -> Prompt:
    """A copy in which each node has a title of its own; prompts that were called after their class are named."""
    made = deepcopy(nodes)
    taken: set[str] = set()
    for node_id, node in made.items():
        own = node.get("_meta", {}).get("title")
        if own in (None, "", node["class_type"]) or _is_stock(str(own)):
            called = role(nodes, node_id)
            own = _ROLES[called] if called and _has_text(node) else own or node["class_type"]
        wanted, number = str(own), 1
        while wanted in taken:
            number += 1
            wanted = f"{own} {number}"
        taken.add(wanted)
        node["_meta"] = {**node.get("_meta", {}), "title": wanted}
    return made


def _said(nodes: Prompt, name: str) -> set[str]:
    """Ids of the nodes behind every input of that name; past a node that hands both on, only its own half counts."""
    waiting = [link[0] for node in nodes.values() if (link := link_of(node["inputs"].get(name)))]
    seen: set[str] = set()
    while waiting:
        node_id = waiting.pop()
        if node_id in seen or node_id not in nodes:
            continue
        seen.add(node_id)
        inputs: Mapping[str, Any] = nodes[node_id]["inputs"]
        follow = [inputs[name]] if link_of(inputs.get(name)) else list(inputs.values())
        waiting += [link[0] for value in follow if (link := link_of(value))]
    return seen


def _is_primitive(node: Mapping[str, Any]) -> bool:
    value = node["inputs"].get("value")
    return node["class_type"].startswith(_PRIMITIVE) and isinstance(value, str | int | float)


def _has_text(node: Mapping[str, Any]) -> bool:
    return any(isinstance(value, str) and name in ("text", "value", "prompt") for name, value in node["inputs"].items())


def _is_stock(own: str) -> bool:
    """ComfyUI's own name for a prompt node."""
    return re.fullmatch(r"CLIP Text Encode.*", own) is not None
