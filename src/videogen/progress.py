"""How far a prompt is, from ComfyUI's events.

ComfyUI counts within one node only; here samplers weigh by their steps, so that two samplers and a decode make one bar.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from videogen.graph import Prompt, title

_STEP = 10
"""One sampler step against one other node; a guess that only bends the bar."""


@dataclass(frozen=True)
class Progress:
    """Where a prompt is: the node at work by its title, its step, and all of the prompt from 0 to 1."""

    node: str
    step: int
    steps: int
    """0 for a node that does not count steps."""
    fraction: float


class Tracker:
    """Follows one prompt."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._weights = {node_id: _weight(node["inputs"]) for node_id, node in prompt.items()}
        self._done: set[str] = set()
        self._now: str | None = None
        self._seen: tuple[str | None, int] = (None, -1)
        self.progress = Progress("", 0, 0, 0.0)

    def take(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Whether the event is news: a reconnect tells again what was told before, and that is none."""
        match kind:
            case "execution_start":
                return self._news(None, 0, 0)
            case "execution_cached":
                self._done |= set(data.get("nodes") or ())
                return False
            case "executing" | "progress":
                node = _own_node(data.get("node"))
                if node is None:
                    return False
                if self._now not in (None, node):
                    self._done.add(str(self._now))
                self._now = node
                return self._news(node, int(data.get("value", 0)), int(data.get("max", 0)))
            case _:
                return False

    def _news(self, node: str | None, step: int, steps: int) -> bool:
        if self._seen == (node, step) or (node == self._seen[0] and step < self._seen[1]):
            return False
        self._seen = (node, step)
        whole = sum(self._weights.values()) or 1
        done = sum(self._weights.get(one, 0) for one in self._done - {node or ""})
        part = self._weights.get(node or "", 0) * step / steps if steps else 0
        name = title(self._prompt[node]) if node in self._prompt else ""
        self.progress = Progress(name, step, steps, max(self.progress.fraction, min((done + part) / whole, 1.0)))
        return True


def _own_node(node: object) -> str | None:
    """A node that expands into others reports them as `12.0.1`."""
    return str(node).split(".", maxsplit=1)[0] if node is not None else None


def _weight(inputs: Mapping[str, Any]) -> float:
    steps = inputs.get("steps")
    if not isinstance(steps, int):
        return 1
    first, last = inputs.get("start_at_step", 0), inputs.get("end_at_step", steps)
    first = first if isinstance(first, int) else 0
    last = min(last, steps) if isinstance(last, int) else steps
    return 1 + _STEP * max(last - first, 0)
