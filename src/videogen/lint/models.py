"""Files that a graph names: each comes from the manifest, from the right folder, and is there in the phase."""

from collections.abc import Iterator, Mapping

from videogen import manifest
from videogen.definition import ModelSlot
from videogen.document import Document, did_you_mean
from videogen.errors import InputError
from videogen.graph import Graph, title
from videogen.lint.finding import Finding, of_faults
from videogen.manifest import Manifest, PhaseName
from videogen.node_schema import Input, Schemas
from videogen.workflow import Workflow


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
    if slot.model in models.names and item is not None:
        yield from _wrong_input(slot, item, models, address)
    if not slot.optional:
        yield from _not_there(slot.model, models, here, address)


def _wrong_input(slot: ModelSlot, item: Input, models: Manifest, address: str) -> Iterator[Finding]:
    folder = models.named(slot.model).comfy_folder
    if item.type != "COMBO":
        yield Finding(address, f"takes {item.type}, not the name of a file", node=slot.title, input=slot.input)
    elif item.files is not None and item.files.folder != folder:
        fitting = sorted({model.name for model in models.models if model.comfy_folder == item.files.folder})
        yield Finding(
            address,
            f"`{slot.model}` lies in {folder}, but this input lists {item.files.folder}",
            node=slot.title,
            input=slot.input,
            value=slot.model,
            allowed=", ".join(fitting) or f"nothing: the manifest has no model in {item.files.folder}",
            hint=did_you_mean(slot.model, fitting),
        )


def _not_there(name: str, models: Manifest, here: Manifest, address: str) -> Iterator[Finding]:
    """Why the workers of the phase would not have a model."""
    elsewhere = [model for model in models.matching(name) if not model.is_empty]
    if elsewhere and name not in here.names:
        phases = ", ".join(sorted({phase for model in elsewhere for phase in model.phases})) or "none"
        message = f"`{name}` is not on the workers of this phase"
        hint = "another phase, or `phases` of its entry in the manifest"
        yield Finding(address, message, value=name, allowed=f"phase {phases}", hint=hint)
        return
    try:
        manifest.require(here if elsewhere else models, name, address)
    except InputError as error:
        yield from of_faults(error.faults)


def _paste(node: str, item: Input, value: str, models: Manifest) -> str:
    assert item.files is not None
    for model in models.models:
        if model.comfy_folder == item.files.folder and value in (model.comfy_name, model.file):
            return f"under `models:`  - {{title: {node}, input: {item.name}, model: {model.name}}}"
    return f"an entry of the manifest with comfy_folder: {item.files.folder}, and a slot under `models:`"
