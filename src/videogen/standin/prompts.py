"""Routes about prompts: post one, look at the queue and the history, interrupt."""

import uuid
from typing import Any

from aiohttp import web

from videogen.node_schema import Refusal, Schemas, check
from videogen.standin.executor import Executor
from videogen.standin.folders import Folders
from videogen.standin.jobs import job, jobs
from videogen.standin.prompt_queue import Item, PromptQueue
from videogen.standin.reporter import now_ms


class Prompts:
    """Handlers; `number` is the next prompt's place in the queue."""

    def __init__(self, queue: PromptQueue, executor: Executor, schemas: Schemas, folders: Folders) -> None:
        self._queue, self._executor, self._schemas, self._folders = queue, executor, schemas, folders
        self._number = 0.0

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.get("/prompt", self._remaining),
            web.post("/prompt", self._post),
            web.get("/queue", self._show_queue),
            web.post("/queue", self._change_queue),
            web.post("/interrupt", self._interrupt),
            web.post("/free", self._free),
            web.get("/history", self._history),
            web.get("/history/{prompt_id}", self._one_history),
            web.post("/history", self._change_history),
        ]

    def job_routes(self) -> list[web.RouteDef]:
        """Those that exist under `/api` only."""
        return [web.get("/api/jobs", self._jobs), web.get("/api/jobs/{prompt_id}", self._one_job)]

    async def _remaining(self, _: web.Request) -> web.Response:
        return web.json_response({"exec_info": {"queue_remaining": len(self._queue)}})

    async def _post(self, request: web.Request) -> web.Response:
        # Text that is not JSON is a 500 there, so nothing catches it here.
        body = await request.json()
        number = float(body.get("number", self._number))
        if "number" not in body:
            number = -number if body.get("front") else number
            self._number += 1
        if "prompt" not in body:
            return _refusal("no_prompt", "No prompt provided", "No prompt provided")
        prompt_id = body.get("prompt_id", str(uuid.uuid4()))
        if not _canonical(prompt_id):
            return _refusal("invalid_prompt_id", "Invalid prompt_id", "should be a lower-case canonical UUID")
        prompt = body["prompt"]
        classes = {node.get("class_type") for node in prompt.values() if isinstance(node, dict)}
        choices = self._folders.choices((name for name in classes if isinstance(name, str)), self._schemas)
        verdict = check(prompt, self._schemas, choices)
        if isinstance(verdict, Refusal):
            return web.json_response(verdict.body, status=400)
        extra = dict(body.get("extra_data") or {})
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        extra["create_time"] = now_ms()
        shown = int(number) if number.is_integer() else number
        self._queue.put(Item(shown, prompt_id, verdict.prompt, extra, verdict.outputs))
        return web.json_response({"prompt_id": prompt_id, "number": shown, "node_errors": verdict.node_errors})

    async def _show_queue(self, _: web.Request) -> web.Response:
        running = self._queue.running
        rows = {
            "queue_running": [running.row] if running else [],
            "queue_pending": [item.row for item in self._queue.pending],
        }
        return web.json_response(rows)

    async def _change_queue(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            self._queue.clear()
        self._queue.delete(body.get("delete") or ())
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except ValueError:  # an empty body means whatever runs
            body = {}
        self._executor.interrupt(body.get("prompt_id"))
        return web.Response()

    async def _free(self, request: web.Request) -> web.Response:
        if (await request.json()).get("free_memory"):
            self._executor.forget()
        return web.Response()

    async def _history(self, request: web.Request) -> web.Response:
        entries = list(self._queue.history.items())
        most = int(request.query.get("max_items", len(entries)))
        first = int(request.query.get("offset", -1))
        first = max(0, len(entries) - most) if first < 0 else first
        return web.json_response(dict(entries[first : first + most]))

    async def _one_history(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["prompt_id"]
        history = self._queue.history
        return web.json_response({prompt_id: history[prompt_id]} if prompt_id in history else {})

    async def _change_history(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            self._queue.history.clear()
        for prompt_id in body.get("delete") or ():
            self._queue.history.pop(prompt_id, None)
        return web.Response()

    async def _jobs(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(jobs(self._queue, request.query))
        except ValueError as fault:
            return web.json_response({"error": str(fault)}, status=400)

    async def _one_job(self, request: web.Request) -> web.Response:
        found = job(self._queue, request.match_info["prompt_id"])
        return web.json_response(found) if found else web.json_response({"error": "Job not found"}, status=404)


def _refusal(kind: str, message: str, details: str) -> web.Response:
    error: dict[str, Any] = {"type": kind, "message": message, "details": details, "extra_info": {}}
    return web.json_response({"error": error, "node_errors": {}}, status=400)


def _canonical(prompt_id: Any) -> bool:
    try:
        return isinstance(prompt_id, str) and str(uuid.UUID(prompt_id)) == prompt_id
    except ValueError:
        return False
