"""The worker's own ComfyUI, as its entrypoint sees it: over loopback, before any gateway.

Uses the standard library's client, since importing a better one costs the boot a tenth of a second.
"""

import json
from collections.abc import Collection
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote

from videogen.errors import WorkerLost, WorkerRefused
from videogen.manifest import Manifest

_PROBE_SECONDS = 2.0
_ANSWER_SECONDS = 30.0
"""ComfyUI answers from the thread that also loads models."""


class LocalComfyui:
    """A ComfyUI on a port of this machine. Raises `WorkerLost` and `WorkerRefused` where it does not say otherwise."""

    def __init__(self, port: int) -> None:
        self.port = port

    def answers(self) -> bool:
        """Whether it serves requests now."""
        try:
            self._get("/system_stats", _PROBE_SECONDS)
        except (WorkerLost, WorkerRefused):
            return False
        return True

    def queue_remaining(self) -> int | None:
        """Prompts that run or wait; nothing when it does not say within two seconds."""
        try:
            return int(self._get("/prompt", _PROBE_SECONDS)["exec_info"]["queue_remaining"])
        except (WorkerLost, WorkerRefused, LookupError, TypeError, ValueError):
            return None

    def prompts(self) -> tuple[set[str], set[str]]:
        """Ids of the prompts that run, and of those that wait."""
        queue = self._get("/queue", _PROBE_SECONDS)
        try:
            running, waiting = ({str(one[1]) for one in queue[name]} for name in ("queue_running", "queue_pending"))
        except (LookupError, TypeError) as error:
            raise WorkerLost(f"ComfyUI: /queue: {error}") from error
        return running, waiting

    def drop(self, waiting: Collection[str]) -> None:
        """Takes prompts that wait out of the queue; one that runs meanwhile goes on."""
        if waiting:
            self._ask("POST", "/queue", _PROBE_SECONDS, json.dumps({"delete": sorted(waiting)}))

    def folder_paths(self) -> dict[str, list[str]]:
        """Folder key → the folders in which it looks, first one first."""
        answer: dict[str, list[str]] = self._get("/internal/folder_paths", _ANSWER_SECONDS)
        return answer

    def unlisted(self, manifest: Manifest) -> list[str]:
        """Which models of the manifest it does not list, as sentences; unpinned ones may be absent."""
        found: list[str] = []
        for folder in manifest.folders():
            listed = self._get(f"/models/{quote(folder)}", _ANSWER_SECONDS)
            found += [
                f"{folder}: ComfyUI does not list {model.comfy_name} (model {model.name})"
                for model in manifest.models
                if model.comfy_folder == folder and model.runnable and model.comfy_name not in listed
            ]
        return found

    def _get(self, path: str, seconds: float) -> Any:
        body = self._ask("GET", path, seconds)
        try:
            return json.loads(body)
        except ValueError as error:
            raise WorkerLost(f"ComfyUI: {path}: {error}") from error

    def _ask(self, method: str, path: str, seconds: float, body: str | None = None) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            data = answer.read()
            if answer.status != 200:
                said = data.decode(errors="replace")
                raise WorkerRefused(f"ComfyUI: {path}: HTTP {answer.status}", answer.status, said)
            return data
        except (OSError, HTTPException) as error:
            raise WorkerLost(f"ComfyUI: {path}: {error}") from error
        finally:
            connection.close()
