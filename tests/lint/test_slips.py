"""Every slip of a hand in a graph is found at its node; a graph without slips is clean."""

import json
import string
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.doubles import linted
from videogen.graph import link_of, title
from videogen.manifest import PhaseName
from videogen.node_schema import Input
from videogen.node_schema.values import fits

WORKFLOWS = linted.drawn()
slips = settings(max_examples=20, suppress_health_check=[HealthCheck.filter_too_much])
Place = tuple[linted.Nodes, dict[str, Any], Input]
"""A workflow's nodes, one of them, and one of its inputs."""


@pytest.mark.parametrize("phase", get_args(PhaseName))
@pytest.mark.parametrize("name", WORKFLOWS)
def test_our_own_workflows_are_clean(name: str, phase: PhaseName) -> None:
    """In every phase whose workers hold their models, without a warning."""
    found = linted.findings(name, phase=phase)
    assert phase != "a" or found == []
    assert {one.message for one in found if "is not on the workers of this phase" not in one.message} == set()


@st.composite
def places(draw: st.DrawFn, *kinds: str, linked: bool = False) -> tuple[str, Place]:
    """Some input of some node, of one of the types where any are named."""
    name = draw(st.sampled_from(WORKFLOWS))
    graph = linted.nodes(name)
    found = [
        (graph, node, item)
        for node in graph.values()
        for item in linted.schemas()[node["class_type"]].active(node["inputs"])
        if item.name in node["inputs"]
        and (not kinds or item.type in kinds)
        and bool(link_of(node["inputs"][item.name])) == linked
    ]
    assume(found)
    return name, draw(st.sampled_from(found))


def told(name: str, graph: linted.Nodes, node: dict[str, Any], wanted: str) -> list[str]:
    """What the errors at an input say."""
    found = linted.errors(linted.findings(name, graph))
    return [
        f"{one.message} ({one.allowed}; {one.hint})" for one in found if (one.node, one.input) == (title(node), wanted)
    ]


def near_words(word: str) -> st.SearchStrategy[str]:
    """The word with a letter twice, or without one, or with two changed places."""
    at = st.integers(0, max(0, len(word) - 2))
    twice = at.map(lambda i: word[: i + 1] + word[i:])
    without = at.map(lambda i: word[:i] + word[i + 1 :])
    changed = at.map(lambda i: word[:i] + word[i + 1] + word[i] + word[i + 2 :] if len(word) > 1 else word + "x")
    return st.one_of(twice, without, changed).filter(lambda one: one not in ("", word))


@slips
@given(places(), st.data())
def test_a_misspelt_input_is_found_with_the_right_word(place: tuple[str, Place], data: st.DataObject) -> None:
    """ComfyUI would ignore it, and take the default of the right one where that is optional."""
    name, (graph, node, item) = place
    wrong = data.draw(near_words(item.name))
    assume(
        wrong not in node["inputs"] and wrong not in {one.name for one in linted.schemas()[node["class_type"]].inputs}
    )
    node["inputs"][wrong] = node["inputs"].pop(item.name)

    (said,) = told(name, graph, node, wrong)
    assert "ComfyUI would ignore it" in said
    assert len(item.name) < 5 or "did you mean" in said


@slips
@given(st.one_of(places(), places(linked=True)))
def test_a_dropped_input_is_found(place: tuple[str, Place]) -> None:
    """Where it is required, or where the definition sets it."""
    name, (graph, node, item) = place
    del node["inputs"][item.name]
    if item.required:
        assert any("required input is missing" in said for said in told(name, graph, node, item.name))
    else:
        sets = any((one.title, one.input) == (title(node), item.name) for one in linted.targets(name))
        wrong = [
            one for one in linted.errors(linted.findings(name, graph)) if f"has no input `{item.name}`" in one.message
        ]
        assert bool(wrong) == sets


@slips
@given(st.data())
def test_a_misspelt_class_is_found_with_the_right_word(data: st.DataObject) -> None:
    """At its node, and nothing else is said of that node."""
    name = data.draw(st.sampled_from(WORKFLOWS))
    graph = linted.nodes(name)
    node = data.draw(st.sampled_from(list(graph.values())))
    right = node["class_type"]
    node["class_type"] = data.draw(near_words(right).filter(lambda one: one not in linted.schemas()))

    found = [one for one in linted.errors(linted.findings(name, graph)) if one.node == title(node) and one.value]
    assert found[0].message == f"no node class `{node['class_type']}`"
    assert found[0].hint
    assert "did you mean" in found[0].hint


@slips
@given(st.data())
def test_a_misspelt_title_is_found_where_the_definition_names_it(data: st.DataObject) -> None:
    """With the title that was meant; a title that nobody names may be anything."""
    name = data.draw(st.sampled_from(WORKFLOWS))
    graph = linted.nodes(name)
    node = data.draw(st.sampled_from(list(graph.values())))
    right = title(node)
    node.setdefault("_meta", {})["title"] = wrong = data.draw(near_words(right))
    assume(wrong not in {title(one) for one in graph.values() if one is not node})

    found = [
        one for one in linted.errors(linted.findings(name, graph)) if one.message == f"no node is titled `{right}`"
    ]
    assert bool(found) == (right in linted.named(name))
    assert all(one.hint == f"did you mean `{wrong}`?" for one in found)


@slips
@given(st.data())
def test_two_nodes_of_one_title_are_found(data: st.DataObject) -> None:
    """A batch would set only one of them."""
    name = data.draw(st.sampled_from(WORKFLOWS))
    graph = linted.nodes(name)
    one, other = data.draw(st.lists(st.sampled_from(sorted(graph)), min_size=2, max_size=2, unique=True))
    graph[one].setdefault("_meta", {})["title"] = title(graph[other])

    found = linted.errors(linted.findings(name, graph))
    assert "2 nodes have this title" in [said.message for said in found if said.node == title(graph[other])]


@slips
@given(places(linked=True), st.data())
def test_a_link_to_a_wrong_output_is_found(place: tuple[str, Place], data: st.DataObject) -> None:
    """Of another type, of a number that the node has not, or of a node that is not there."""
    name, (graph, node, item) = place
    slots = [(one, number) for one in graph for number in range(-1, 6) if not _fits(graph, one, number, item)]
    wrong = data.draw(st.one_of(st.sampled_from(slots), st.just(("nowhere", 0))))
    node["inputs"][item.name] = list(wrong)

    assert told(name, graph, node, item.name)
    assert all(f"link to {item.type}" in said or "output 0" in said for said in told(name, graph, node, item.name))


def _fits(graph: linted.Nodes, source: str, slot: int, item: Input) -> bool:
    outputs = linted.schemas()[graph[source]["class_type"]].outputs
    return 0 <= slot < len(outputs) and fits(outputs[slot], item.type)


@slips
@given(
    places(linked=True), st.text(string.ascii_letters, max_size=8) | st.integers() | st.none() | st.lists(st.integers())
)
def test_a_value_where_a_link_belongs_is_found(place: tuple[str, Place], value: Any) -> None:
    """Also a link that is none."""
    name, (graph, node, item) = place
    assume(not item.type.startswith("COMFY_") and item.type != "*" and item.type not in LITERALS)
    node["inputs"][item.name] = value
    assert told(name, graph, node, item.name)


LITERALS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
WRONG: dict[str, st.SearchStrategy[Any]] = {
    "INT": st.sampled_from(["wide", "", None, True, 3.7, float("nan"), float("inf"), {"a": 1}]),
    "FLOAT": st.sampled_from(["1,5", "", None, False, float("nan"), float("inf"), {"a": 1}]),
    "STRING": st.sampled_from([None, True, {"a": 1}]),
    "BOOLEAN": st.sampled_from(["false", "yes", 2, {"a": 1}]),
    "COMBO": st.sampled_from(["no such choice", 7.5, None, {"a": 1}]),
}


@slips
@given(places(*WRONG), st.data())
def test_a_value_of_a_wrong_type_is_found(place: tuple[str, Place], data: st.DataObject) -> None:
    """Also one that ComfyUI would turn into something else without a word."""
    name, (graph, node, item) = place
    value = data.draw(WRONG[item.type])
    assume(not (item.files and isinstance(value, str)))  # whether a file is there, only a worker knows
    assume(item.options is not None or item.type != "COMBO" or item.files)
    node["inputs"][item.name] = value
    assert told(name, graph, node, item.name)


@slips
@given(places("INT", "FLOAT"), st.data())
def test_a_number_out_of_range_or_off_the_grid_is_found(place: tuple[str, Place], data: st.DataObject) -> None:
    """With what is allowed, and the nearest right number."""
    name, (graph, node, item) = place
    low, high, step = (item.config.get(key) for key in ("min", "max", "step"))
    wrong = [low - 1] if low is not None else []
    wrong += [high * 2 + 1] if high is not None else []
    if item.type == "INT" and step and step > 1:
        wrong += [(low or 0) + step * 3 + 1]
    assume(wrong)
    value = data.draw(st.sampled_from(wrong))
    node["inputs"][item.name] = value

    (said,) = told(name, graph, node, item.name)
    assert "nearest" in said
    assert item.type in said


@slips
@given(st.data())
def test_a_circle_of_links_is_found(data: st.DataObject) -> None:
    """A node that is fed by what it feeds waits for itself."""
    name = data.draw(st.sampled_from(WORKFLOWS))
    graph = linted.nodes(name)
    loops = [
        (node_id, item.name, [source, slot])
        for node_id, node in graph.items()
        for item in linted.schemas()[node["class_type"]].active(node["inputs"])
        if link_of(node["inputs"].get(item.name))
        for source in graph
        if title(graph[source]) in linted.behind(graph, node_id)
        for slot in range(4)
        if _fits(graph, source, slot, item)
    ]
    assume(loops)
    node_id, wanted, link = data.draw(st.sampled_from(loops))
    graph[node_id]["inputs"][wanted] = link

    found = linted.errors(linted.findings(name, graph))
    assert title(graph[node_id]) in [one.node for one in found if "waits for itself" in one.message]


@slips
@given(st.data())
def test_a_node_without_a_way_to_an_output_is_found(data: st.DataObject) -> None:
    """It never runs; where a parameter sets it, that is an error."""
    name = data.draw(st.sampled_from(WORKFLOWS))
    graph = linted.nodes(name)
    node = data.draw(st.sampled_from(list(graph.values())))
    copied = json.loads(json.dumps(node))
    copied["_meta"] = {"title": "left over"}
    assume(not linted.schemas()[node["class_type"]].is_output)
    graph["left over"] = copied

    assert "left over" in [one.node for one in linted.findings(name, graph) if "never run" in one.message]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_graph_in_the_ui_format_is_refused_with_how_to_export(name: str) -> None:
    """One finding; the definition is still looked at by itself."""
    (found,) = linted.findings(name, json.dumps({"nodes": [], "links": [], "version": 0.4}))
    assert (found.address, found.message) == ("graph.json", "is in ComfyUI's UI format")
    assert found.hint == "in ComfyUI: Workflow → Export (API)"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_several_slips_are_told_at_once(name: str) -> None:
    """In both files."""
    graph = linted.nodes(name)
    loader = next(node for node in graph.values() if node["class_type"].endswith("Loader"))
    saver = next(node for node in graph.values() if linted.schemas()[node["class_type"]].is_output)
    loader["inputs"]["bogus"] = 1
    saver["inputs"]["filename_prefix"] = None
    found = linted.errors(linted.findings(name, graph, linted.definition(name).replace("about: ", "abuot: ", 1)))
    assert {("graph.json", title(loader)), ("graph.json", title(saver))} <= {(one.address, one.node) for one in found}
    assert any(one.address.startswith("workflow.yaml") and one.hint == "did you mean `about`?" for one in found)
