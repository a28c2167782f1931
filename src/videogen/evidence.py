"""What is kept of a failed attempt beside its error: what was asked, where, and with how much memory."""

import asyncio
import contextlib
from dataclasses import asdict, replace
from typing import Any

from videogen.batch import Job
from videogen.errors import WorkerError
from videogen.failure import Failure
from videogen.runner import Runner

_SECONDS = 5.0
"""For the worker's memory: a ComfyUI in trouble must not hold up what is done about it."""
_MEMORY = ("vram_total", "vram_free", "torch_vram_total", "torch_vram_free")


async def witnessed(runner: Runner | None, job: Job, failure: Failure, reachable: bool, peak: int | None) -> Failure:
    """The failure of `job`, as it was tried, with everything that a record of it wants to know.

    `peak`: bytes of its GPU's memory at most, if anybody saw it. A worker that does not answer is not asked.
    """
    about: dict[str, Any] = {
        "graph": job.prompt,
        "parameters": job.parameters,
        "inputs": [asdict(file) for file in job.inputs],
        "models": job.models,
    }
    if runner is not None:
        worker = runner.worker
        about["worker"] = {"name": worker.name, "cloud": worker.cloud, "gpu": worker.gpu, **runner.versions}
        about["memory"] = {**(await _memory(runner) if reachable else {}), "gpu_peak": peak}
    return replace(failure, evidence={**about, **failure.evidence})


async def _memory(runner: Runner) -> dict[str, Any]:
    """Bytes, after the failure, as ComfyUI tells: of the machine, and of each of its devices."""
    with contextlib.suppress(WorkerError, TimeoutError):
        stats = await asyncio.wait_for(runner.comfy.system_stats(), _SECONDS)
        system = stats.get("system") or {}
        devices = [{key: one.get(key) for key in _MEMORY} for one in stats.get("devices") or []]
        return {"ram_total": system.get("ram_total"), "ram_free": system.get("ram_free"), "devices": devices}
    return {}
