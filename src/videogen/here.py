"""One post step on this machine: in a thread, with progress, an end in time and an end on demand."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from videogen import post
from videogen.batch import Job
from videogen.disk import explained
from videogen.failure import AttemptFailed, Failure, FailureClass
from videogen.progress import Progress

_TOLD = 0.2
"""Seconds between two words of progress."""
_ENDS = 30
"""Seconds; a step looks after each frame whether it shall end."""


class Stopped(Exception):
    """The user's stop ended a step."""


async def done_here(
    job: Job,
    files: Mapping[str, Path],
    target: Path,
    seconds: float,
    heard: Callable[[Progress], None],
    stop: asyncio.Event,
    grace: float,
) -> float:
    """Makes `target` of the job's inputs, in order; how many seconds it took.

    After `stop` it has `grace` seconds to end by itself. Raises `Stopped` when it did not, and `AttemptFailed` when it
    cannot be done or takes longer than `seconds`. Nothing stays at `target` then.
    """
    loop, began = asyncio.get_running_loop(), time.monotonic()
    enough = threading.Event()
    last = 0.0

    def tell(done: int, of: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= _TOLD or done == of:
            last = now
            loop.call_soon_threadsafe(heard, Progress(job.post, done, of, min(done / of, 1.0) if of else 0.0))

    def work() -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        post.run(job.post, job.parameters, [files[one.sha256] for one in job.inputs], target, tell, enough)

    stopping = asyncio.create_task(stop.wait())
    working = asyncio.create_task(asyncio.to_thread(work))
    try:
        with explained(target):
            await asyncio.wait({working, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and stop.is_set():
                await asyncio.wait({working}, timeout=grace)
            if working.done():
                working.result()
                return time.monotonic() - began
    except post.CannotBeMade as error:
        raise AttemptFailed(Failure(FailureClass.NODE_ERROR, f"{job.post}: {error.message}", {})) from error
    finally:
        enough.set()
        stopping.cancel()
        await asyncio.wait({working}, timeout=_ENDS)
        if not working.done() or working.cancelled() or working.exception() is not None:
            await asyncio.to_thread(target.unlink, missing_ok=True)
    if stop.is_set():
        raise Stopped
    raise AttemptFailed(Failure(FailureClass.STALLED, f"{job.post} took longer than {seconds / 60:g} minutes", {}))
