"""A definition against its graph and the node schemas: what a batch may set is what the node takes."""

from collections import Counter
from collections.abc import Iterator

from videogen.batch import DRAWS
from videogen.definition import STAGES, Parameter, StageName, Target
from videogen.document import Document, did_you_mean
from videogen.graph import link_of, title
from videogen.lint.finding import Finding
from videogen.lint.models import known_input
from videogen.lint.shape import idle
from videogen.node_schema import Input, Schemas
from videogen.phase import Phase
from videogen.workflow import Workflow

_CARRIERS: dict[StageName, frozenset[str]] = {
    "scail": frozenset({"WanSCAILToVideo"}),
    "uni3c": frozenset({"WanUni3CControlnetApply"}),
}
"""Node classes that carry a stage of the chain; Wan's stage may be any other."""

_TAKES = {
    "text": {"STRING"},
    "integer": {"INT", "FLOAT", "BOOLEAN"},
    "number": {"FLOAT"},
    "choice": {"COMBO", "STRING"},
    "image": {"COMBO", "STRING"},
    "video": {"COMBO", "STRING"},
}
"""Type of a parameter → types of inputs."""

Path = tuple[str | int, ...]


def definition_findings(
    workflow: Workflow, schemas: Schemas, document: Document, graph_address: str, phase: Phase
) -> Iterator[Finding]:
    """What in `document`, the workflow's own file, its graph's nodes would refuse, ignore or turn into something else.

    Warns where a default leaves the policy of the phase. What `workflow.fitted` refuses is not told again.
    """
    definition, graph = workflow.definition, workflow.graph
    joins = [(one.title, one.source) for one in definition.segments.joins] if definition.segments else []
    never = set(idle(graph.prompt, schemas, joins))
    for index, parameter in enumerate(definition.parameters):
        for place, target in enumerate(parameter.sets):
            path = ("parameters", index, "sets", place)
            if target.title in never:
                message = "sets a node that never runs: no output needs it"
                yield _at(document, path, message, target)
            yield from _target(workflow, parameter, target, schemas, document, ("parameters", index), path)
    yield from _set_twice(workflow, document)
    for index, output in enumerate(definition.outputs):
        if output.title not in graph.titles:
            continue
        schema = schemas.get(graph.node(output.title)["class_type"])
        if schema is not None and not schema.is_output:
            ends = [title(node) for node in graph.prompt.values() if _is_output(schemas, node["class_type"])]
            message = f"`{schema.name}` is no output node: it gives no file"
            hint = did_you_mean(output.title, ends)
            yield Finding(document.address(("outputs", index, "title")), message, node=output.title, hint=hint)
    named = {output.title for output in definition.outputs}
    for node in graph.prompt.values():
        if _is_output(schemas, node["class_type"]) and title(node) not in named:
            message = "is an output node that `outputs` does not name: its files are made in every job"
            yield Finding(graph_address, message, "warning", node=title(node), hint="name it there, or remove it")
    yield from _stages(workflow, schemas, document, graph_address)
    yield from _policy(workflow, document, phase)


def _target(
    workflow: Workflow,
    parameter: Parameter,
    target: Target,
    schemas: Schemas,
    document: Document,
    home: Path,
    path: Path,
) -> Iterator[Finding]:
    item = known_input(workflow.graph, schemas, target.title, target.input)
    if item is None:
        return  # the graph's own findings tell why
    value = workflow.graph.node(target.title)["inputs"].get(target.input)
    if link_of(value):
        yield _at(document, path, "is fed by another node; a value would cut that link", target, value)
    kinds = {part.strip() for part in item.type.split(",")}
    if "*" not in kinds and not kinds & _TAKES[parameter.type]:
        message = f"is of type {parameter.type}, but the input takes {item.type}"
        yield _at(document, path, message, target, parameter.type)
    elif parameter.is_file and item.files is not None and item.files.media != parameter.type:
        message = f"is of type {parameter.type}, but the input lists {item.files.media or item.files.folder} files"
        yield _at(document, path, message, target, parameter.type)
    yield from _bounds(parameter, target, item, document, home)
    for place, choice in enumerate(parameter.choices):
        if item.options is not None and item.files is None and choice not in item.options:
            message = f"{choice!r} is none of the choices of `{target.title}`/{target.input}"
            hint = did_you_mean(choice, item.options)
            yield _at(
                document, (*home, "choices", place), message, target, choice, ", ".join(map(str, item.options)), hint
            )


def _bounds(parameter: Parameter, target: Target, item: Input, document: Document, home: Path) -> Iterator[Finding]:
    low, high, step = (item.config.get(key) for key in ("min", "max", "step"))
    allowed = f"{low} … {high}"
    if low is not None and parameter.minimum is not None and parameter.minimum < float(low):
        message = f"{parameter.minimum:g} is below what the input takes"
        yield _at(document, (*home, "minimum"), message, target, parameter.minimum, allowed, f"nearest: {low}")
    if high is not None and parameter.maximum is not None and parameter.maximum > float(high):  # 2**64 - 1 is no float
        message = f"{parameter.maximum:g} is above what the input takes"
        yield _at(document, (*home, "maximum"), message, target, parameter.maximum, allowed, f"nearest: {high}")
    if item.type == "INT" and step and step > 1:
        every = parameter.multiple_of or 1
        plus = (low or 0) % step
        if every % step or (parameter.plus - plus) % step:
            grid = f"multiples of {step}" + (f" plus {plus}" if plus else "")
            hint = f"multiple_of: {step}" + (f", plus: {plus}" if plus else "")
            message = f"lets values through that `{target.title}`/{target.input} would cut without a word"
            yield _at(document, home, message, target, parameter.multiple_of, grid, hint)


def _set_twice(workflow: Workflow, document: Document) -> Iterator[Finding]:
    places: list[tuple[tuple[str, str], Path]] = []
    for index, parameter in enumerate(workflow.definition.parameters):
        places += [((one.title, one.input), ("parameters", index, "sets", n)) for n, one in enumerate(parameter.sets)]
    places += [((one.title, one.input), ("models", n)) for n, one in enumerate(workflow.definition.models)]
    counts = Counter(place for place, _ in places)
    first: set[tuple[str, str]] = set()
    for place, path in places:
        if counts[place] > 1 and place in first:
            yield Finding(document.address(path), "is set a second time here", node=place[0], input=place[1])
        first.add(place)


def _stages(workflow: Workflow, schemas: Schemas, document: Document, graph_address: str) -> Iterator[Finding]:
    """The order can only be held where `order` names, for each stage that the graph has, a node that carries it.

    A graph with one stage has no order to hold and may name it: SCAIL-2 draws alone, as a whole model of its own.
    """
    order = workflow.definition.order
    for index, stage in enumerate(order):
        if stage.title not in workflow.graph.titles:
            continue
        node_class = workflow.graph.node(stage.title)["class_type"]
        if node_class in schemas and (stage_of(node_class) or "wan") != stage.stage:
            message = f"`{node_class}` does not carry {stage.stage}"
            allowed = ", ".join(sorted(_CARRIERS.get(stage.stage, ()))) or "a node that draws"
            address = document.address(("order", index, "title"))
            yield Finding(address, message, node=stage.title, value=node_class, allowed=allowed)
    nodes = workflow.graph.prompt.values()
    carriers = {carried: title(node) for node in nodes if (carried := stage_of(node["class_type"]))}
    if len(carriers) > 1:
        for name in sorted(carriers.keys() - {one.stage for one in order}):
            message = f"carries {name}, which `order` does not name: nothing holds the order {', '.join(STAGES)}"
            hint = f"under `order:`  - {{stage: {name}, title: {carriers[name]}}}"
            yield Finding(graph_address, message, node=carriers[name], hint=hint)


def stage_of(node_class: str) -> StageName | None:
    """The stage of the chain that a node class carries."""
    carried = next((stage for stage, classes in _CARRIERS.items() if node_class in classes), None)
    return carried or ("wan" if node_class.startswith("Wan") and node_class.endswith("ToVideo") else None)


def _policy(workflow: Workflow, document: Document, phase: Phase) -> Iterator[Finding]:
    names = [parameter.name for parameter in workflow.definition.parameters]
    if DRAWS not in names:
        return
    defaults = workflow.defaults(phase.phase)
    for fault in phase.faults(defaults, frozenset(), ""):
        name = fault.address.rsplit("/", 1)[-1]
        index = names.index(name if name in names else "width")
        address = document.address(("parameters", index, "default"))
        hint = f"a batch has to set it, or to say `leave_policy: [{name}]`"
        yield Finding(address, f"default {fault.message}", "warning", value=defaults.get(name), hint=hint)


def _is_output(schemas: Schemas, name: str) -> bool:
    return name in schemas and schemas[name].is_output


def _at(
    document: Document,
    path: Path,
    message: str,
    target: Target,
    value: object = None,
    allowed: str = "",
    hint: str | None = None,
) -> Finding:
    return Finding(
        document.address(path), message, node=target.title, input=target.input, value=value, allowed=allowed, hint=hint
    )
