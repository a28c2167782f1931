"""The queue of prompts and the history of those that ran, as `/queue` and `/history` show them."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

HISTORY = 10_000
"""Entries kept [code 0.8.0]."""


@dataclass(frozen=True)
class Item:
    """One accepted prompt."""

    number: float
    prompt_id: str
    prompt: dict[str, Any]
    extra: dict[str, Any]
    outputs: tuple[str, ...]

    @property
    def client(self) -> str | None:
        """Who sent it, if it said so."""
        return self.extra.get("client_id")

    @property
    def row(self) -> list[Any]:
        """As the server writes it."""
        return [self.number, self.prompt_id, self.prompt, self.extra, list(self.outputs)]


class PromptQueue:
    """What waits, what runs, what ran. `changed` is called after each change of the length."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] = lambda: None
        self.running: Item | None = None
        self.history: dict[str, dict[str, Any]] = {}
        self._heap: list[tuple[float, int, Item]] = []
        self._tie = itertools.count()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._heap) + (self.running is not None)

    @property
    def pending(self) -> list[Item]:
        """What waits, in the heap's order, which is also the order that the real server shows."""
        return [item for _, _, item in self._heap]

    def put(self, item: Item) -> None:
        """Let a prompt wait; smaller numbers run first."""
        heapq.heappush(self._heap, (item.number, next(self._tie), item))
        self._wake.set()
        self.changed()

    async def next(self) -> Item:
        """The next prompt, now running; waits as long as there is none."""
        while not self._heap:
            self._wake.clear()
            await self._wake.wait()
        self.running = heapq.heappop(self._heap)[2]
        self.changed()
        return self.running

    def done(self, entry: dict[str, Any]) -> None:
        """The running prompt ended; `entry` is what its history says beside the prompt itself."""
        item = self.running
        if item is None:
            raise RuntimeError("no prompt runs")
        while len(self.history) >= HISTORY:
            del self.history[next(iter(self.history))]
        self.history[item.prompt_id] = {"prompt": item.row, **entry}
        self.running = None
        self.changed()

    def clear(self) -> None:
        """Drop all that waits."""
        self._heap.clear()
        self.changed()

    def delete(self, prompt_ids: Sequence[str]) -> None:
        """Drop some of what waits; unknown ids and the running one are left alone."""
        kept = [entry for entry in self._heap if entry[2].prompt_id not in prompt_ids]
        if len(kept) != len(self._heap):
            self._heap = kept
            heapq.heapify(self._heap)
            self.changed()
