"""Nodes are taken out of graphs and put back into their line, whatever the graph looks like."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogen.graph import Graph, Prompt, link_of, links
from videogen.rewiring import bypass, join, unbridged, without_loose


@st.composite
def drawings(draw: st.DrawFn) -> Prompt:
    """Any graph without cycles: each node takes some outputs of nodes before it."""
    nodes: Prompt = {}
    for number in range(draw(st.integers(2, 9))):
        sources = draw(st.lists(st.integers(0, number - 1), max_size=3)) if number else []
        inputs: dict[str, object] = {f"in{at}": [str(source), 0] for at, source in enumerate(sources)}
        nodes[str(number)] = {
            "class_type": "Any",
            "inputs": {**inputs, "seed": number},
            "_meta": {"title": f"n{number}"},
        }
    return nodes


@given(drawings(), st.data())
def test_what_hung_on_a_node_hangs_on_its_source(nodes: Prompt, data: st.DataObject) -> None:
    """Every link to the node is one to its own source afterwards; every other input is as it was."""
    linked = [node_id for node_id in nodes if any(links(nodes[node_id]))]
    if not linked:
        return
    gone = data.draw(st.sampled_from(linked))
    source = next(value for value in nodes[gone]["inputs"].values() if link_of(value))
    after = bypass(Graph(nodes), f"n{gone}").prompt

    assert set(after) == set(nodes) - {gone}
    for node_id, node in after.items():
        for name, value in nodes[node_id]["inputs"].items():
            link = link_of(value)
            assert node["inputs"][name] == (source if link and link[0] == gone else value)


@given(drawings(), st.data())
def test_the_order_in_which_nodes_are_taken_out_does_not_matter(nodes: Prompt, data: st.DataObject) -> None:
    """Three nodes in any order leave the same graph."""
    linked = [f"n{node_id}" for node_id in nodes if any(links(nodes[node_id]))]
    wanted = data.draw(st.lists(st.sampled_from(linked or ["n0"]), max_size=3, unique=True)) if linked else []
    found = []
    for order in permutations(wanted):
        graph = Graph(nodes)
        for title in order:
            graph = bypass(graph, title)
        found.append(graph.prompt)

    assert all(one == found[0] for one in found)


@given(drawings(), st.data())
def test_only_what_nothing_hangs_on_is_loose(nodes: Prompt, data: st.DataObject) -> None:
    """What stays has all its links; what went was named or was needed by what went only."""
    named = data.draw(st.lists(st.sampled_from([f"n{node_id}" for node_id in nodes]), unique=True))
    after = without_loose(Graph(nodes), named).prompt

    for node in after.values():
        assert all(link in after for link in links(node))
    for node_id in set(nodes) - set(after):
        users = [one for one in nodes if node_id in links(nodes[one])]
        assert not set(users) & set(after)
        assert f"n{node_id}" in named or users
    for title in named:
        node_id = title[1:]
        assert node_id not in after or any(node_id in links(node) for node in after.values())


LORA: Prompt = {
    "1": {"class_type": "Load", "inputs": {}, "_meta": {"title": "Load"}},
    "2": {"class_type": "Lora", "inputs": {"model": ["1", 0], "clip": ["1", 1]}, "_meta": {"title": "Style"}},
    "3": {"class_type": "Draw", "inputs": {"model": ["2", 0], "clip": ["2", 1]}, "_meta": {"title": "Draw"}},
}


def test_outputs_are_bridged_in_order() -> None:
    """The first output to the first linked input, the second to the second; or as it is said."""
    assert bypass(Graph(LORA), "Style").node("Draw")["inputs"] == {"model": ["1", 0], "clip": ["1", 1]}
    assert bypass(Graph(LORA), "Style", ["clip", "model"]).node("Draw")["inputs"] == {
        "model": ["1", 1],
        "clip": ["1", 0],
    }


def test_a_node_that_cannot_be_bridged_is_told() -> None:
    """Before it is taken out: an output in use without an input, and a name that is none."""
    assert unbridged(Graph(LORA), "Style") == []
    assert unbridged(Graph(LORA), "Style", ["model"]) == [
        "output 1 of `Style` is in use and has no input to be bridged to"
    ]
    assert unbridged(Graph(LORA), "Load")[0] == "output 0 of `Load` is in use and has no input to be bridged to"
    assert unbridged(Graph(LORA), "Style", ["modle", "clip"]) == ["`Style` has no linked input `modle`"]


def test_a_join_replaces_a_link() -> None:
    """The input takes the other output, and the graph before stays as it was."""
    graph = Graph(LORA)

    assert join(graph, "Draw", "model", "Load", 0).node("Draw")["inputs"]["model"] == ["1", 0]
    assert graph.node("Draw")["inputs"]["model"] == ["2", 0]
    with pytest.raises(KeyError):
        join(graph, "Draw", "model", "Laod", 0)
