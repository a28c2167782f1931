"""What the controller costs a job, against its peer: a bare httpx loop (POST /prompt, poll /history), same workers.

Two stand-ins that render in zero time, 50 jobs, connections and caches warm. The peer sends and waits, nothing more: no
ledger, no download, no check, no store. Given per job of one worker, that is, wall time × workers ÷ jobs.
"""

import asyncio
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.doubles.s3_server import S3Server
from tests.doubles.studio import Heard, plan, run, workers
from videogen.graph import Prompt
from videogen.runner import Waits

WORKERS, JOBS = 2, 50
POLL = 0.01


async def bare(urls: list[str], prompts: list[Prompt]) -> float:
    """Seconds for all prompts, each worker taking the next one."""
    left = list(prompts)

    async def work(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            await http.get("/system_stats")
            while left:
                prompt_id = str(uuid.uuid4())
                body = {"prompt": left.pop(), "client_id": "bare", "prompt_id": prompt_id}
                (await http.post("/prompt", json=body)).raise_for_status()
                while True:
                    if (await http.get(f"/history/{prompt_id}")).json():
                        break
                    await asyncio.sleep(POLL)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for url in urls:
            group.create_task(work(url))
    return time.perf_counter() - began


def ours(folder: Path, urls: list[str], s3: S3Server, seeds: range) -> float:
    """Seconds from the first job's start to the last one's end in the bucket."""
    moments: list[float] = []
    heard = Heard(react=lambda word: moments.append(time.perf_counter()) if word in ("started", "finished") else None)
    result = run(plan(folder, seeds), urls, s3.store(), heard, waits=Waits())
    assert result.done == len(seeds), result
    return moments[-1] - moments[0]


def main() -> None:
    """Prints milliseconds a job and the ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "s3").mkdir()
        with S3Server(folder / "s3") as s3, workers(folder, WORKERS, faults=[{"name": "instant"}]) as standins:
            urls = [one.url for one in standins]
            ours(folder / "warm", urls, s3, range(2 * WORKERS))
            prompts = [job.prompt for job in plan(folder, range(1000, 1000 + JOBS)).jobs]
            peer = asyncio.run(bare(urls, prompts)) * WORKERS / JOBS * 1000
            mine = ours(folder / "run", urls, s3, range(2000, 2000 + JOBS)) * WORKERS / JOBS * 1000
    print(f"bare httpx loop      {peer:6.1f} ms a job")
    print(f"videogen submit      {mine:6.1f} ms a job   (ratio {mine / peer:.2f})")
    print(f"controller overhead  {mine - peer:6.1f} ms a job   (aim: at most 50)")


if __name__ == "__main__":
    main()
