"""The shape of a graph: titles, circles, ends, and nodes that no end needs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from videogen.graph import Prompt, links, title
from videogen.lint.finding import Finding, of_node
from videogen.node_schema import Schemas, strict_findings


def shape_findings(
    nodes: Prompt, schemas: Schemas, address: str, more_links: Iterable[tuple[str, str]] = ()
) -> Iterator[Finding]:
    """Everything that can be said of a graph without its definition.

    `more_links` are links that a definition adds, as `(title that is fed, title that feeds it)`.
    """
    yield from (of_node(address, found) for found in strict_findings(nodes, schemas))
    for doubled, count in Counter(title(node) for node in nodes.values()).items():
        if count > 1:
            message = f"{count} nodes have this title"
            hint = "give each node a title of its own; parameters find nodes by it"
            yield Finding(address, message, node=doubled, allowed="each title once", hint=hint)
    for node_id in _circle(nodes):
        yield Finding(address, "is in a circle of links: it waits for itself", node=title(nodes[node_id]))
    ends = [node_id for node_id, node in nodes.items() if _ends(node, schemas)]
    known = all(node["class_type"] in schemas for node in nodes.values())
    if not ends and known:
        yield Finding(address, "has no output node, so that nothing would run", allowed="SaveVideo, SaveImage, …")
    if ends:
        for name in idle(nodes, schemas, more_links):
            message = "no output needs it: ComfyUI would never run it"
            yield Finding(address, message, "warning", node=name, hint="link it, or remove it")


def idle(nodes: Prompt, schemas: Schemas, more_links: Iterable[tuple[str, str]] = ()) -> list[str]:
    """Titles of the nodes that no output node depends on."""
    by_title = {title(node): node_id for node_id, node in nodes.items()}
    added: dict[str, list[str]] = {}
    for fed, feeds in more_links:
        if fed in by_title and feeds in by_title:
            added.setdefault(by_title[fed], []).append(by_title[feeds])
    waiting = [node_id for node_id, node in nodes.items() if _ends(node, schemas)]
    needed = set(waiting)
    while waiting:
        here = waiting.pop()
        for link in (*links(nodes[here]), *added.get(here, ())):
            if link in nodes and link not in needed:
                needed.add(link)
                waiting.append(link)
    return [title(node) for node_id, node in nodes.items() if node_id not in needed]


def _ends(node: Mapping[str, Any], schemas: Schemas) -> bool:
    """An output node; of an unknown class it is assumed where nobody says otherwise."""
    schema = schemas.get(node["class_type"])
    return schema is None or schema.is_output


def _circle(nodes: Prompt) -> list[str]:
    """Ids of the nodes that depend on themselves."""
    left = {node_id: {link for link in links(node) if link in nodes} for node_id, node in nodes.items()}
    while free := [node_id for node_id, feeds in left.items() if not feeds]:
        for node_id in free:
            del left[node_id]
        for feeds in left.values():
            feeds.difference_update(free)
    while loose := set(left) - {link for feeds in left.values() for link in feeds}:
        for node_id in loose:  # behind a circle, not in it
            del left[node_id]
    return list(left)
