"""Graphs that nobody here drew: ComfyUI's own templates and exports of other engines."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import pytest

from tests.doubles import linted
from tests.doubles.api_export import NoExport, exported
from videogen import graph
from videogen.errors import InputError
from videogen.lint import File, workflow_findings
from videogen.lint.shape import shape_findings
from videogen.project import read_phase
from videogen.workflow_import import draft


@cache
def templates() -> dict[str, str]:
    """Name → text of every graph that comes with ComfyUI."""
    folder = files("comfyui_workflow_templates_json") / "templates"
    texts = {one.name: one.read_text(encoding="utf-8") for one in folder.iterdir() if one.name.endswith(".json")}
    return {name: text for name, text in texts.items() if '"nodes"' in text and not name.startswith("index")}


@cache
def exports() -> dict[str, dict[str, Any]]:
    """Those whose nodes are recorded, and that need no more than the editor's own bookkeeping, in API form."""
    found = {}
    for name, text in templates().items():
        saved = json.loads(text)
        virtual = {"Note", "MarkdownNote", "Reroute", "PrimitiveNode"}
        if {node["type"] for node in saved["nodes"]} - virtual <= set(linted.schemas()):
            try:
                found[name] = exported(saved, linted.schemas())
            except NoExport:
                continue
    return found


def test_every_template_is_refused_as_it_is_saved() -> None:
    """With the way to export it: a server cannot run the editor's own format."""
    assert len(templates()) > 500
    for name, text in templates().items():
        with pytest.raises(InputError) as refused:
            graph.parse_nodes(text, name)
        assert [(one.message, one.hint) for one in refused.value.faults] == [
            ("is in ComfyUI's UI format", "in ComfyUI: Workflow → Export (API)")
        ]


def test_exported_templates_raise_no_alarm() -> None:
    """But for titles that stand twice, which no server minds."""
    assert len(exports()) > 60
    alarms = [
        (name, found.place, found.message)
        for name, nodes in exports().items()
        for found in shape_findings(nodes, linted.schemas(), name)
        if found.severity == "error" and "have this title" not in found.message
    ]
    assert alarms == []


def test_exported_templates_become_workflows_without_errors() -> None:
    """Titles told apart, parameters within what nodes take; only models, outputs and audio may remain to do."""
    for name, nodes in exports().items():
        made = draft(nodes, "foreign", linted.schemas(), linted.models())
        lacks = {one.name: "" for one in made.models}
        found = workflow_findings(
            "foreign",
            File(made.graph, "graph.json"),
            File(made.definition, "workflow.yaml"),
            linted.schemas(),
            linted.models(),
            read_phase("a"),
            lacks,
        )
        wrong = {one.message for one in found if one.severity == "error"}
        if not made.outputs:
            wrong -= {"needs at least 1 item"}
        assert {message for message in wrong if "nobody sends there" not in message} == set(), name
