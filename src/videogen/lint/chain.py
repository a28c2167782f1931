"""A chain against its steps: what a batch may set in it is what the steps take."""

from collections.abc import Iterator

from videogen.document import Document, did_you_mean
from videogen.lint.finding import Finding
from videogen.workflow import Parameter, Workflow


def chain_findings(chain: Workflow, document: Document) -> Iterator[Finding]:
    """Values that a parameter of the chain lets through and a step would refuse; `document` is the chain's own file."""
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
