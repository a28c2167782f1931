"""A job's graph, with every value in its place."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from videogen.graph import Prompt, link_of, title
from videogen.lint.finding import Finding, of_node
from videogen.node_schema import Schemas, strict_findings


def job_findings(
    prompt: Prompt, schemas: Schemas, options: Mapping[str, Sequence[str]] | None, address: str
) -> Iterator[Finding]:
    """What ComfyUI would refuse, ignore or do wrongly; `options` as for `node_schema.check`."""
    yield from (of_node(address, found) for found in strict_findings(prompt, schemas, options))
    for node in prompt.values():
        if node["class_type"] == "KSamplerAdvanced":
            yield from _steps(prompt, node, address)


def _steps(prompt: Prompt, node: dict[str, Any], address: str) -> Iterator[Finding]:
    """A sampler of some of the steps does at least one, and goes on where the one before it stopped."""
    inputs = node["inputs"]
    span = _span(inputs)
    if span is None:
        return
    start, end = span
    if start >= end:
        message = f"does no step: it starts at {start} and ends at {end} of {inputs['steps']}"
        allowed = f"below {end}"
        yield Finding(address, message, node=title(node), input="start_at_step", value=start, allowed=allowed)
    before = _before(prompt, inputs)
    if before is not None and (span := _span(before["inputs"])) is not None and span[1] != start:
        what = "skips" if start > span[1] else "repeats"
        message = f"starts at step {start}, but `{title(before)}` stops at {span[1]}: it {what} {abs(start - span[1])}"
        hint = f"nearest: {span[1]}"
        yield Finding(
            address, message, "warning", title(node), "start_at_step", value=start, allowed=str(span[1]), hint=hint
        )


def _before(prompt: Prompt, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The sampler whose unfinished latent this one takes."""
    link = link_of(inputs.get("latent_image"))
    node = prompt.get(link[0]) if link else None
    if node is None or node["class_type"] != "KSamplerAdvanced":
        return None
    return node if node["inputs"].get("return_with_leftover_noise") == "enable" else None


def _span(inputs: Mapping[str, Any]) -> tuple[int, int] | None:
    """First step and the one after the last."""
    numbers = [inputs.get(name) for name in ("start_at_step", "end_at_step", "steps")]
    if not all(isinstance(number, int) for number in numbers):
        return None
    start, end, steps = (int(str(number)) for number in numbers)
    return start, min(end, steps)
