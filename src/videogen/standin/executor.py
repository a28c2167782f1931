"""Runs prompts one after the other, as ComfyUI's worker does: events in its order, results kept between prompts."""

import asyncio
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from videogen.node_schema import Schemas
from videogen.standin.faults import Faults, StandinFault
from videogen.standin.folders import Folders
from videogen.standin.nodes import Workshop, identity
from videogen.standin.prompt_queue import Item, PromptQueue
from videogen.standin.renders import Renders
from videogen.standin.reporter import Reporter
from videogen.standin.scene import is_sampler, sampler_of, steps_of
from videogen.standin.sockets import Hub
from videogen.standin.walk import run_order, signatures

CRASHED = 70
"""Exit code of the `crash` fault."""

_NODE_FAULTS = (OSError, ValueError, RuntimeError, LookupError, ArithmeticError, MemoryError)
"""What a node may raise without ending the server."""

_OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.53 GiB. GPU 0 has a total capacity of 23.53 GiB.\n"
    "This error means you ran out of memory on your GPU.\n"
)
_CUDA_FAULT = "CUDA error: an illegal memory access was encountered\n"


class _Interrupted(Exception):
    """Somebody asked for the end of the running prompt."""


class _NodeFailed(Exception):
    """A node raised; `kind` is the exception's full name."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Stats:
    """Counters for tests: what ended how."""

    prompts: int = 0
    succeeded: int = 0
    cached: int = 0
    failed: int = 0
    interrupted: int = 0


class Executor:
    """The one worker of a server."""

    def __init__(
        self,
        queue: PromptQueue,
        hub: Hub,
        schemas: Schemas,
        folders: Folders,
        faults: Faults,
        renders: Renders,
        metadata: bool,
        keep: bool,
    ) -> None:
        self.stats = Stats()
        self.mute = False
        self._queue, self._hub, self._schemas, self._folders = queue, hub, schemas, folders
        self._faults, self._renders, self._metadata, self._keep = faults, renders, metadata, keep
        self._results: dict[str, dict[str, Any] | None] = {}
        self._stop = asyncio.Event()
        self._stop_thread = threading.Event()  # the same, for the thread that renders
        self._free = False

    async def work(self) -> None:
        """Run what comes, for ever."""
        while True:
            item = await self._queue.next()
            reporter = Reporter(self._hub, item)
            self._hub.running = item.client
            entry = await self._run(item, reporter)
            self._queue.done(entry)
            reporter.ended()
            self._hub.running = None
            self.mute = False
            if self._free:
                self.forget()

    def interrupt(self, prompt_id: str | None) -> None:
        """End the running prompt at its next step; None means whichever runs, a wrong id does nothing."""
        running = self._queue.running
        if running is not None and prompt_id in (None, running.prompt_id):
            self._stop.set()
            self._stop_thread.set()

    def forget(self) -> None:
        """Drop all kept results, now or when the running prompt is over."""
        self._free = self._queue.running is not None
        if not self._free:
            self._results.clear()
            self._renders.forget()

    async def _run(self, item: Item, reporter: Reporter) -> dict[str, Any]:
        self._stop.clear()
        self._stop_thread.clear()
        self.stats.prompts += 1
        reporter.message("execution_start")
        kept = signatures(item.prompt, item.outputs, lambda node: identity(self._folders, node))
        cached = [node for node in item.prompt if kept.get(node) in self._results]
        reporter.message("execution_cached", nodes=cached)
        order = run_order(item.prompt, item.outputs, cached, self._is_output(item))
        run = _Run(self, item, reporter, {} if set(order) <= set(cached) else self._faults.take(item.prompt))
        shown: dict[str, dict[str, Any]] = {}
        done: list[str] = []
        completed = False
        node = order[0]
        try:
            if "silent" in run.faults:
                self.mute = True
                await self._stop.wait()
                raise _Interrupted
            for node in order:
                if node in cached:
                    output = self._results[kept[node]]
                    if output is not None:
                        reporter.executed(node, output)
                    reporter.finished(node, 1)
                else:
                    reporter.executing(node)
                    output = await run.node(node)
                    if output is not None:
                        reporter.executed(node, output)
                    reporter.finished(node)
                    self._results[kept[node]] = output
                    done.append(node)
                if output is not None:
                    shown[node] = output
            reporter.message("execution_success")
            completed = True
            self.stats.succeeded += 1
            self.stats.cached += not done
        except _Interrupted:
            name = item.prompt[node]["class_type"]
            reporter.message("execution_interrupted", to_all=True, node_id=node, node_type=name, executed=done)
            self.stats.interrupted += 1
        except _NodeFailed as fault:
            reporter.message("execution_error", **_failure(item, node, done, fault))
            self.stats.failed += 1
        self._results = {key: value for key, value in self._results.items() if self._keep and key in kept.values()}
        meta = {key: {"node_id": key, "display_node": key, "parent_node": None, "real_node_id": key} for key in shown}
        status = {"status_str": "success" if completed else "error", "completed": completed}
        return {"outputs": shown, "status": {**status, "messages": reporter.messages}, "meta": meta}

    def _is_output(self, item: Item) -> Any:
        return lambda node: self._schemas[item.prompt[node]["class_type"]].is_output

    def workshop(self, item: Item, faults: Mapping[str, StandinFault]) -> Workshop:
        """The nodes of a prompt."""
        return Workshop(item, self._schemas, self._folders, self._renders, faults, self._metadata, self.check_stop)

    def check_stop(self) -> None:
        """Raise `_Interrupted` when somebody asked for it."""
        self.pause_thread(0)

    def pause_thread(self, seconds: float) -> None:
        """Wait in a thread of its own; raises `_Interrupted` as soon as somebody asked for it."""
        if self._stop_thread.wait(seconds):
            raise _Interrupted

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than until an interrupt; even 0 seconds let others have their turn."""
        if not seconds:
            await asyncio.sleep(0)
            return
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    def is_sampler(self, item: Item, node: str) -> bool:
        """Whether ComfyUI steps through this node."""
        return is_sampler(item.prompt, self._schemas, node)

    def steps(self, item: Item, node: str) -> int:
        """How many steps that sampler does."""
        return steps_of(item.prompt, self._schemas, node)

    def fed_by(self, item: Item, sampler: str) -> list[str]:
        """The outputs whose pixels this sampler makes."""
        return [output for output in item.outputs if sampler_of(item.prompt, self._schemas, output) == sampler]


class _Run:
    """The nodes of one prompt, with the faults that this prompt has."""

    def __init__(self, executor: Executor, item: Item, reporter: Reporter, faults: Mapping[str, StandinFault]) -> None:
        self.faults = faults
        self._executor, self._item, self._reporter = executor, item, reporter
        self._workshop = executor.workshop(item, faults)
        self._stepped = any(executor.is_sampler(item, node) for node in item.prompt)

    async def node(self, node: str) -> dict[str, Any] | None:
        """Do one node; raises `_Interrupted` or `_NodeFailed`."""
        self._executor.check_stop()
        try:
            if self._executor.is_sampler(self._item, node):
                await self._sample(node)
            elif not self._stepped:
                self._strike(node in self._item.outputs)
                await self._executor.pause(self._seconds)
                self._executor.check_stop()
            if self._blocks(node):
                return await asyncio.to_thread(self._workshop.run, node)
            return None
        except _NODE_FAULTS as fault:
            raise _NodeFailed(_full_name(fault), f"{fault}\n") from fault

    def _blocks(self, node: str) -> bool:
        """Whether the node has anything to do: most are only walked past, and a thread costs more than that."""
        name = self._item.prompt[node]["class_type"]
        return "Load" in name or node in self._item.outputs

    async def _sample(self, node: str) -> None:
        steps = self._executor.steps(self._item, node)
        fed = self._executor.fed_by(self._item, node)
        videos = [output for output in fed if self._item.prompt[output]["class_type"] == "SaveVideo"]
        self._strike(bool(fed) and not (videos and "crash" in self.faults))
        for output in videos:
            await asyncio.to_thread(self._draw, node, steps, output, asyncio.get_running_loop())
        for step in range(1, 1 + (0 if videos else steps)):
            await self._executor.pause(self._seconds)
            self._executor.check_stop()
            self._reporter.stepped(node, step, steps)

    def _draw(self, node: str, steps: int, output: str, loop: asyncio.AbstractEventLoop) -> None:
        """Render in this thread, telling frames as the sampler's steps."""
        told = 0

        def progress(done: int, length: int) -> None:
            nonlocal told
            while told < done * steps // length:
                self._executor.pause_thread(self._seconds)
                told += 1
                if 2 * told >= steps:
                    self._strike("crash" in self.faults)
                loop.call_soon_threadsafe(self._reporter.stepped, node, told, steps)
            self._executor.check_stop()

        self._workshop.render(output, progress)

    @property
    def _seconds(self) -> float:
        return self.faults["slow"].seconds if "slow" in self.faults else 0.0

    def _strike(self, here: bool) -> None:
        """Do the fault that ends a prompt, if this is the place."""
        if not here:
            return
        if "crash" in self.faults:
            os._exit(CRASHED)
        if "out_of_memory" in self.faults:
            raise _NodeFailed("torch.OutOfMemoryError", _OUT_OF_MEMORY)
        if "cuda_fault" in self.faults:
            raise _NodeFailed("torch.AcceleratorError", _CUDA_FAULT)


def _failure(item: Item, node: str, done: list[str], fault: _NodeFailed) -> dict[str, Any]:
    values = item.prompt[node]["inputs"].items()
    return {
        "node_id": node,
        "node_type": item.prompt[node]["class_type"],
        "executed": done,
        "exception_message": str(fault),
        "exception_type": fault.kind,
        "traceback": [f"  the stand-in says so at node {node}\n"],
        "current_inputs": {name: [value] for name, value in values if not isinstance(value, list)},
        "current_outputs": list(item.prompt),
    }


def _full_name(fault: BaseException) -> str:
    kind = type(fault)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
