"""What a change touches, from its paths alone: stacks to preview, foundations to bring up, queues to work off.

The pipelines' path filters say the same, and a test proves it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

EVERY_STACK = ("Pulumi.yaml", "infra/*", "src/videogen/*", "requirements.lock", "models_manifest.yaml")
"""What a stack is made of, beside its own file; `*` crosses folders."""
EVERY_RENTER = ("workflows/*",)
"""What only matters to workers."""
QUEUE = "batches/queue"
"""`batches/queue/<stack>/<name>.yaml` is a batch that shall be rendered on that stack."""


@dataclass(frozen=True)
class Stack:
    """A stack that costs money somewhere; those of this machine alone are none."""

    name: str
    rents: bool
    """It has workers, else it only lasts."""


@dataclass(frozen=True)
class Changed:
    """The decision; stacks are in the order of the checkout, foundations first."""

    lasting: tuple[str, ...]
    """Brought up by a merge."""
    renting: tuple[str, ...]
    """Previewed only: what is wished for there is rented by the next run, never by a merge."""
    queues: tuple[str, ...]
    """Stacks whose batches are run by a merge."""
    faults: tuple[str, ...]
    """What cannot be done, in words."""
    why: Mapping[str, tuple[str, ...]]
    """Stack → the paths that touch it."""

    @property
    def previews(self) -> bool:
        """Whether a pull request has something to tell."""
        return bool(self.renting) or self.merges

    @property
    def merges(self) -> bool:
        """Whether a merge has something to do."""
        return bool(self.lasting or self.queues or self.faults)


def changed(paths: Iterable[str], stacks: Sequence[Stack]) -> Changed:
    """What these paths, relative to the checkout, touch."""
    touched: dict[str, list[str]] = {}
    queues: list[str] = []
    faults: list[str] = []
    renters = {stack.name for stack in stacks if stack.rents}
    for path in sorted(set(paths)):
        queue = _queue(path)
        if queue is None:
            for name in _touched(path, stacks):
                touched.setdefault(name, []).append(path)
        elif queue in renters:
            queues.append(queue)
            touched.setdefault(queue, []).append(path)
        else:
            one_of = ", ".join(stack.name for stack in stacks if stack.rents)
            faults.append(f"{path}: no stack {queue} rents workers; one of: {one_of}")
    order = sorted(stacks, key=lambda stack: stack.rents)
    return Changed(
        tuple(stack.name for stack in order if stack.name in touched and not stack.rents),
        tuple(stack.name for stack in order if stack.name in touched and stack.rents),
        tuple(stack.name for stack in order if stack.name in queues),
        tuple(faults),
        {name: tuple(found) for name, found in touched.items()},
    )


def _touched(path: str, stacks: Sequence[Stack]) -> Iterator[str]:
    everywhere = any(fnmatchcase(path, pattern) for pattern in EVERY_STACK)
    on_workers = any(fnmatchcase(path, pattern) for pattern in EVERY_RENTER)
    for stack in stacks:
        if everywhere or (on_workers and stack.rents) or path == f"Pulumi.{stack.name}.yaml":
            yield stack.name


def _queue(path: str) -> str | None:
    """The stack whose queue a path lies in; nothing beside the queues' folders."""
    rest = path.removeprefix(f"{QUEUE}/")
    return rest.split("/")[0] if rest != path and "/" in rest else None
