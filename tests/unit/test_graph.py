"""A graph is found by titles, bound without change, and refused with reasons."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogen import graph
from videogen.errors import InputError


def node(kind: str, title: str | None = None, **inputs: object) -> dict[str, Any]:
    """One node in API format."""
    made: dict[str, Any] = {"class_type": kind, "inputs": inputs}
    return {**made, "_meta": {"title": title}} if title else made


CHAIN = {
    "1": node("Scail", "S", strength=1.0),
    "2": node("Uni3C", "U", on=["1", 0]),
    "3": node("Wan", "W", on=["2", 0]),
    "4": node("Save", None, on=["3", 0]),
}


def parse(nodes: object) -> graph.Graph:
    """A graph from nodes, as if read from a file."""
    return graph.parse(json.dumps(nodes), "g.json")


REFUSALS = [
    ("{", ["g.json:1: is not JSON: Expecting property name enclosed in double quotes"]),
    ('{"nodes": [], "links": []}', ["g.json: is in ComfyUI's UI format\nhint: in ComfyUI: Workflow → Export (API)"]),
    ("[]", ["g.json: should be an object of nodes"]),
    ('{"1": {"inputs": {}}}', ["g.json: 1: is not a node: it has no `class_type`"]),
    (
        '{"prompt": {"1": {"class_type": "A", "inputs": {}}}}',
        [
            "g.json: prompt: is not a node: it has no `class_type`\n"
            "hint: only what is in it: the rest is a request to the server"
        ],
    ),
    ('{"1": {"class_type": "A"}}', ["g.json: 1: has no `inputs`"]),
    (json.dumps({"1": node("A", "T"), "2": node("B", "T")}), ["g.json: T: 2 nodes have this title\nhint: give each node a title of its own"]),
    (json.dumps({"1": node("A", "T", x=["9", 0])}), ["g.json: T: is fed by node 9, which does not exist"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentences"), REFUSALS)
def test_refusals(text: str, sentences: list[str]) -> None:
    """What cannot be a graph is refused in words."""
    with pytest.raises(InputError) as caught:
        graph.parse(text, "g.json")

    assert [str(fault) for fault in caught.value.faults] == sentences


def test_bind_changes_a_copy() -> None:
    """Binding sets the input of the titled node and leaves the original as it was."""
    before = parse(CHAIN)
    after = before.bind({("S", "strength"): 0.5})

    assert after.node("S")["inputs"]["strength"] == 0.5
    assert before.node("S")["inputs"]["strength"] == 1.0


def test_digest_ignores_titles_and_key_order() -> None:
    """Two graphs that render the same have the same digest; another value has another one."""
    renamed = {key: {**CHAIN[key], "_meta": {"title": f"t{key}"}} for key in reversed(CHAIN)}

    assert parse(CHAIN).digest() == parse(renamed).digest()
    assert parse(CHAIN).digest() != parse(CHAIN).bind({("S", "strength"): 0.5}).digest()


ORDERS = [
    ([("scail", "S"), ("uni3c", "U"), ("wan", "W")], []),
    ([("uni3c", "U"), ("scail", "S")], ["uni3c must come before scail, but `U` depends on `S`"]),
    ([("scail", "S"), ("wan", "Save")], []),
]


@pytest.mark.parametrize(("stages", "sentences"), ORDERS)
def test_order(stages: list[tuple[str, str]], sentences: list[str]) -> None:
    """An earlier stage reaches the next; the reverse is said in words."""
    assert list(parse(CHAIN).out_of_order(stages)) == sentences


def test_stages_may_meet_in_one_sampler() -> None:
    """Two stages that feed one node are in order; two that never meet are not."""
    meeting = parse({"1": node("A", "A"), "2": node("B", "B"), "3": node("K", "K", a=["1", 0], b=["2", 0])})
    apart = parse({"1": node("A", "A"), "2": node("B", "B")})

    assert list(meeting.out_of_order([("scail", "A"), ("uni3c", "B")])) == []
    assert list(apart.out_of_order([("scail", "A"), ("uni3c", "B")])) == [
        "scail must come before uni3c, but nothing leads from `A` to `B`"
    ]


@given(st.dictionaries(st.text(min_size=1), st.one_of(st.integers(), st.text(), st.lists(st.integers())), max_size=5))
def test_anything_else_is_an_input_error(data: dict[str, object]) -> None:
    """No JSON object crashes the parser: it is a graph or an `InputError`."""
    with pytest.raises(InputError):
        parse(data)
