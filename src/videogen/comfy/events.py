"""What a worker's ComfyUI tells while it works: one socket that is opened again whenever it breaks.

Events may be missed while it is broken, and a socket may be open and say nothing; so they are news, not the truth.
After each opening comes an event `connected`: time to read the history again.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

CONNECTED = "connected"

_SLOWEST_RETRY = 5.0
_LARGEST = 64 * 2**20
"""Bytes of one message; a text output of a node travels whole."""


@dataclass(frozen=True)
class Event:
    """One message. `kind` is ComfyUI's word, or `connected`."""

    kind: str
    data: Mapping[str, Any]

    @property
    def prompt_id(self) -> str | None:
        """Whom it is about; nothing where the server does not say."""
        return self.data.get("prompt_id")


class Events:
    """The events of one client id; use it as a context, in which the socket stays open."""

    def __init__(self, url: str, headers: Mapping[str, str], first_word_seconds: float = 10.0) -> None:
        self._url = url
        self._headers = dict(headers)
        self._first_word = first_word_seconds
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._open = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._stay())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def opened(self, seconds: float) -> bool:
        """Waits until the server has said its first word; False when it does not within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._open.wait()
        except TimeoutError:
            return False
        return True

    async def next(self, seconds: float) -> Event | None:
        """The next event, or nothing after `seconds`."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                return await self._queue.get()
        except TimeoutError:
            return None

    def forget(self) -> None:
        """Drops what has come so far: it was about an earlier prompt."""
        while not self._queue.empty():
            self._queue.get_nowait()

    async def _stay(self) -> None:
        wait = 0.1
        while True:
            try:
                async with connect(
                    self._url,
                    additional_headers=self._headers,
                    open_timeout=self._first_word,
                    close_timeout=1,
                    max_size=_LARGEST,
                    proxy=None,
                ) as socket:
                    await self._greeting(socket)
                    wait = 0.1
                    async for message in socket:
                        self._take(message)
            except (OSError, WebSocketException, TimeoutError):
                pass  # the worker went away or restarts; whether it is lost is for those who ask it to say
            self._open.clear()
            await asyncio.sleep(wait)
            wait = min(wait * 2, _SLOWEST_RETRY)

    async def _greeting(self, socket: ClientConnection) -> None:
        """ComfyUI greets each client with its status; a socket that does not is dead, however open it looks."""
        async with asyncio.timeout(self._first_word):
            first = await socket.recv()
        self._open.set()
        self._queue.put_nowait(Event(CONNECTED, {}))
        self._take(first)

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            return  # a preview picture
        try:
            decoded = json.loads(message)
            event = Event(decoded["type"], decoded["data"])
        except (ValueError, KeyError, TypeError):
            return  # not ComfyUI's form: some node pack's own talk
        self._queue.put_nowait(event)
