"""A chain against its steps: what a batch may set in it is what the steps take."""

from collections.abc import Iterator

from videogen.definition import STAGES, Parameter
from videogen.document import Document, did_you_mean
from videogen.lint.definition import stage_of
from videogen.lint.finding import Finding
from videogen.workflow import Workflow

_REORDER = "the step with the earlier stage first, on the original video"


def chain_findings(chain: Workflow, document: Document) -> Iterator[Finding]:
    """Values that a parameter of the chain lets through and a step would refuse, and stages in a wrong order.

    `document` is the chain's own file.
    """
    yield from _order(chain, document)
    for index, parameter in enumerate(chain.definition.parameters):
        for place, target in enumerate(parameter.sets):
            inner = chain.steps[target.step].parameter(target.parameter)
            path = ("parameters", index, "sets", place)
            where = f"`{target.parameter}` of step `{target.step}`"
            if (wider := _wider(parameter, inner)) is not None:
                message, hint = wider
                allowed = f"{inner.minimum} … {inner.maximum}"
                yield Finding(document.address(path), f"{message} {where} takes", allowed=allowed, hint=hint)
            for choice in parameter.choices:
                if inner.choices and choice not in inner.choices:
                    message = f"{choice!r} is none of the choices of {where}"
                    allowed, meant = ", ".join(inner.choices), did_you_mean(choice, inner.choices)
                    yield Finding(document.address(path), message, value=choice, allowed=allowed, hint=meant)


def _order(chain: Workflow, document: Document) -> Iterator[Finding]:
    """What an earlier step drew goes back to no stage before it: SCAIL, Uni3C, Wan is the order of a whole chain."""
    reached: dict[str, tuple[int, str]] = {}
    for index, step in enumerate(chain.definition.chain):
        nodes = chain.steps[step.step].graph.prompt.values()
        here = [(STAGES.index(stage), step.step) for node in nodes if (stage := stage_of(node["class_type"]))]
        before = [reached[source] for source in step.feeds.values() if source in reached]
        if here and before and max(before)[0] > min(here)[0]:
            late, early = max(before), min(here)
            path = ("chain", index, "feeds")
            message = (
                f"`{step.step}` carries {STAGES[early[0]]}, and is fed by what {STAGES[late[0]]} drew in `{late[1]}`"
            )
            yield Finding(document.address(path), message, allowed=" before ".join(STAGES), hint=_REORDER)
        if found := [*here, *before]:
            reached[step.step] = max(found)


def _wider(outer: Parameter, inner: Parameter) -> tuple[str, str] | None:
    """Why the outer one lets more through, and what would not."""
    if inner.minimum is not None and (outer.minimum is None or outer.minimum < inner.minimum):
        return "lets smaller values through than", f"minimum: {inner.minimum:g}"
    if inner.maximum is not None and (outer.maximum is None or outer.maximum > inner.maximum):
        return "lets larger values through than", f"maximum: {inner.maximum:g}"
    step = inner.multiple_of
    if step and ((outer.multiple_of or 1) % step or (outer.plus - inner.plus) % step):
        plus = f", plus: {inner.plus}" if inner.plus else ""
        return "lets values through between those that", f"multiple_of: {step}{plus}"
    return None
