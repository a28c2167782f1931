"""`/ws`: who is connected, and who hears what.

Events of a prompt go to the client that sent it; `status` goes to all. A reconnect hears again which node runs, but
nothing that it missed.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import ClientConnectionResetError, WSMsgType, web

GOODBYE = 1.0
"""Seconds that a client gets to answer a close."""

Snapshot = Callable[[], dict[str, Any]]


class Hub:
    """The open sockets. `running` and `node` say whose prompt runs and where it is."""

    def __init__(self, features: dict[str, Any], status: Snapshot, silent: Callable[[], bool]) -> None:
        self.running: str | None = None
        self.node: str | None = None
        self._features = features
        self._status = status
        self._silent = silent
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._outbox: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()

    def send(self, event: str, data: dict[str, Any], client: str | None = None) -> None:
        """Queue an event for one client, or for all; never blocks. Call it in the server's own loop."""
        self._outbox.put_nowait((json.dumps({"type": event, "data": data}), client))

    def status_changed(self) -> None:
        """Tell everybody how long the queue is now."""
        self.send("status", self._status())

    async def pump(self) -> None:
        """Deliver what is queued, in order, for ever."""
        while True:
            text, client = await self._outbox.get()
            targets = [client] if client is not None else list(self._sockets)
            for target in targets:
                if target in self._sockets and not self._silent():
                    await _deliver(self._sockets[target], text)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, until it ends."""
        socket = web.WebSocketResponse(timeout=GOODBYE)
        await socket.prepare(request)
        client = request.query.get("clientId") or uuid.uuid4().hex
        self._sockets[client] = socket
        try:
            if not self._silent():
                await self._greet(client, socket)
            first = True
            async for message in socket:
                if message.type is WSMsgType.TEXT and first and _wants_features(message.data) and not self._silent():
                    await _deliver(socket, json.dumps({"type": "feature_flags", "data": self._features}))
                first = False
        finally:
            if self._sockets.get(client) is socket:
                del self._sockets[client]
        return socket

    async def _greet(self, client: str, socket: web.WebSocketResponse) -> None:
        await _deliver(socket, json.dumps({"type": "status", "data": {**self._status(), "sid": client}}))
        if client == self.running and self.node is not None:
            await _deliver(socket, json.dumps({"type": "executing", "data": {"node": self.node}}))

    async def close(self) -> None:
        """Say goodbye to everybody."""
        closing = (socket.close(code=1001, message=b"server shutdown") for socket in self._sockets.values())
        await asyncio.gather(*closing)


async def _deliver(socket: web.WebSocketResponse, text: str) -> None:
    with contextlib.suppress(ClientConnectionResetError, ConnectionResetError):  # it left; its reader loop ends too
        await socket.send_str(text)


def _wants_features(text: str) -> bool:
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("type") == "feature_flags"
