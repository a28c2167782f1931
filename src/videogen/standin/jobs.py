"""`/api/jobs`: queue and history in one form. An interrupted job counts as failed, as in 0.8.0."""

from collections.abc import Iterator, Mapping
from typing import Any

from videogen.standin.prompt_queue import Item, PromptQueue

STATES = ("pending", "in_progress", "completed", "failed")


def jobs(queue: PromptQueue, query: Mapping[str, str]) -> dict[str, Any]:
    """The answer to a list request with its `status`, `offset` and `limit`; newest first. Raises `ValueError`."""
    wanted = query["status"].split(",") if query.get("status") else list(STATES)
    if unknown := [word for word in wanted if word not in STATES]:
        raise ValueError(f"Invalid status value(s): {', '.join(unknown)}. Valid values: {', '.join(STATES)}")
    offset = int(query.get("offset", 0))
    limit = int(query["limit"]) if "limit" in query else None
    chosen = [job for job in _all(queue) if job["status"] in wanted]
    chosen.sort(key=lambda job: job["create_time"], reverse=True)
    page = chosen[offset : None if limit is None else offset + limit]
    more = offset + len(page) < len(chosen)
    return {
        "jobs": [_short(job) for job in page],
        "pagination": {"offset": offset, "limit": limit, "total": len(chosen), "has_more": more},
    }


def job(queue: PromptQueue, prompt_id: str) -> dict[str, Any] | None:
    """One job in full, or None."""
    return next((job for job in _all(queue) if job["id"] == prompt_id), None)


def _all(queue: PromptQueue) -> Iterator[dict[str, Any]]:
    yield from (_waiting(item, "pending") for item in queue.pending)
    if queue.running is not None:
        yield _waiting(queue.running, "in_progress")
    yield from (_ended(prompt_id, entry) for prompt_id, entry in queue.history.items())


def _waiting(item: Item, status: str) -> dict[str, Any]:
    return {
        "id": item.prompt_id,
        "status": status,
        "priority": item.number,
        "create_time": item.extra["create_time"],
        "outputs_count": 0,
        "workflow": {"prompt": item.prompt, "extra_data": item.extra},
    }


def _ended(prompt_id: str, entry: dict[str, Any]) -> dict[str, Any]:
    number, _, prompt, extra, _ = entry["prompt"]
    status = entry["status"]
    messages = dict(status["messages"])
    made = [
        {**file, "nodeId": node_id, "mediaType": kind}
        for node_id, output in entry["outputs"].items()
        for kind, files in output.items()
        for file in files
        if isinstance(file, dict)
    ]
    job = {
        "id": prompt_id,
        "status": "completed" if status["completed"] else "failed",
        "priority": number,
        "create_time": extra["create_time"],
        "execution_start_time": messages["execution_start"]["timestamp"],
        "execution_end_time": status["messages"][-1][1]["timestamp"],
        "outputs_count": len(made),
    }
    if "execution_error" in messages:
        job["execution_error"] = messages["execution_error"]
    if made:
        job["preview_output"] = made[0]
    details = {"outputs": entry["outputs"], "execution_status": status}
    return {**job, **details, "workflow": {"prompt": prompt, "extra_data": extra}}


def _short(job: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in job.items() if key not in ("outputs", "execution_status", "workflow")}
