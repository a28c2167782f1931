"""One job on one worker: inputs up, prompt sent, followed to its end.

Events are news; what counts is the worker's history, which is read again after each reconnect and in between.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from videogen.batch import Job
from videogen.comfy import Comfy, Events, HistoryEntry, Place, versions
from videogen.comfy.events import CONNECTED
from videogen.errors import WorkerRefused
from videogen.failure import AttemptFailed, Failure, FailureClass, of_execution_error, of_refusal
from videogen.ledger import Ledger
from videogen.ledger_rows import AttemptRow, AttemptState
from videogen.progress import Progress, Tracker
from videogen.stack_outputs import Worker

_ENDINGS = ("execution_success", "execution_error", "execution_interrupted")


@dataclass(frozen=True)
class Waits:
    """How long to wait for what, in seconds."""

    lost: float = 20.0
    """A worker that does not answer is lost after this."""
    answer: float = 30.0
    """For one answer of ComfyUI: a model that loads can hold up its server."""
    poll: float = 5.0
    """Between two looks at the history while events come or do not."""
    first_word: float = 10.0
    """ComfyUI greets a new socket at once; one that does not is opened again."""
    interrupt: float = 30.0
    """An interrupt takes effect between sampler steps; a worker that does not heed it is given no more jobs."""
    grace: float = 10.0
    """After a stop: for what ends by itself."""


@dataclass(frozen=True)
class Limit:
    """How long one job may take, and how long it may be silent, in seconds."""

    whole: float
    silence: float


class Runner:
    """The steps of a job on one worker. Raises `AttemptFailed`, `WorkerLost` and `WorkerRefused`."""

    def __init__(
        self, worker: Worker, comfy: Comfy, events: Events, client_id: str, files: Mapping[str, Path], waits: Waits
    ) -> None:
        self.worker = worker
        self.comfy = comfy
        self.versions: dict[str, Any] = {}
        """What the worker says of itself, for records and evidence."""
        self._events = events
        self._client_id = client_id
        self._files = files
        self._waits = waits
        self._sent: set[str] = set()

    @property
    def software(self) -> str:
        """What decides beside the GPU how much memory a job needs; empty where the worker does not say it."""
        names = {"comfyui_version": "ComfyUI", "pytorch_version": "PyTorch"}
        return ", ".join(f"{name} {self.versions[key]}" for key, name in names.items() if key in self.versions)

    async def begin(self) -> None:
        """Learns what the worker is and opens the socket; one that stays silent is no reason to stop."""
        self.versions = versions(await self.comfy.system_stats())
        await self._events.opened(self._waits.first_word)

    def ready_for(self, job: Job) -> bool:
        """Whether the job's inputs went up to this worker already."""
        return all(file.name in self._sent for file in job.inputs)

    async def prepare(self, job: Job) -> None:
        """Makes the job's inputs lie on the worker."""
        for file in job.inputs:
            try:
                await self.comfy.upload(file.name, self._files[file.sha256])
            except WorkerRefused as error:
                if error.status in (401, 403):
                    raise
                failure = Failure(FailureClass.NODE_ERROR, f"{file.path} was refused: {error.message}", {})
                raise AttemptFailed(failure) from error
            self._sent.add(file.name)

    async def render(
        self,
        job: Job,
        attempt: AttemptRow,
        ledger: Ledger,
        limit: Limit,
        heard: Callable[[Progress], None],
        resumed: bool = False,
    ) -> HistoryEntry:
        """The prompt's successful end. With `resumed` the worker is asked first, and what it has is not sent again."""
        self._events.forget()
        if not (resumed and await self._reattach(attempt, ledger)):
            await self.prepare(job)
            try:
                await self.comfy.submit(job.prompt, self._client_id, attempt.prompt_id)
            except WorkerRefused as error:
                if error.status in (401, 403) or not isinstance(error.body, dict):
                    raise
                raise AttemptFailed(self._told(of_refusal(error.body))) from error
            ledger.submitted(attempt.prompt_id)
        entry = await self._followed(attempt.prompt_id, Tracker(job.prompt), limit, heard, ask_now=resumed)
        if entry.succeeded:
            return entry
        if error_event := entry.message("execution_error"):
            raise AttemptFailed(self._told(of_execution_error(error_event)))
        if interrupted := entry.message("execution_interrupted"):
            raise AttemptFailed(Failure(FailureClass.CANCELLED, "somebody interrupted it on the worker", interrupted))
        raise AttemptFailed(Failure(FailureClass.NODE_ERROR, "ended without success and without an error", {}))

    async def end(self, prompt_id: str) -> bool:
        """Interrupts a prompt; False when it still runs after the time that an interrupt may take."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._waits.interrupt
        await self.comfy.interrupt(prompt_id)
        pause = 0.05
        while await self.comfy.place(prompt_id) in (Place.RUNNING, Place.PENDING):
            if loop.time() > deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)
        return True

    async def _reattach(self, attempt: AttemptRow, ledger: Ledger) -> bool:
        """Whether the worker has the prompt; False means that it never got it."""
        known = await self.comfy.place(attempt.prompt_id) is not Place.UNKNOWN
        if attempt.state is AttemptState.LEASED:
            if known:
                ledger.submitted(attempt.prompt_id)
            return known
        if not known:
            raise AttemptFailed(_vanished())
        return True

    async def _followed(
        self, prompt_id: str, tracker: Tracker, limit: Limit, heard: Callable[[Progress], None], ask_now: bool
    ) -> HistoryEntry:
        clock = asyncio.get_running_loop().time
        started = last_news = clock()
        next_look = started if ask_now else started + self._waits.poll
        running = False
        while True:
            now = clock()
            if now - started > limit.whole:
                raise AttemptFailed(_too_long(f"took longer than the batch's limit of {limit.whole / 60:g} minutes"))
            if running and now - last_news > limit.silence:
                raise AttemptFailed(_too_long(f"nothing moved for {limit.silence / 60:g} minutes"))
            until = min(next_look, started + limit.whole, last_news + limit.silence if running else next_look)
            event = await self._events.next(until - now)
            if event is not None and event.prompt_id in (None, prompt_id):
                if event.kind in _ENDINGS or (event.kind == "executing" and event.data.get("node") is None):
                    # `execution_success` is sent just before the history is written, `executing: null` just after.
                    if entry := await self.comfy.history(prompt_id):
                        return entry
                elif event.kind == CONNECTED:
                    next_look = now
                elif tracker.take(event.kind, event.data):
                    running, last_news = True, clock()
                    heard(tracker.progress)
            if clock() >= next_look:
                next_look = clock() + self._waits.poll
                match await self.comfy.place(prompt_id):
                    case Place.ENDED:
                        if entry := await self.comfy.history(prompt_id):
                            return entry
                    case Place.UNKNOWN:
                        raise AttemptFailed(_vanished())
                    case Place.PENDING:
                        last_news = clock()  # behind another prompt: that is not its fault
                    case Place.RUNNING:
                        running = True

    def _told(self, failure: Failure) -> Failure:
        """The failure with what the worker is, since a failure's first question is: where?"""
        about = {"name": self.worker.name, "cloud": self.worker.cloud, "gpu": self.worker.gpu, **self.versions}
        return replace(failure, evidence={**failure.evidence, "worker": about})


def _vanished() -> Failure:
    return Failure(FailureClass.LOST_WORKER, "the worker does not know the prompt any more: was ComfyUI restarted?", {})


def _too_long(message: str) -> Failure:
    return Failure(FailureClass.STALLED, message, {})
