"""ComfyUI's `Export (API)` for graphs without subgraphs, after what its editor shows: values by place, links by number."""

from collections.abc import Iterator, Mapping
from typing import Any

from videogen.node_schema import Input, NodeSchema, Schemas

_VIRTUAL = ("Note", "MarkdownNote", "Reroute", "PrimitiveNode")
_MUTED, _BYPASSED = 2, 4
_VALUES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


class NoExport(Exception):
    """The graph uses what only the editor itself can resolve."""


def exported(saved: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    """The API form of a graph as the editor saves it; raises `NoExport`."""
    nodes = {node["id"]: node for node in saved["nodes"]}
    groups = {one["id"] for one in saved.get("definitions", {}).get("subgraphs", ())}
    links = {link[0]: (link[1], link[2]) for link in saved["links"] if isinstance(link, list)}
    if any(node["type"] in groups for node in nodes.values()) or len(links) != len(saved["links"]):
        raise NoExport
    return {
        str(node_id): {
            "class_type": node["type"],
            "inputs": dict(_inputs(node, schemas[node["type"]], nodes, links)),
            "_meta": {"title": node.get("title") or node["type"]},
        }
        for node_id, node in nodes.items()
        if node["type"] not in _VIRTUAL and node.get("mode") not in (_MUTED, _BYPASSED)
    }


def _inputs(
    node: Mapping[str, Any], schema: NodeSchema, nodes: Mapping[Any, Any], links: Mapping[Any, Any]
) -> Iterator[tuple[str, Any]]:
    yield from _values(node, schema)
    for socket in node.get("inputs", ()):
        if socket.get("link") is not None:
            yield from _linked(socket["name"], links[socket["link"]], nodes, links)


def _linked(
    name: str, link: tuple[Any, int], nodes: Mapping[Any, Any], links: Mapping[Any, Any]
) -> Iterator[tuple[str, Any]]:
    source, slot = link
    node = nodes[source]
    if node["type"] == "PrimitiveNode":
        yield name, node["widgets_values"][0]
    elif node["type"] == "Reroute":
        if node["inputs"][0]["link"] is not None:
            yield from _linked(name, links[node["inputs"][0]["link"]], nodes, links)
    elif node.get("mode") == _BYPASSED:
        kind = node["outputs"][slot]["type"]
        ways = [one["link"] for one in node["inputs"] if one["type"] == kind and one.get("link") is not None]
        if ways:
            yield from _linked(name, links[ways[0]], nodes, links)
    elif node.get("mode") != _MUTED:
        yield name, [str(source), slot]


def _values(node: Mapping[str, Any], schema: NodeSchema) -> Iterator[tuple[str, Any]]:
    given = node.get("widgets_values") or []
    if isinstance(given, dict):
        raise NoExport
    left = list(given)
    chosen: dict[str, Any] = {}
    done: set[str] = set()
    # A dynamic choice brings its own inputs, in the place behind it.
    while item := next((one for one in schema.active(chosen) if one.name not in done and _has_widget(one)), None):
        done.add(item.name)
        if not left:  # an older graph than the class: the editor fills in what the class says
            if "default" in item.config:
                yield item.name, item.config["default"]
            continue
        chosen[item.name] = left.pop(0)
        yield item.name, chosen[item.name]
        if len(item.variants.get(str(chosen[item.name]), ())) > 1 and "sub_inputs" not in item.config:
            raise NoExport  # a server's recording has the choice's own inputs sorted by name, not by place
        if _has_control(item) and left and left[0] in ("fixed", "increment", "decrement", "randomize"):
            left.pop(0)


def _has_widget(item: Input) -> bool:
    kinds = {part.strip() for part in item.type.split(",")}
    return bool(kinds & set(_VALUES) or item.config.get("socketless")) and not item.config.get("forceInput")


def _has_control(item: Input) -> bool:
    return item.type == "INT" and bool(item.config.get("control_after_generate") or item.name in ("seed", "noise_seed"))
