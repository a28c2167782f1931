"""The comment under a pull request: what merging it will do, why, and the worst case in dollars. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

MARK = "<!-- video-gen: what a merge will do -->"
"""Finds the comment again, to change it in place."""
LONGEST = 60_000
"""Characters; GitHub takes 65,536."""
_PATHS = 6
_STEPS = 30


@dataclass(frozen=True)
class StackPreview:
    """What is known of a stack that a change touches."""

    name: str
    rents: bool
    why: tuple[str, ...]
    """Changed paths."""
    steps: tuple[tuple[str, str], ...] = ()
    """What Pulumi would do, and to what: `create`, `aws:s3/bucket:Bucket models`; nothing that stays as it is."""
    said: tuple[str, ...] = ()
    """What, why, at which price, in lines."""
    fault: str | None = None
    """Why it would fail."""
    unknown: str | None = None
    """Why Pulumi was not asked."""


@dataclass(frozen=True)
class BatchPreview:
    """A batch of a queue that a merge works off."""

    path: str
    stack: str
    jobs: int = 0
    open_jobs: int | None = None
    """Nothing: the bucket was not asked."""
    worst: Decimal = Decimal(0)
    """Rent and traffic of its run, in dollars, if it is run at all."""
    changed: bool = False
    fault: str | None = None
    doubt: str | None = None
    """Why it is not known what is open."""

    @property
    def runs(self) -> bool:
        """Whether anything of it may be open."""
        return not self.fault and self.open_jobs != 0


def comment(stacks: Sequence[StackPreview], batches: Sequence[BatchPreview], faults: Iterable[str]) -> str:
    """The whole text, in Markdown."""
    broken = [*faults]
    worst = sum((batch.worst for batch in batches if batch.runs), Decimal(0))
    running = [batch for batch in batches if batch.runs]
    lines = [MARK, "### What merging this will do", ""]
    if running:
        lines.append(f"**Worst case: ${worst}**, {_counted(len(running), 'run')}; each ends everything it rented.")
    else:
        lines.append("**Worst case: $0.00 of rent.** No batch is run, so nothing is rented.")
    for fault in broken:
        lines += ["", f"❌ {_plain(fault)}"]
    for batch in batches:
        lines += ["", *_batch(batch)]
    for stack in stacks:
        lines += ["", *_stack(stack)]
    text = "\n".join(lines) + "\n"
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit("\n", 1)[0] + "\n```\n\n… and more.\n"


def _batch(batch: BatchPreview) -> Iterator[str]:
    yield f"#### `videogen run` of {code(batch.path)} on {code(batch.stack)}"
    yield ""
    if batch.fault:
        yield from ("❌ It cannot be run:", "", *_fenced(batch.fault))
        return
    jobs = _counted(batch.jobs, "job")
    if batch.open_jobs == 0:
        yield f"{jobs}, all in the bucket: nothing is rented for it."
        return
    known = "" if batch.open_jobs is None else f", {batch.open_jobs} of them still open"
    why = "this change brings it" if batch.changed else "it waits in the same queue, and is run again if it is open"
    yield f"{jobs}{known}: at most ${batch.worst}. Why: {why}."
    if batch.doubt:
        yield f"What is open is not known: {_plain(batch.doubt)}."


def _stack(stack: StackPreview) -> Iterator[str]:
    what = "what is rented" if stack.rents else "what lasts"
    yield f"#### {code(stack.name)}, {what}"
    yield ""
    paths = ", ".join(code(path) for path in stack.why[:_PATHS])
    more = f" and {len(stack.why) - _PATHS} more" if len(stack.why) > _PATHS else ""
    yield f"Why: {paths}{more}." if stack.why else "Why: its queue."
    if stack.fault:
        yield from ("", "❌ It would fail:", "", *_fenced(stack.fault))
    if stack.unknown:
        yield from ("", _plain(stack.unknown))
    elif not stack.fault:
        when = "Its next run creates, and ends again" if stack.rents else "`pulumi up` at the merge"
        yield from ("", f"{when}: {_summary(stack.steps)}.")
        yield from (f"- {op} {code(what)}" for op, what in stack.steps[:_STEPS])
        if len(stack.steps) > _STEPS:
            yield f"- … {len(stack.steps) - _STEPS} more"
    if stack.said:
        yield from ("", *_fenced("\n".join(stack.said)))


def _summary(steps: Sequence[tuple[str, str]]) -> str:
    kinds = dict.fromkeys(op for op, _ in steps)
    return ", ".join(f"{sum(op == kind for op, _ in steps)} to {kind}" for kind in kinds) or "nothing changes"


def code(text: str) -> str:
    """A text as inline code: names of files are other people's words."""
    words = re.sub(r"[`\x00-\x1f\x7f]", " ", text).split()
    return f"`{' '.join(words)}`"


def _plain(text: str) -> str:
    """A sentence in which nothing is a link, a mention or a tag."""
    return re.sub(r"([<>\[\]`@*_#|\\])", r"\\\1", " ".join(text.split()))


def _fenced(text: str) -> Iterator[str]:
    yield "```text"
    yield from (line.replace("```", "'''") for line in text.strip().splitlines())
    yield "```"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
