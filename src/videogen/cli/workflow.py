"""`videogen workflow`: what can be generated, and graphs of any engine as new workflows."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from videogen import graph, linting, node_recordings, project
from videogen import workflow_import as importing
from videogen.cli.manifest_options import ManifestFile, manifest_path
from videogen.cli.options import AsJson
from videogen.console import Console, counted, table
from videogen.definition import Definition, Parameter
from videogen.errors import InputError
from videogen.lint import Finding
from videogen.workflow import Workflow

app = typer.Typer(help="What can be generated; graphs of any engine as new workflows.", no_args_is_help=True)

ObjectInfo = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A server's own /object_info.  [default: as recorded for the image's pin]"),
]


@app.command("list")
def list_workflows(as_json: AsJson = False) -> None:
    """All workflows of the checkout."""
    shown = table("workflow", "kind", "parameters", "about")
    found = []
    for name in project.workflow_names():
        one = project.read_workflow(name)
        kind = "chain" if one.definition.chain else "graph"
        shown.add_row(name, kind, str(len(one.parameter_names)), one.definition.about)
        found.append({"name": name, "kind": kind, "about": one.definition.about, "parameters": one.parameter_names})
    Console(as_json).data(found, shown)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A folder of workflows/.")], as_json: AsJson = False) -> None:
    """What a batch may set in a workflow, what it loads, and what comes out."""
    found = project.read_workflow(name, "workflow")
    parameters = table("parameter", "type", "allowed", "default", "about")
    for one in found.definition.parameters:
        parameters.add_row(one.name, one.type, _allowed(one), _default(one, found.definition), one.about)
    console = Console(as_json)
    console.data(found.definition.model_dump(mode="json", by_alias=True, exclude_defaults=True), parameters)
    if not as_json:
        console.data(None, lines=["", found.definition.about])
        more = table("", "")
        more.show_header = False
        for word, items in _more(found):
            more.add_row(word, items)
        console.data(None, more)


@app.command("import")
def import_graph(
    file: Annotated[Path, typer.Argument(metavar="GRAPH.json", help="An API export of ComfyUI, of any engine.")],
    name: Annotated[str | None, typer.Option(help="The new folder of workflows/.  [default: the file's name]")] = None,
    manifest: ManifestFile = None,
    object_info: ObjectInfo = None,
    as_json: AsJson = False,
) -> None:
    """Make workflows/NAME/ of an exported graph: its inputs, models and outputs found, for you to edit."""
    called = name or re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")
    folder = project.root() / "workflows" / called
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", called) or called == "phases":
        raise InputError.of("--name", f"{called!r} is no name for a workflow", "small letters, digits and hyphens")
    if folder.exists():
        raise InputError.of("--name", f"{project.shown(folder)} is there already", "another --name")
    recording = node_recordings.of_server(object_info) if object_info else node_recordings.recorded()
    nodes = graph.parse_nodes(project.read(file), project.shown(file.resolve()))
    models = project.read_manifest(manifest_path(manifest, None))
    made = importing.draft(nodes, called, recording.schemas, models)
    findings = linting.lint_draft(made, recording, models)
    folder.mkdir(parents=True)
    (folder / "graph.json").write_text(made.graph, encoding="utf-8")
    (folder / "workflow.yaml").write_text(made.definition, encoding="utf-8")
    page = project.template("workflow_readme.md.j2").render(draft=made)
    (folder / "README.md").write_text(page, encoding="utf-8")
    _tell(Console(as_json), folder, made, findings, recording.about)


def _tell(console: Console, folder: Path, made: importing.Draft, findings: list[Finding], assumed: str) -> None:
    document: dict[str, Any] = {
        "name": made.name,
        "folder": project.shown(folder),
        "node_schemas": assumed,
        "parameters": [one.name for one in made.parameters],
        "models": {one.name: one.file for one in made.models},
        "outputs": dict(made.outputs),
        "remains": made.remains,
        "left_out": made.left_out,
        "entries": made.entries,
        "findings": [one.document() for one in findings],
    }
    shown = table("parameter", "type", "sets")
    for one in made.parameters:
        shown.add_row(one.name, one.type, ", ".join(f"{node}/{given}" for node, given in one.sets))
    console.data(document, shown)
    for finding in findings:
        if not finding.message.startswith("no node class"):  # what remains says it, once a class
            console.finding("warning", f"{finding.place}: {finding.message}", finding.help)
    for sentence in made.remains:
        console.warn(sentence)
    for node in made.left_out:
        console.say(f"left out: `{node}`, which no output needs")
    if made.entries and not console.as_json:
        console.data(None, lines=["", "for models_manifest.yaml, under `models:`", made.entries])
    console.say(f"node classes: {assumed}")
    found = f"{counted(len(made.parameters), 'parameter')}, {counted(len(made.models), 'model')}"
    console.say(f"{project.shown(folder)}: {found}; edit it, then `videogen lint {project.shown(folder)}`")


def _allowed(one: Parameter) -> str:
    if one.choices:
        return ", ".join(one.choices[:6]) + (", …" if len(one.choices) > 6 else "")
    if one.minimum is None and one.maximum is None:
        return ""
    bounds = " … ".join("" if bound is None else _bound(bound) for bound in (one.minimum, one.maximum))
    grid = f", {one.multiple_of}n" + (f" + {one.plus}" if one.plus else "") if one.multiple_of else ""
    return bounds + grid


def _bound(value: float) -> str:
    """A file's 18446744073709551615 is read as the next number that a float holds."""
    return "2^64 - 1" if value == 2.0**64 else f"{value:g}"


def _default(one: Parameter, definition: Definition) -> str:
    rule = definition.segments
    if rule is not None and one.name in (rule.previous, rule.start, rule.tail):
        return "a chain sets it"
    if isinstance(one.default, dict):
        return ", ".join(f"{phase}: {value}" for phase, value in one.default.items())
    return "the batch says it" if one.default is None else str(one.default)


def _more(found: Workflow) -> list[tuple[str, str]]:
    definition = found.definition
    steps = [f"{step.step}: {step.workflow or step.post}" for step in definition.chain]
    models = dict.fromkeys(slot.model + (" (optional)" if slot.optional else "") for slot in definition.models)
    outputs = [f"{one.kind} of `{one.title}`" for one in definition.outputs]
    said = (("steps", steps), ("models", list(models)), ("gives", outputs))
    return [(word, ", ".join(items)) for word, items in said if items]
