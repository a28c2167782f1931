"""A chain: a workflow whose steps are other workflows and post steps, and what it asks of each of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from videogen.definition import ChainStep, Definition, Parameter, SegmentRule, Value
from videogen.document import Document, did_you_mean
from videogen.errors import Fault, InputError
from videogen.graph import Graph
from videogen.phase import Phase
from videogen.post_steps import POSTS, STITCH
from videogen.workflow import Workflow

MOST_SEGMENTS = 400
"""Of one video; more is a slip of the keyboard rather than a wish."""


@dataclass(frozen=True)
class Piece:
    """One job of a chain before it is one: a step, or one segment of it."""

    step: str
    workflow: Workflow
    values: dict[str, Value]
    feeds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Parameter → the pieces that make its file, by their places in the list."""
    number: int = 1
    of: int = 1
    post: str = ""
    final: bool = True

    @property
    def label(self) -> str:
        """`draw 3/6`, or the step's name where it is done once; empty for a workflow that is no chain."""
        return f"{self.step} {self.number}/{self.of}" if self.of > 1 else self.step


@dataclass(frozen=True)
class Segment:
    """One piece of a long video: where it begins, and how many frames it has."""

    start: int
    length: int


def segments(frames: int, length: int, overlap: int, fits: Callable[[int], int]) -> list[Segment]:
    """Segments of `length` frames that cover `frames`, each with `overlap` in common with the one before.

    The last one is as short as `fits` lets it be, which gives the smallest allowed length that is not below its
    argument; so up to that much more than `frames` may come out. Raises `ValueError` where segments do not advance, or
    are too many.
    """
    if length <= overlap:
        raise ValueError(f"a segment of {length} frames is no longer than the {overlap} that two have in common")
    if frames - overlap > (length - overlap) * MOST_SEGMENTS:
        raise ValueError(f"{frames} frames would be more than {MOST_SEGMENTS} segments of {length}")
    found = [Segment(0, min(length, fits(frames)))]
    while (end := found[-1].start + found[-1].length) < frames:
        start = end - overlap
        found.append(Segment(start, min(length, fits(max(frames - start, overlap + 1)))))
    return found


def pieces(
    workflow: Workflow,
    values: Mapping[str, Value],
    phase: Phase,
    cuts: Mapping[str, Mapping[str, Value]] | None = None,
) -> list[Piece]:
    """What a workflow does for one set of its parameters' values: one piece, or those of all steps of a chain.

    The pieces stand in an order in which each comes after those that feed it. `cuts` goes over all other values: step →
    its parameters. Raises `ValueError` where segments do not advance, or are too many.
    """
    if not workflow.definition.chain:
        return [Piece("", workflow, dict(values))]
    made: list[Piece] = []
    places: dict[str, list[int]] = {}
    rules: dict[str, SegmentRule] = {}
    for step in workflow.definition.chain:
        inner = workflow.steps[step.step]
        own = {**_defaults(inner, phase), **step.values, **_set_by_chain(workflow, step, values)}
        followed = [source for source in step.feeds.values() if source in rules]
        rule = rules[followed[0]] if followed else None
        shares: list[dict[str, Value]] = [{}]
        if step.post == STITCH and rule is not None:
            own = {**own, **_of_rule(rule), **step.values, **_set_by_chain(workflow, step, values)}
        if step.repeat is not None and step.repeat.frames is not None:
            rule = inner.definition.segments
            assert rule is not None  # `parse_chain` saw to it
            own = {**own, **(cuts or {}).get(step.step, {})}
            shares = _shares(inner, rule, own, int(values[step.repeat.frames]))
        elif step.repeat is not None:
            shares = shares * len(places[followed[0]])
        if step.repeat is not None and rule is not None:
            rules[step.step] = rule
        places[step.step] = list(range(len(made), len(made) + len(shares)))
        for index, share in enumerate(shares):
            feeds = {name: _fed(step, places[source], index) for name, source in step.feeds.items()}
            if index and rule is not None and step.repeat is not None and step.repeat.previous:
                feeds[rule.previous] = (len(made) - 1,)
            taken = {name: value for name, value in {**own, **share}.items() if name not in feeds}
            final = step is workflow.definition.chain[-1]
            made.append(Piece(step.step, inner, taken, feeds, index + 1, len(shares), step.post or "", final))
    return made


def parse_chain(text: str, name: str, read: Callable[[str, str], Workflow]) -> Workflow:
    """The chain in the text of a `workflow.yaml` that has no graph beside it; raises `InputError` with every fault.

    `read` gives the workflow of a step by its name; it raises `InputError` at the address that it is given.
    """
    document = Document(text, name)
    definition = document.load(Definition)
    found: list[Fault] = []
    steps: dict[str, Workflow] = {}
    for index, step in enumerate(definition.chain):
        try:
            address = document.address(("chain", index, "workflow"))
            steps[step.step] = POSTS[step.post] if step.post else read(step.workflow or "", address)
        except InputError as error:
            found += error.faults
    found = found or list(_faults(definition, steps, document))
    if found:
        raise InputError(found)
    return Workflow(definition, Graph({}), steps)


def _defaults(workflow: Workflow, phase: Phase) -> dict[str, Value]:
    """Of all parameters that have one in this phase; a phase may say how long a segment is."""
    found = workflow.defaults(phase.phase)
    rule = workflow.definition.segments
    return {**found, rule.length: phase.segments} if rule is not None and phase.segments is not None else found


def _set_by_chain(workflow: Workflow, step: ChainStep, values: Mapping[str, Value]) -> dict[str, Value]:
    return {
        target.parameter: values[parameter.name]
        for parameter in workflow.definition.parameters
        for target in parameter.sets
        if target.step == step.step and parameter.name in values
    }


def _of_rule(rule: SegmentRule) -> dict[str, Value]:
    """What `stitch` does with the segments that the rule makes, where nobody says otherwise."""
    return {"overlap": rule.overlap, "colour": 1.0 if rule.colour_match else 0.0}


def _shares(workflow: Workflow, rule: SegmentRule, values: Mapping[str, Value], frames: int) -> list[dict[str, Value]]:
    """What differs from segment to segment."""
    cut = segments(frames, int(values[rule.length]), rule.overlap, workflow.parameter(rule.length).at_least)
    found: list[dict[str, Value]] = []
    for index, segment in enumerate(cut):
        share: dict[str, Value] = {rule.length: segment.length}
        if rule.start is not None:
            share[rule.start] = segment.start
        if rule.tail is not None and index:
            share[rule.tail] = cut[index - 1].length - rule.overlap
        found.append(share)
    return found


def _fed(step: ChainStep, places: list[int], index: int) -> tuple[int, ...]:
    """A repeated step takes the piece of its own number, or the only one; any other takes all."""
    return tuple(places) if step.repeat is None else (places[min(index, len(places) - 1)],)


def _faults(definition: Definition, steps: Mapping[str, Workflow], document: Document) -> Iterator[Fault]:
    for key, there in (("models", definition.models), ("outputs", definition.outputs), ("order", definition.order)):
        if there:
            yield document.fault((key,), "belongs to the workflows of the steps, not to the chain")
    if definition.segments is not None:
        yield document.fault(("segments",), "belongs to the workflow that draws, not to the chain")
    names = [step.step for step in definition.chain]
    for doubled in sorted({name for name in names if names.count(name) > 1}):
        yield document.fault(("chain",), f"step `{doubled}` stands twice")
    known = {parameter.name: parameter for parameter in definition.parameters}
    given = {(target.step, target.parameter) for one in definition.parameters for target in one.sets}
    yield from _wrong_targets(definition, steps, document)
    repeated: dict[str, str] = {}
    for index, step in enumerate(definition.chain):
        path = ("chain", index)
        inner = steps[step.step]
        if inner.definition.chain:
            yield document.fault((*path, "workflow"), f"`{step.workflow}` is a chain itself")
            continue
        yield from _wrong_feeds(step, inner, names[:index], repeated, document, path)
        yield from _wrong_repeat(step, inner, known, repeated, document, path)
        for name, value in step.values.items():
            if name not in inner.parameter_names:
                hint = did_you_mean(name, inner.parameter_names)
                yield document.fault((*path, "set", name), f"step `{step.step}` has no parameter `{name}`", hint)
            elif wrong := inner.parameter(name).fault(value):
                yield document.fault((*path, "set", name), *wrong)
        sourced = {*step.feeds, *step.values, *(name for where, name in given if where == step.step)}
        rule = inner.definition.segments
        optional = {rule.previous} if rule is not None else set()
        for parameter in inner.definition.parameters:
            if parameter.default is None and parameter.name not in sourced | optional:
                message = f"`{parameter.name}` of step `{step.step}` gets no value: {parameter.about}"
                yield document.fault(path, message, "`set`, `feeds`, or a parameter of the chain gives it one")
        used = {source for later in definition.chain[index + 1 :] for source in later.feeds.values()}
        if step is not definition.chain[-1] and step.step not in used:
            yield document.fault((*path, "step"), f"no later step takes what `{step.step}` makes")


def _wrong_targets(definition: Definition, steps: Mapping[str, Workflow], document: Document) -> Iterator[Fault]:
    counted = {step.repeat.frames for step in definition.chain if step.repeat is not None}
    for index, parameter in enumerate(definition.parameters):
        if not parameter.sets and parameter.name not in counted:
            yield document.fault(("parameters", index), f"`{parameter.name}` sets nothing, and no step repeats by it")
        for wrong in parameter.wrong_defaults():
            yield document.fault(("parameters", index, "default"), *wrong)
        for place, target in enumerate(parameter.sets):
            path = ("parameters", index, "sets", place)
            if target.step not in steps:
                yield document.fault((*path, "step"), f"no step `{target.step}`", did_you_mean(target.step, steps))
            elif target.parameter not in (inner := steps[target.step]).parameter_names:
                hint = did_you_mean(target.parameter, inner.parameter_names)
                message = f"step `{target.step}` has no parameter `{target.parameter}`"
                yield document.fault((*path, "parameter"), message, hint)
            elif inner.parameter(target.parameter).type != parameter.type:
                message = f"is {parameter.type}, `{target.parameter}` of step `{target.step}` is"
                yield document.fault((*path, "parameter"), f"{message} {inner.parameter(target.parameter).type}")


def _wrong_feeds(
    step: ChainStep,
    inner: Workflow,
    before: list[str],
    repeated: Mapping[str, str],
    document: Document,
    path: tuple[str | int, ...],
) -> Iterator[Fault]:
    for name, source in step.feeds.items():
        at = (*path, "feeds", name)
        if name not in inner.parameter_names:
            hint = did_you_mean(name, inner.parameter_names)
            yield document.fault(at, f"step `{step.step}` has no parameter `{name}`", hint)
        elif not inner.parameter(name).is_file:
            yield document.fault(at, f"`{name}` takes no file")
        if source not in before:
            yield document.fault(at, f"no earlier step `{source}`", did_you_mean(source, before))
        elif source in repeated and step.repeat is None and step.post != STITCH:
            yield document.fault(at, f"`{source}` makes several videos", "put a step `post: stitch` between")
    if step.post and "video" not in step.feeds:
        yield document.fault((*path, "feeds"), f"`{step.post}` needs `video`, the step whose video it takes")


def _wrong_repeat(
    step: ChainStep,
    inner: Workflow,
    known: Mapping[str, Parameter],
    repeated: dict[str, str],
    document: Document,
    path: tuple[str | int, ...],
) -> Iterator[Fault]:
    """Also notes in `repeated` which step's segments this one goes along."""
    if step.repeat is None:
        return
    sources = sorted({repeated[source] for source in step.feeds.values() if source in repeated})
    frames, at = step.repeat.frames, (*path, "repeat")
    if frames is None:
        if len(sources) != 1:
            message = "follows no repeated step" if not sources else f"follows {' and '.join(sources)} at once"
            yield document.fault(at, message, "`frames` names the parameter with the whole video's frames")
            return
        repeated[step.step] = sources[0]
        if step.repeat.previous:
            yield document.fault((*at, "previous"), "only a step with `frames` goes on from segment to segment")
        return
    repeated[step.step] = step.step
    if sources:
        yield document.fault((*at, "frames"), f"follows the segments of {sources[0]} already")
    if frames not in known:
        yield document.fault((*at, "frames"), f"the chain has no parameter `{frames}`", did_you_mean(frames, known))
    elif known[frames].type != "integer":
        yield document.fault((*at, "frames"), f"`{frames}` should be of type integer")
    if inner.definition.segments is None:
        yield document.fault(at, f"workflow {inner.name} has no `segments`, so it cannot be repeated over them")
