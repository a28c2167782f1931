"""Changes of a graph's shape that a job asks for: a node less, a link more. Graph in, graph out."""

from collections.abc import Iterable, Sequence

from videogen.graph import Graph, Prompt, link_of, links


def bypass(graph: Graph, wanted: str, bridges: Sequence[str] = ()) -> Graph:
    """The graph without the node of that title: what hung on its outputs hangs on its inputs.

    `bridges` names the linked inputs in the order of the outputs; without it they stand in the graph's order.
    Raises `KeyError` for an unknown title, and `IndexError` where an output in use has no input to be bridged to.
    """
    nodes = graph.prompt
    gone = graph.node_id(wanted)
    inputs = nodes.pop(gone)["inputs"]
    ways = [inputs[name] for name in bridges] or [value for value in inputs.values() if link_of(value)]
    for node in nodes.values():
        for name, value in node["inputs"].items():
            if (link := link_of(value)) and link[0] == gone:
                node["inputs"][name] = list(ways[link[1]])
    return Graph(nodes)


def unbridged(graph: Graph, wanted: str, bridges: Sequence[str] = ()) -> list[str]:
    """Why the node of that title cannot be taken out; nothing when it can."""
    node = graph.node(wanted)
    linked = [name for name, value in node["inputs"].items() if link_of(value)]
    wrong = [f"`{wanted}` has no linked input `{name}`" for name in bridges if name not in linked]
    ways = len(bridges or linked)
    gone = graph.node_id(wanted)
    used = {
        link[1]
        for one in graph.prompt.values()
        for v in one["inputs"].values()
        if (link := link_of(v)) and link[0] == gone
    }
    return wrong + [
        f"output {slot} of `{wanted}` is in use and has no input to be bridged to"
        for slot in sorted(used)
        if slot >= ways
    ]


def join(graph: Graph, wanted: str, name: str, source: str, output: int) -> Graph:
    """The graph in which that input takes that output; raises `KeyError` for an unknown title."""
    return graph.bind({(wanted, name): [graph.node_id(source), output]})


def without_loose(graph: Graph, titles: Iterable[str]) -> Graph:
    """The graph without those nodes on which nothing hangs, and without what only they needed."""
    nodes = graph.prompt
    waiting = [graph.node_id(one) for one in titles]
    while waiting:
        node_id = waiting.pop()
        if node_id in nodes and not _used(node_id, nodes):
            waiting += links(nodes.pop(node_id))
    return Graph(nodes)


def _used(wanted: str, nodes: Prompt) -> bool:
    return any(wanted in links(node) for node in nodes.values())
