"""A workflow's two files, as texts: what each says wrongly by itself, and what they say wrongly together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from videogen import workflow
from videogen.definition import Definition
from videogen.document import Document
from videogen.errors import InputError
from videogen.graph import Graph, Prompt, parse_nodes
from videogen.lint.definition import definition_findings
from videogen.lint.finding import Finding, of_faults
from videogen.lint.models import model_findings
from videogen.lint.shape import shape_findings
from videogen.manifest import Manifest
from videogen.node_schema import Schemas
from videogen.phase import Phase


@dataclass(frozen=True)
class File:
    """A text and the name of its file."""

    text: str
    name: str


def workflow_findings(
    name: str,
    drawn: File,
    definition: File,
    schemas: Schemas,
    models: Manifest,
    phase: Phase,
    chosen: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    """Everything wrong with the workflow in folder `name`; a fault of one file hides none of the other.

    `chosen` is what a batch puts into slots.
    """
    nodes: Prompt = {}
    try:
        nodes = parse_nodes(drawn.text, drawn.name)
    except InputError as error:
        yield from of_faults(error.faults)
    joins: list[tuple[str, str]] = []
    try:
        document = Document(definition.text, definition.name)
        read = document.load(Definition)
    except InputError as error:
        yield from of_faults(error.faults)
    else:
        if read.name != name:
            message = f"is `{read.name}`, its folder is `{name}`"
            yield Finding(document.address(("name",)), message, hint=f"name: {name}")
        if read.segments:
            joins = [(one.title, one.source) for one in read.segments.joins]
        found = workflow.Workflow(read, Graph(nodes))
        if nodes:
            try:
                workflow.fitted(read, document, found.graph)
            except InputError as error:
                yield from of_faults(error.faults)
        yield from definition_findings(found, schemas, document, drawn.name, phase)
        yield from model_findings(found, schemas, document, drawn.name, models, phase.phase, chosen or {})
    if nodes:
        yield from shape_findings(nodes, schemas, drawn.name, joins)
