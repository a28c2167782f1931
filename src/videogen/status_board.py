"""What a worker knows of itself: its entrypoint writes it, its agent reads it, and whatever must stop waits on it."""

import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from videogen import lease, process_tree
from videogen.boot_report import BootStep, ModelsProgress, WorkerStatus
from videogen.errors import Interrupted, NotReady, VideogenError
from videogen.lease import LeaseTerms, WorkerClock
from videogen.worker_sample import Peak, Sample

SAMPLES = 60
log = logging.getLogger(__name__)


class StatusBoard:
    """One worker's steps, state and lease; may be used from many threads.

    `stop` is set when the worker shall end: it was asked to, or it failed. What is logged carries its facts in `facts`.
    """

    def __init__(self, worker: str, manifest: str, terms: LeaseTerms, started: float) -> None:
        self.stop = threading.Event()
        self.error: VideogenError | None = None
        """Why it failed."""
        self.why: str | None = None
        """Why it ends, when it did not fail."""
        self.signalled = threading.Event()
        """A signal asked for the end."""
        self.hurry = threading.Event()
        """A second one did: nothing is worth a wait any more."""
        self.lived: Callable[[], float] = lambda: time.monotonic() - started
        """Seconds since the worker's first start; a container's later starts count from there, too."""
        self.keep_terms: Callable[[LeaseTerms], object] | None = None
        """Writes down what `renew` grants; nothing before the lease has begun."""
        self._worker, self._manifest, self._terms, self._started = worker, manifest, terms, started
        self._state: Literal["booting", "ready", "failed", "ending"] = "booting"
        self._steps = [BootStep(name="Python starts", began=0, seconds=time.monotonic() - started)]
        self._restarts: Counter[str] = Counter()
        self._looked: float | None = None
        self._answered: float | None = None
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._peak = Peak()
        self._models: ModelsProgress | None = None
        self._ready: float | None = None
        self._busy = False
        self._last_busy = started
        self._asked_to_end = threading.Event()
        self._writing = threading.RLock()

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Times a step; the callable says how far it is. An error in it is the worker's failure, and is raised on."""
        began = time.monotonic()
        with self._writing:
            place = len(self._steps)
            self._steps.append(BootStep(name=name, began=began - self._started))

        def detail(text: str) -> None:
            with self._writing:
                self._steps[place] = self._steps[place].model_copy(update={"detail": text})

        try:
            yield detail
        except VideogenError as error:
            self.fail(error)
            raise
        finally:
            with self._writing:
                seconds = time.monotonic() - began
                done = self._steps[place] = self._steps[place].model_copy(update={"seconds": seconds})
            facts = {"step": name, "began": round(done.began, 3), "seconds": round(seconds, 3)}
            self._log(f"{name}: {seconds:.2f} s", done.detail, **facts)

    def moved(self, models: ModelsProgress) -> None:
        """Notes how far the models are."""
        with self._writing:
            self._models = models

    def ready(self) -> None:
        """Opens the gate."""
        with self._writing:
            if not self.stop.is_set():
                self._state = "ready"
                self._looked = self._answered = time.monotonic()
                self._ready = self._ready or self._looked
                self._log("ready", state="ready")

    def restarting(self, name: str) -> None:
        """A program of the worker died and starts again; the gate is closed until `ready`."""
        with self._writing:
            self._restarts[name] += 1
            self._state = self._state if self.stop.is_set() else "booting"
            count = self._restarts[name]
            self._log(f"{name} died and was started again, {count} in all", restarted=name, restarts=count)

    def sampled(self, sample: Sample) -> None:
        """Keeps a sample, and forgets the oldest of many."""
        with self._writing:
            self._samples.append(sample)
            self._peak = self._peak.with_sample(sample)

    def queue(self, remaining: int | None) -> None:
        """Notes a look at ComfyUI: how many prompts run or wait; nothing when it did not say, which changes nothing."""
        with self._writing:
            self._looked = time.monotonic()
            self._answered = self._answered if remaining is None else self._looked
            self._busy = self._busy if remaining is None else remaining > 0
            self._last_busy = time.monotonic() if self._busy else self._last_busy

    def fail(self, error: VideogenError) -> None:
        """The worker cannot go on; the first reason stays, and what was asked to end does not fail any more."""
        with self._writing:
            if not self.stop.is_set():
                self._state, self.error = "failed", error
                self._log(f"failed: {error.message}", error.hint or "", state="failed", error=error.message)
                self.stop.set()

    def end(self, why: str) -> None:
        """The worker shall end in order."""
        with self._writing:
            if not self.stop.is_set():
                self._state, self.why = "ending", why
                self._log(f"ending: {why}", state="ending", why=why)
            self._asked_to_end.set()
            self.stop.set()

    def signal(self, name: str) -> None:
        """A signal asks for the end; the second one does not want to wait."""
        with self._writing:
            if self.signalled.is_set():
                self._log(f"{name} again: no more waiting", signal=name)
                self.hurry.set()
            self.signalled.set()
            self.end(name)

    def renew(self, terms: LeaseTerms) -> None:
        """Other terms hold from now on, counted from the worker's start."""
        with self._writing:
            self._terms = terms
            self._log(f"lease: {terms.total:g} minutes in all, {terms.idle:g} idle", lease=terms.model_dump())

    def linger(self, seconds: float) -> None:
        """Waits until somebody asks for the end, at most that long."""
        self._asked_to_end.wait(seconds)

    def check(self) -> None:
        """Raises `Interrupted` when the worker shall end, `NotReady` when it has no right to live any longer."""
        if self.stop.is_set():
            raise Interrupted("stopped")
        if why := self.over():
            raise NotReady(why, "see which step took so long; `boot` in the lease is the limit")

    def over(self) -> str | None:
        """Why the lease is over, or nothing."""
        return lease.over(self._terms, self._clock())

    def status(self) -> WorkerStatus:
        """All of it, at this moment."""
        with self._writing:
            clock = self._clock()
            return WorkerStatus(
                worker=self._worker,
                state=self._state,
                manifest=self._manifest,
                steps=tuple(self._steps),
                models=self._models,
                error=self.error.message if self.error else None,
                hint=self.error.hint if self.error else None,
                idle_seconds=clock.now - max(clock.ready, clock.last_busy) if clock.ready else 0,
                lease_seconds_left=max(0.0, self._terms.total * 60 - max(clock.lived, clock.now - clock.started)),
                comfyui_restarts=self._restarts["ComfyUI"],
                restarts={name: count for name, count in self._restarts.items() if name != "ComfyUI"},
                looked_seconds=clock.now - self._looked if self._looked else None,
                answered_seconds=clock.now - self._answered if self._answered else None,
                peak=self._peak,
                samples=tuple(self._samples),
            )

    def _clock(self) -> WorkerClock:
        return WorkerClock(time.monotonic(), self._started, self._ready, self._last_busy, self.lived())

    def _log(self, text: str, detail: str = "", **facts: object) -> None:
        line = f"{time.monotonic() - self._started:7.2f} s  {text}{', ' if detail else ''}{detail}"
        log.info("%s", line, extra={"facts": {"worker": self._worker, **facts, "detail": detail}})


def process_started() -> float:
    """When this process began, on the clock of `time.monotonic`; its own imports count.

    Where the system does not tell, the processor time so far stands for the time that has passed.
    """
    try:
        _, ticks = process_tree.facts("self")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        age = time.process_time()
    return time.monotonic() - max(0.0, age)
