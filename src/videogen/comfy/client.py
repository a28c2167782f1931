"""ComfyUI over HTTP.

What may be asked twice is asked again until `patience_seconds` are over; then the worker counts as lost.
One answer may take `answer_seconds`: a model that loads can hold up the whole of ComfyUI for a while.
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from videogen.comfy.answers import HistoryEntry, Place, Queue, RemoteFile
from videogen.comfy.events import Events
from videogen.errors import WorkerLost, WorkerRefused
from videogen.graph import Prompt
from videogen.secret import Secret

_AWAY = (502, 503, 504)
"""What a gateway says while ComfyUI behind it is not there."""


@dataclass(frozen=True)
class Downloaded:
    """A file that arrived whole."""

    size: int
    sha256: str


class Comfy:
    """One worker's ComfyUI; use it as a context. Raises `WorkerLost` and `WorkerRefused`."""

    def __init__(
        self,
        url: str,
        token: Secret | None,
        transport: httpx.AsyncBaseTransport | None = None,
        patience_seconds: float = 20.0,
        answer_seconds: float = 30.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
        self._patience = patience_seconds
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=self._headers,
            transport=transport,
            timeout=httpx.Timeout(answer_seconds, connect=5),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def events(self, client_id: str, first_word_seconds: float = 10.0) -> Events:
        """The socket of a client id. ComfyUI sends a prompt's events only to the client that sent the prompt."""
        address = self.url.replace("http", "ws", 1)
        return Events(f"{address}/ws?clientId={client_id}", self._headers, first_word_seconds)

    async def upload(self, name: str, path: Path) -> bool:
        """Makes the file at `path` an input called `name`; False when it was there already.

        `name` must come from the content: equal names are taken for equal files, unless their sizes differ.
        """
        there = await self._ask("HEAD", "/view", params={"filename": name, "type": "input"}, accept=(404,))
        size = (await asyncio.to_thread(path.stat)).st_size
        if there.status_code == 200 and int(there.headers.get("content-length", -1)) == size:
            return False
        data = await asyncio.to_thread(path.read_bytes)
        form = {"type": "input", "overwrite": "true" if there.status_code == 200 else "false"}
        answer = await self._ask("POST", "/upload/image", data=form, files={"image": (name, data)})
        if self._json(answer).get("name") != name:
            # The server keeps another file of that name, left by an upload that broke off.
            await self._ask("POST", "/upload/image", data={**form, "overwrite": "true"}, files={"image": (name, data)})
        return True

    async def submit(self, prompt: Prompt, client_id: str, prompt_id: str) -> None:
        """Queues a prompt under an id of ours (a lower-case UUID).

        A POST whose answer got lost is not repeated blindly: the worker is asked whether it knows the id.
        Raises `WorkerRefused` also when only part of the graph would run, and `WorkerLost` at once when the worker's
        gateway says that it is leaving.
        """
        body = {"prompt": prompt, "client_id": client_id, "prompt_id": prompt_id}
        deadline = self._deadline()
        pause = 0.1
        while True:
            try:
                answer = await self._http.post("/prompt", json=body)
            except httpx.ConnectError as error:
                reason = _reason(error)
            except httpx.TransportError as error:
                reason = _reason(error)
                if await self.place(prompt_id) is not Place.UNKNOWN:
                    return
            else:
                if answer.status_code not in _AWAY:
                    break
                if self._json(answer).get("leaving"):
                    raise WorkerLost(f"{self.url}: is leaving and takes no more jobs")
                reason = f"HTTP {answer.status_code}"
            pause = await self._pause(deadline, pause, reason)
        parsed = self._json(answer)
        if answer.status_code != 200 or parsed.get("node_errors"):
            if answer.status_code == 200:
                await self.interrupt(prompt_id)
            raise WorkerRefused(f"{self.url}: refused the prompt", answer.status_code, parsed)

    async def history(self, prompt_id: str) -> HistoryEntry | None:
        """How a prompt ended; nothing while it has not, or when the server forgot it."""
        entries = self._json(await self._ask("GET", f"/history/{prompt_id}"))
        return HistoryEntry.of(prompt_id, entries[prompt_id]) if prompt_id in entries else None

    async def queue(self) -> Queue:
        """What runs and what waits."""
        return Queue.of(self._json(await self._ask("GET", "/queue")))

    async def place(self, prompt_id: str) -> Place:
        """Where a prompt is."""
        queue = await self.queue()
        if prompt_id in queue.running:
            return Place.RUNNING
        if prompt_id in queue.pending:
            return Place.PENDING
        # In this order, since prompts move from the queue to the history and never back.
        return Place.ENDED if await self.history(prompt_id) else Place.UNKNOWN

    async def interrupt(self, prompt_id: str) -> None:
        """Ends a prompt, running or waiting; takes effect at the next node or sampler step. No others are touched."""
        await self._ask("POST", "/queue", json={"delete": [prompt_id]})
        await self._ask("POST", "/interrupt", json={"prompt_id": prompt_id})

    async def free(self) -> None:
        """Unloads models and empties the cache of results before the next prompt."""
        await self._ask("POST", "/free", json={"unload_models": True, "free_memory": True})

    async def object_info(self) -> dict[str, Any]:
        """The node classes with their inputs, and in them the names of the model files."""
        return self._json(await self._ask("GET", "/object_info"))

    async def system_stats(self) -> dict[str, Any]:
        """Versions, devices, memory."""
        return self._json(await self._ask("GET", "/system_stats"))

    async def download(self, file: RemoteFile, target: Path) -> Downloaded:
        """Writes a worker's file to `target`; goes on where a broken transfer ended. Raises `WorkerRefused` on 404."""
        target.parent.mkdir(parents=True, exist_ok=True)
        deadline, pause = self._deadline(), 0.1
        with target.open("wb") as out:
            transfer = _Transfer(out.write, out.truncate, out.seek)
            while True:
                try:
                    if await self._receive(file, transfer):
                        return Downloaded(transfer.got, transfer.digest.hexdigest())
                    reason = f"ended after {transfer.got} of {transfer.total} bytes"
                except httpx.TransportError as error:
                    reason = _reason(error)
                if transfer.moved:
                    deadline, pause = self._deadline(), 0.1
                pause = await self._pause(deadline, pause, f"{file.filename}: {reason}")

    async def _receive(self, file: RemoteFile, transfer: "_Transfer") -> bool:
        headers = {"Accept-Encoding": "identity"}
        if transfer.got:
            headers["Range"] = f"bytes={transfer.got}-"
        transfer.moved = False
        async with self._http.stream("GET", "/view", params=file.query, headers=headers) as answer:
            if answer.status_code in _AWAY:
                return False
            if answer.status_code not in (200, 206):
                await answer.aread()
                raise self._refused(answer, f"/view of {file.filename}")
            if answer.status_code == 200:
                transfer.restart(int(answer.headers["content-length"]) if "content-length" in answer.headers else None)
            async for chunk in answer.aiter_raw():
                transfer.take(chunk)
        return transfer.total in (None, transfer.got)

    async def _ask(self, method: str, path: str, accept: tuple[int, ...] = (), **request: Any) -> httpx.Response:
        deadline, pause = self._deadline(), 0.1
        while True:
            try:
                answer = await self._http.request(method, path, **request)
            except httpx.TransportError as error:
                reason = _reason(error)
            else:
                if answer.status_code < 400 or answer.status_code in accept:
                    return answer
                if answer.status_code not in _AWAY:
                    raise self._refused(answer, path)
                reason = f"HTTP {answer.status_code}"
            pause = await self._pause(deadline, pause, reason)

    async def _pause(self, deadline: float, pause: float, reason: str) -> float:
        """Sleeps before the next try and gives the pause after it; raises `WorkerLost` when patience is over."""
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise WorkerLost(f"{self.url}: does not answer: {reason}")
        await asyncio.sleep(min(pause, left))
        return min(pause * 2, 2.0)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._patience

    def _refused(self, answer: httpx.Response, what: str) -> WorkerRefused:
        hint = "the worker's token is in the stack's outputs" if answer.status_code in (401, 403) else None
        message = f"{self.url}: {what}: HTTP {answer.status_code}"
        return WorkerRefused(message, answer.status_code, self._json(answer), hint)

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        """The body as an object; what is none is kept as the text of an error."""
        try:
            parsed = answer.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            parsed = None
        return parsed if isinstance(parsed, dict) else {"error": {"message": answer.text[:2000]}}


class _Transfer:
    """A file on its way."""

    def __init__(self, write: Any, truncate: Any, seek: Any) -> None:
        self._write, self._truncate, self._seek = write, truncate, seek
        self.digest = hashlib.sha256()
        self.got = 0
        self.total: int | None = None
        self.moved = False

    def restart(self, total: int | None) -> None:
        self._seek(0)
        self._truncate()
        self.digest, self.got, self.total = hashlib.sha256(), 0, total

    def take(self, chunk: bytes) -> None:
        self._write(chunk)
        self.digest.update(chunk)
        self.got += len(chunk)
        self.moved = True


def _reason(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__
