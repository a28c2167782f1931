"""Whatever a real ComfyUI was seen to refuse or to overlook is found before it is sent."""

import json
from typing import Any

import pytest

from tests.doubles import linted
from tests.doubles.transcript import read
from videogen.errors import InputError
from videogen.graph import parse_nodes
from videogen.lint import Finding, job_findings
from videogen.lint.finding import of_faults
from videogen.lint.shape import shape_findings

OPTIONS = {"diffusion_models": ["broken_not_a_model.safetensors"], "input": ["here.png"]}
EXCHANGES = [one for one in read("06-invalid-prompt")["exchanges"] if one["request"]["path"] == "/prompt"]


def said(text: str) -> list[Finding]:
    """Everything that lint says of a text as a graph, where the worker's files are known."""
    try:
        nodes = parse_nodes(text, "graph.json")
    except InputError as error:
        return of_faults(error.faults)
    found = list(shape_findings(nodes, linted.schemas(), "graph.json"))
    found += job_findings(nodes, linted.schemas(), OPTIONS, "graph.json")
    return list({(one.place, one.message): one for one in found}.values())


def posted(exchange: Any) -> str:
    """What would have stood in the graph's file."""
    body = exchange["request"].get("json")
    return exchange["request"]["body"] if body is None else json.dumps(body.get("prompt", {}))


def quiet(found: list[Finding]) -> list[Finding]:
    """Without titles that stand twice, of which a server knows nothing, and without nodes that never run."""
    return [one for one in found if "have this title" not in one.message and one.severity == "error"]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda one: str(one["t_ms"]))
def test_a_recorded_refusal_is_found(exchange: Any) -> None:
    """At the node that the server names, if it names one."""
    found, recorded = quiet(said(posted(exchange))), exchange["response"]
    if recorded["status"] != 200:
        assert found
    errors = recorded["body"]["node_errors"] if isinstance(recorded["body"], dict) else {}
    prompt = exchange["request"].get("json", {}).get("prompt", {})
    # With a dead link the server names the node behind it; one finding is enough there.
    named = {prompt[node]["class_type"] for node, error in errors.items() if "inner" not in error["errors"][0]["type"]}
    assert named <= {one.node for one in found}


ACCEPTED = [one for one in EXCHANGES if one["response"]["status"] == 200]


def test_what_the_server_took_without_a_word_is_known() -> None:
    """Three prompts got 200: one is right, one has an input that was ignored, one half of which never ran."""
    found = [[(one.node, one.input) for one in quiet(said(posted(exchange)))] for exchange in ACCEPTED]
    assert found == [[], [("EmptyImage", "bogus")], [("LatentUpscale", "samples")]]


BYSTANDERS: list[tuple[str, Any, str]] = [
    ("a node twice", '{"1": {"class_type": "A", "inputs": {}}, "1": {"class_type": "B", "inputs": {}}}', "stands twice in one object"),
    ("no inputs", '{"1": {"class_type": "EmptyImage"}}', "has no `inputs`"),
    ("titles", '{"1": {"class_type": "EmptyImage", "inputs": {}, "_meta": "Canvas"}}', "its `_meta` should be an object with a `title`"),
    ("a list", "[]", "should be an object of nodes"),
    ("deep", "[" * 100_000, "is nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in BYSTANDERS], ids=[row[0] for row in BYSTANDERS])
def test_a_file_that_is_no_graph_is_refused(text: str, message: str) -> None:
    """With the address of what is wrong."""
    (found,) = said(text)
    assert found.message == message


LOST: list[tuple[str, Any, str]] = [
    ("quality", True, "true is not INT; ComfyUI would take 1"),
    ("quality", 80.7, "80.7 is not INT; ComfyUI would take 80"),
    ("quality", float("inf"), "inf is not INT"),
    ("quality", "80", ""),
    ("fps", True, "true is not FLOAT; ComfyUI would take 1.0"),
    ("fps", float("nan"), "nan is not FLOAT; ComfyUI would take nan"),
    ("fps", 16, ""),
    ("lossless", "false", "'false' is not BOOLEAN; ComfyUI would take true"),
    ("lossless", 1, ""),
    ("filename_prefix", None, "null is not STRING; ComfyUI would take 'None'"),
    ("filename_prefix", 7, ""),
]


@pytest.mark.parametrize(("name", "value", "expected"), LOST)
def test_a_value_that_comfyui_would_turn_into_another_is_found(name: str, value: Any, expected: str) -> None:
    """It says nothing itself; what keeps its meaning passes."""
    inputs = {
        "images": ["1", 0],
        "filename_prefix": "x",
        "fps": 6.0,
        "lossless": True,
        "quality": 80,
        "method": "default",
    }
    nodes = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "here.png"}},
        "2": {"class_type": "SaveAnimatedWEBP", "inputs": {**inputs, name: value}},
    }
    assert [one.message for one in said(json.dumps(nodes))] == ([expected] if expected else [])
