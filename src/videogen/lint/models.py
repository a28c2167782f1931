"""Files that a graph names: each comes from the manifest, from the right folder, and is there in the phase."""

from collections.abc import Iterator, Mapping

from videogen import manifest
from videogen.document import Document, did_you_mean
from videogen.errors import InputError
from videogen.graph import Graph, title
from videogen.lint.finding import Finding, of_faults
from videogen.manifest import Manifest, PhaseName
from videogen.node_schema import Input, Schemas
from videogen.workflow import ModelSlot, Workflow


def model_findings(
    workflow: Workflow,
    schemas: Schemas,
    document: Document,
    graph_address: str,
    models: Manifest,
    phase: PhaseName,
    chosen: Mapping[str, str],
) -> Iterator[Finding]:
    """`document` is the workflow's own file; `models` is the whole manifest, of which `phase` has a part.

    `chosen` is what a batch puts into slots; those are not judged here.
    """
    graph, definition = workflow.graph, workflow.definition
    here = models.select(phase)
    for index, slot in enumerate(definition.models):
        if slot.model in chosen:
            continue
        item = known_input(graph, schemas, slot.title, slot.input)
        yield from _slot(slot, item, document, ("models", index), models, here)
    covered = {(slot.title, slot.input) for slot in definition.models}
    covered |= {(target.title, target.input) for parameter in definition.parameters for target in parameter.sets}
    for node in graph.prompt.values():
        schema = schemas.get(node["class_type"])
        for item in schema.active(node["inputs"]) if schema else ():
            value = node["inputs"].get(item.name)
            if item.files is None or not isinstance(value, str) or (title(node), item.name) in covered:
                continue
            if item.files.media:
                message = f"reads {value}, which nobody sends there"
                hint = f"a parameter of type `{item.files.media}` that sets it"
            elif value not in item.files.also:
                message = f"loads {value}, which no worker would have"
                hint = _paste(title(node), item, value, models)
            else:
                continue
            allowed = f"what {document.name.rsplit('/', 1)[-1]} puts there"
            node_title = title(node)
            yield Finding(
                graph_address, message, node=node_title, input=item.name, value=value, allowed=allowed, hint=hint
            )


def known_input(graph: Graph, schemas: Schemas, wanted: str, name: str) -> Input | None:
    """The schema of an input, by its node's title; nothing where graph or schemas have none."""
    if wanted not in graph.titles:
        return None
    node = graph.node(wanted)
    schema = schemas.get(node["class_type"])
    return next((item for item in schema.active(node["inputs"]) if item.name == name), None) if schema else None


def _slot(
    slot: ModelSlot,
    item: Input | None,
    document: Document,
    path: tuple[str | int, ...],
    models: Manifest,
    here: Manifest,
) -> Iterator[Finding]:
    address = document.address((*path, "model"))
    if slot.model not in models.names:
        if not slot.optional:
            try:
                manifest.require(models, slot.model, address)
            except InputError as error:
                yield from of_faults(error.faults)
        return
    entry = models.named(slot.model)
    if item is not None and item.type != "COMBO":
        message = f"takes {item.type}, not the name of a file"
        yield Finding(document.address((*path, "input")), message, node=slot.title, input=slot.input)
    elif item is not None and item.files is not None and item.files.folder != entry.comfy_folder:
        fitting = sorted({model.name for model in models.models if model.comfy_folder == item.files.folder})
        message = f"`{slot.model}` lies in {entry.comfy_folder}, but this input lists {item.files.folder}"
        yield Finding(
            address,
            message,
            node=slot.title,
            input=slot.input,
            value=slot.model,
            allowed=", ".join(fitting) or f"nothing: the manifest has no model in {item.files.folder}",
            hint=did_you_mean(slot.model, fitting),
        )
    if not slot.optional:
        try:
            manifest.require(here, slot.model, address)
        except InputError as error:
            yield from of_faults(error.faults)


def _paste(node: str, item: Input, value: str, models: Manifest) -> str:
    assert item.files is not None
    for model in models.models:
        if model.comfy_folder == item.files.folder and value in (model.comfy_name, model.file):
            return f"under `models:`  - {{title: {node}, input: {item.name}, model: {model.name}}}"
    return f"an entry of the manifest with comfy_folder: {item.files.folder}, and a slot under `models:`"
