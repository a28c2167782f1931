"""A ComfyUI graph in API format, its nodes found by title.

Node numbers come from whoever drew the graph and change with the next export; titles are what people write.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from videogen.document import did_you_mean
from videogen.errors import Fault, InputError

Prompt = dict[str, dict[str, Any]]
"""What `POST /prompt` takes: node id → {class_type, inputs, _meta}."""


class Graph:
    """An API-format graph; never changed in place."""

    def __init__(self, nodes: Prompt) -> None:
        self._nodes = nodes

    @property
    def prompt(self) -> Prompt:
        """A copy to send."""
        nodes: Prompt = _copied(self._nodes)
        return nodes

    @property
    def titles(self) -> tuple[str, ...]:
        """Every node's title."""
        return tuple(title(node) for node in self._nodes.values())

    @property
    def classes(self) -> frozenset[str]:
        """Every node class in use."""
        return frozenset(node["class_type"] for node in self._nodes.values())

    def node_id(self, wanted: str) -> str:
        """The id of the node with that title; raises `KeyError`."""
        for node_id, node in self._nodes.items():
            if title(node) == wanted:
                return node_id
        raise KeyError(wanted)

    def title_of(self, node_id: str) -> str:
        """The title of the node with that id; raises `KeyError`."""
        return title(self._nodes[node_id])

    def node(self, wanted: str) -> dict[str, Any]:
        """A copy of the node with that title; raises `KeyError`."""
        node: dict[str, Any] = _copied(self._nodes[self.node_id(wanted)])
        return node

    def bind(self, values: Mapping[tuple[str, str], object]) -> "Graph":
        """A graph in which each `(title, input)` has its value; raises `KeyError` for an unknown title."""
        nodes = self.prompt
        for (wanted, name), value in values.items():
            nodes[self.node_id(wanted)]["inputs"][name] = value
        return Graph(nodes)

    def digest(self) -> str:
        """SHA-256 of the graph without titles: equal graphs render equal videos."""
        bare = {node_id: {"class_type": n["class_type"], "inputs": n["inputs"]} for node_id, n in self._nodes.items()}
        return hashlib.sha256(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def upstream(self, wanted: str) -> frozenset[str]:
        """Titles of all nodes that the node with that title depends on."""
        seen: set[str] = set()
        waiting = [self.node_id(wanted)]
        while waiting:
            for link in links(self._nodes[waiting.pop()]):
                if link not in seen and link in self._nodes:
                    seen.add(link)
                    waiting.append(link)
        return frozenset(title(self._nodes[node_id]) for node_id in seen)

    def out_of_order(self, stages: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Says what breaks the order of `(stage, node title)`.

        An earlier stage must reach a node of the next one, or meet it in one sampler; it may never depend on it.
        """
        for (first, before), (second, after) in pairwise(stages):
            if after in self.upstream(before):
                yield f"{first} must come before {second}, but `{before}` depends on `{after}`"
            elif before not in self.upstream(after) and not self._meet(before, after):
                yield f"{first} must come before {second}, but nothing leads from `{before}` to `{after}`"

    def _meet(self, one: str, other: str) -> bool:
        return any({one, other} <= self.upstream(wanted) for wanted in self.titles)


def _copied(value: Any) -> Any:
    """A copy of what JSON can hold, several times as fast as `deepcopy`: a batch copies thousands of graphs."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def title(node: Mapping[str, Any]) -> str:
    """A node's title, or its class where it has none."""
    return str(node.get("_meta", {}).get("title") or node["class_type"])


def link_of(value: object) -> tuple[str, int] | None:
    """The node id and the output that an input's value links to; nothing for a plain value."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
        return value[0], value[1]
    return None


def links(node: Mapping[str, Any]) -> Iterator[str]:
    """Ids of the nodes that feed a node."""
    for value in node["inputs"].values():
        if link := link_of(value):
            yield link[0]


def parse(text: str, name: str) -> Graph:
    """The graph in the JSON `text` of file `name`; raises `InputError` with every fault.

    The UI format ("Save") is refused with how to export the right one: a server cannot run it.
    """
    data = parse_nodes(text, name)
    found = list(_faults(data, name))
    if found:
        raise InputError(found)
    return Graph(data)


def parse_nodes(text: str, name: str) -> Prompt:
    """The nodes of an export as they stand there, their titles not yet told apart.

    Raises `InputError` for what is no object of nodes, and for a node that stands twice, of which JSON forgets one.
    """
    twice: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [key for key, _ in found]
        twice.extend(sorted({key for key in names if names.count(key) > 1}))
        return dict(found)

    try:
        data = json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise InputError.of(f"{name}:{error.lineno}", f"is not JSON: {error.msg}") from error
    except RecursionError:
        raise InputError.of(name, "is nested too deeply") from None
    if isinstance(data, dict) and isinstance(data.get("nodes"), list):
        raise InputError.of(name, "is in ComfyUI's UI format", "in ComfyUI: Workflow → Export (API)")
    if not isinstance(data, dict) or not data:
        raise InputError.of(name, "should be an object of nodes")
    if twice:
        raise InputError([Fault(f"{name}: {key}", "stands twice in one object") for key in twice])
    found = list(_no_nodes(data, name))
    if found:
        raise InputError(found)
    return data


def missing_title(graph: Graph, wanted: str, address: str) -> Fault:
    """The fault of naming a node that is not there."""
    return Fault(address, f"no node is titled `{wanted}`", did_you_mean(wanted, graph.titles))


def _no_nodes(data: dict[str, Any], name: str) -> Iterator[Fault]:
    for node_id, node in data.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            request = node_id == "prompt" and isinstance(node, dict)
            hint = "only what is in it: the rest is a request to the server" if request else None
            yield Fault(f"{name}: {node_id}", "is not a node: it has no `class_type`", hint)
        elif not isinstance(node.get("inputs"), dict):
            yield Fault(f"{name}: {node_id}", "has no `inputs`")
        elif not isinstance(node.get("_meta", {}), dict):
            yield Fault(f"{name}: {node_id}", "its `_meta` should be an object with a `title`")


def _faults(data: Prompt, name: str) -> Iterator[Fault]:
    for node in data.values():
        for link in links(node):
            if link not in data:
                yield Fault(f"{name}: {title(node)}", f"is fed by node {link}, which does not exist")
    for doubled, count in Counter(title(node) for node in data.values()).items():
        if count > 1:
            yield Fault(f"{name}: {doubled}", f"{count} nodes have this title", "give each node a title of its own")
