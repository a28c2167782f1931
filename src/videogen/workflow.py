"""A workflow: a graph plus what may be set in it, which models it needs, and what must come before what.

`workflows/<name>/graph.json` is a plain API export; `workflow.yaml` beside it is `videogen.definition`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from videogen.definition import STAGES, Definition, Factor, ModelSlot, Parameter, SegmentRule, Value
from videogen.document import Document, did_you_mean
from videogen.errors import Fault, InputError
from videogen.graph import Graph, link_of, missing_title
from videogen.manifest import Manifest, Model, PhaseName, require
from videogen.rewiring import bypass, join, unbridged, without_loose


@dataclass(frozen=True)
class Workflow:
    """A definition that fits its graph."""

    definition: Definition
    graph: Graph
    """Empty for a chain and for a post step."""
    steps: Mapping[str, "Workflow"] = field(default_factory=dict)
    """The steps of a chain, by their names."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.definition.name

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name; raises `KeyError`."""
        for parameter in self.definition.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    @property
    def parts(self) -> tuple["Workflow", ...]:
        """What goes to ComfyUI: itself, or the steps of a chain."""
        return tuple(step for step in self.steps.values() if step.graph.titles) if self.steps else (self,)

    def doing(self, step: str) -> "Workflow":
        """The workflow of that step of a chain; itself where `step` is empty."""
        return self.steps[step] if step else self

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the models that it loads, each once; of a chain those of all steps."""
        return tuple(dict.fromkeys(slot.model for part in self.parts for slot in part.definition.models))

    def defaults(self, phase: PhaseName) -> dict[str, Value]:
        """Of all parameters that have one in that phase."""
        return {p.name: value for p in self.definition.parameters if (value := p.default_for(phase)) is not None}

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """All parameters' names."""
        return tuple(parameter.name for parameter in self.definition.parameters)

    def broken_rules(self, values: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
        """`(parameter, what is wrong, hint)` for each rule that a job's values break."""
        for rule in self.definition.rules:
            less, than = values.get(rule.less), values.get(rule.than)
            if isinstance(less, int | float) and isinstance(than, int | float) and less >= than:
                yield rule.less, f"{less:g} should be less than `{rule.than}`, which is {than:g}", rule.why

    def filled(
        self, values: Mapping[str, object], manifest: Manifest, chosen: Mapping[str, str] | None = None
    ) -> list[tuple[ModelSlot, Model | None]]:
        """Each slot with its model; nothing for an optional one that is empty or whose strength is 0.

        `chosen` puts other entries of the manifest into slots. Raises `InputError` for a model that is needed and that
        the manifest lacks.
        """
        found: list[tuple[ModelSlot, Model | None]] = []
        for index, slot in enumerate(self.definition.models):
            name = (chosen or {}).get(slot.model, slot.model)
            idle = slot.strength is not None and not values.get(slot.strength)
            if slot.optional and (idle or (name == slot.model and is_missing(name, manifest))):
                found.append((slot, None))
            else:
                address = f"workflows/{self.name}/workflow.yaml: models/{index}/model"
                found.append((slot, require(manifest, name, address)))
        return found

    def bind(self, values: Mapping[str, object], manifest: Manifest, chosen: Mapping[str, str] | None = None) -> Graph:
        """The graph with every parameter's value and every model's file name in its place.

        `values` holds each parameter's value as ComfyUI takes it (an input file's name on the server). Nodes of empty
        optional slots are taken out; with `segments`, so is what reads the segment before where `values` has none.
        Raises `InputError` for a model that the manifest lacks.
        """
        bound: dict[tuple[str, str], Any] = {}
        for name, value in values.items():
            for target in self.parameter(name).sets:
                bound[target.title, target.input] = value
        slots = self.filled(values, manifest, chosen)
        bound.update({(slot.title, slot.input): model.comfy_name for slot, model in slots if model is not None})
        graph = self._joined(self.graph.bind(bound), values)
        for slot, model in slots:
            if model is None:
                graph = bypass(graph, slot.title, slot.bridges)
        return graph

    def _joined(self, graph: Graph, values: Mapping[str, object]) -> Graph:
        rule = self.definition.segments
        if rule is None:
            return graph
        if rule.previous not in values:
            return without_loose(graph, [one.source for one in rule.joins])
        replaced = [graph.node(one.title)["inputs"].get(one.input) for one in rule.joins]
        loose = [graph.title_of(link[0]) for value in replaced if (link := link_of(value))]
        for one in rule.joins:
            graph = join(graph, one.title, one.input, one.source, one.output)
        return without_loose(graph, loose)


def is_missing(name: str, manifest: Manifest) -> bool:
    """Whether the manifest has no file for a slot: no entry of that name, or an empty one."""
    return name not in manifest.names or manifest.named(name).is_empty


def parse(text: str, name: str, graph: Graph) -> Workflow:
    """The workflow of `workflow.yaml`'s text and its graph; raises `InputError` with every fault."""
    document = Document(text, name)
    return fitted(document.load(Definition), document, graph)


def fitted(definition: Definition, document: Document, graph: Graph) -> Workflow:
    """The definition in `document` with its graph; raises `InputError` with everything in which they do not agree."""
    found = list(_against_graph(definition, graph, document))
    if found:
        raise InputError(found)
    return Workflow(definition, graph)


def _against_graph(definition: Definition, graph: Graph, document: Document) -> Iterator[Fault]:
    for index, parameter in enumerate(definition.parameters):
        for place, target in enumerate(parameter.sets):
            yield from _target(graph, target.title, target.input, document, ("parameters", index, "sets", place))
        if not parameter.sets:
            yield document.fault(("parameters", index), f"`{parameter.name}` sets nothing")
        for wrong in parameter.wrong_defaults():
            yield document.fault(("parameters", index, "default"), *wrong)
    for index, slot in enumerate(definition.models):
        yield from _target(graph, slot.title, slot.input, document, ("models", index))
        if slot.optional and slot.title in graph.titles:
            for sentence in unbridged(graph, slot.title, slot.bridges):
                yield document.fault(("models", index), sentence)
        if slot.strength is not None and slot.strength not in (known := [one.name for one in definition.parameters]):
            hint = did_you_mean(slot.strength, known)
            yield document.fault(("models", index, "strength"), f"no parameter `{slot.strength}`", hint)
    if definition.segments is not None:
        yield from _segments(definition, definition.segments, graph, document)
    missing = False
    for index, stage in enumerate(definition.order):
        if stage.title not in graph.titles:
            missing = True
            yield missing_title(graph, stage.title, document.address(("order", index, "title")))
    if not definition.outputs:
        yield document.fault(("outputs",), "needs at least 1 item")
    for index, output in enumerate(definition.outputs):
        if output.title not in graph.titles:
            yield missing_title(graph, output.title, document.address(("outputs", index, "title")))
    yield from _rules(definition, document)
    yield from _ladder(definition, document)
    names = [parameter.name for parameter in definition.parameters]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield document.fault(("parameters",), f"`{name}` stands twice")
    if not missing:
        stages = [(stage.stage, stage.title) for stage in definition.order]
        ranks = [STAGES.index(stage) for stage, _ in stages]
        if ranks != sorted(ranks):
            yield document.fault(("order",), f"the order is {', '.join(STAGES)}")
        for sentence in graph.out_of_order(stages):
            yield document.fault(("order",), sentence)


def _rules(definition: Definition, document: Document) -> Iterator[Fault]:
    known = [parameter.name for parameter in definition.parameters]
    for index, rule in enumerate(definition.rules):
        for key, name in (("less", rule.less), ("than", rule.than)):
            if name not in known:
                hint = did_you_mean(name, known)
                yield document.fault(("rules", index, key), f"no parameter `{name}`", hint)
    for phase in get_args(PhaseName):
        defaults = {one.name: one.default_for(phase) for one in definition.parameters}
        for name, message, why in Workflow(definition, Graph({})).broken_rules(defaults):
            path = ("parameters", known.index(name), "default")
            yield document.fault(path, f"in phase {phase}, {message}", why)


def _ladder(definition: Definition, document: Document) -> Iterator[Fault]:
    known = {parameter.name: parameter for parameter in definition.parameters}
    seen: set[str] = set()
    for index, rung in enumerate(definition.ladder):
        if rung.rung in seen:
            yield document.fault(("ladder", index, "rung"), f"`{rung.rung}` stands twice")
        seen.add(rung.rung)
        if not rung.values and not rung.flags:
            yield document.fault(("ladder", index), "changes nothing", "`set` or `flags` says what is cut")
        for name, change in rung.values.items():
            path = ("ladder", index, "set", name)
            if name not in known:
                yield document.fault(path, f"no parameter `{name}`", did_you_mean(name, known))
            elif isinstance(change, Factor):
                if known[name].type not in ("integer", "number"):
                    yield document.fault(path, f"is {known[name].type}, and only numbers have a factor")
            elif wrong := known[name].fault(change):
                yield document.fault(path, *wrong)


def _segments(definition: Definition, rule: SegmentRule, graph: Graph, document: Document) -> Iterator[Fault]:
    kinds = {parameter.name: parameter.type for parameter in definition.parameters}
    roles = (("length", rule.length, "integer"), ("previous", rule.previous, "video"))
    told = [(key, name, "integer") for key, name in (("start", rule.start), ("tail", rule.tail)) if name is not None]
    for key, name, kind in (*roles, *told):
        if name not in kinds:
            yield document.fault(("segments", key), f"no parameter `{name}`", did_you_mean(name, kinds))
        elif kinds[name] != kind:
            yield document.fault(("segments", key), f"`{name}` should be of type {kind}")
    for index, one in enumerate(rule.joins):
        for key, wanted in (("title", one.title), ("from", one.source)):
            if wanted not in graph.titles:
                yield missing_title(graph, wanted, document.address(("segments", "joins", index, key)))


def _target(graph: Graph, title: str, name: str, document: Document, path: tuple[str | int, ...]) -> Iterator[Fault]:
    if title not in graph.titles:
        yield missing_title(graph, title, document.address((*path, "title")))
    elif name not in (inputs := graph.node(title)["inputs"]):
        yield document.fault((*path, "input"), f"node `{title}` has no input `{name}`", did_you_mean(name, inputs))
