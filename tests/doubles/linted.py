"""Our workflows as texts, linted as they are or after somebody's slip."""

import copy
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from videogen import lint, node_recordings, project
from videogen.definition import Definition, ModelSlot, Target
from videogen.document import Document
from videogen.graph import links, title
from videogen.lint import File, Finding
from videogen.manifest import Manifest, PhaseName
from videogen.node_schema import Schemas
from videogen.phase import Phase

Nodes = dict[str, Any]


@cache
def schemas() -> Schemas:
    """Those that lint assumes."""
    return node_recordings.recorded().schemas


@cache
def _phase(name: PhaseName) -> Phase:
    return project.read_phase(name)


@cache
def models() -> Manifest:
    """All of them pinned."""
    return project.read_manifest(project.root() / "models_manifest.dev.yaml")


def drawn() -> list[str]:
    """Names of the workflows that have a graph of their own."""
    return [name for name in project.workflow_names() if (project.root() / "workflows" / name / "graph.json").exists()]


@cache
def _texts(name: str) -> tuple[str, str]:
    folder = project.root() / "workflows" / name
    return (folder / "graph.json").read_text(), (folder / "workflow.yaml").read_text()


def nodes(name: str) -> Nodes:
    """A workflow's nodes, to be changed."""
    return copy.deepcopy(json.loads(_texts(name)[0]))


def definition(name: str) -> str:
    """A workflow's definition, to be changed."""
    return _texts(name)[1]


def findings(
    name: str,
    graph: Nodes | str | None = None,
    defined: str | None = None,
    manifest: Manifest | None = None,
    phase: PhaseName = "a",
    chosen: Mapping[str, str] | None = None,
) -> list[Finding]:
    """What lint says of a workflow, of which either file may have been changed."""
    text = graph if isinstance(graph, str) else json.dumps(graph, indent=1) if graph is not None else _texts(name)[0]
    files = (File(text, "graph.json"), File(defined or definition(name), "workflow.yaml"))
    return list(lint.workflow_findings(name, *files, schemas(), manifest or models(), _phase(phase), chosen))


def errors(found: list[Finding]) -> list[Finding]:
    """Those that are no warnings."""
    return [one for one in found if one.severity == "error"]


def behind(graph: Nodes, node_id: str) -> set[str]:
    """Titles of the nodes that a node feeds, itself included."""
    reached = {node_id}
    while more := {one for one, node in graph.items() if one not in reached and reached & set(links(node))}:
        reached |= more
    return {title(graph[one]) for one in reached}


@cache
def _defined(name: str) -> Definition:
    return Document(definition(name), "workflow.yaml").load(Definition)


def targets(name: str) -> list[Target | ModelSlot]:
    """Every input that a workflow's definition sets."""
    read = _defined(name)
    return [*(one for parameter in read.parameters for one in parameter.sets), *read.models]


def named(name: str) -> set[str]:
    """Every title that a workflow's definition names."""
    read = _defined(name)
    joins = [title for one in (read.segments.joins if read.segments else ()) for title in (one.title, one.source)]
    return {one.title for one in (*targets(name), *read.order, *read.outputs)} | set(joins)
