"""How much of its GPU's memory a worker used lately, as its agent saw it."""

import httpx

from videogen.boot_report import WorkerStatus
from videogen.secret import Secret
from videogen.stack_outputs import Worker

_ANSWER_SECONDS = 3.0
_SLACK_SECONDS = 5.0
"""Between the end of a job and the agent's answer."""


async def gpu_peak(worker: Worker, token: Secret | None, seconds: float | None) -> int | None:
    """Bytes: the most in the agent's samples of the last `seconds`, or of all that it still has.

    Nothing where no agent answers or no GPU is seen: nobody's job depends on it.
    """
    headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
    try:
        async with httpx.AsyncClient(headers=headers, timeout=_ANSWER_SECONDS, trust_env=False) as http:
            answer = await http.get(f"{worker.agent.rstrip('/')}/status")
        answer.raise_for_status()
        samples = WorkerStatus.model_validate_json(answer.text).samples
    except (httpx.HTTPError, ValueError):
        return None
    since = samples[-1].at - seconds - _SLACK_SECONDS if samples and seconds is not None else 0
    return max((gpu.memory_used for one in samples if one.at >= since for gpu in one.gpus), default=None)
