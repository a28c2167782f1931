"""RunPod's proxy: `/proxy/<pod>-<port>/…` reaches an HTTP port of a pod that runs; without a login of its own.

Its time limit of 100 seconds is for an answer's first byte, in real time. WebSockets pass, without that limit.
"""

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp import web
from yarl import URL

LIMIT = 100.0
HOP = {
    "connection",
    "content-length",
    "content-encoding",
    "keep-alive",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
"""Headers that belong to one of the two connections."""

Where = Callable[[str, int], int | None]
"""Pod's id and port of the container → port of loopback; nothing when nobody is there."""


class Proxy:
    """Streams both ways. `limit`: seconds."""

    def __init__(self, where: Where, limit: float = LIMIT) -> None:
        self._where, self.limit = where, limit
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Before its first request."""
        # an answer passes as it comes: neither unpacked nor cut off
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        )

    async def close(self) -> None:
        """After its last one."""
        if self._session:
            await self._session.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """502 for whoever is not there, 524 for whoever is silent too long."""
        assert self._session
        pod, _, inner = request.match_info["target"].rpartition("-")
        outer = self._where(pod, int(inner)) if inner.isdigit() else None
        if outer is None:
            return web.Response(status=502, text="Bad Gateway")
        rest = request.raw_path.removeprefix(f"/proxy/{pod}-{inner}") or "/"
        url = f"http://127.0.0.1:{outer}{rest if rest.startswith('/') else f'/{rest}'}"
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request, url.replace("http", "ws", 1), headers)
        return await self._stream(request, url, headers)

    async def _stream(self, request: web.Request, url: str, headers: dict[str, str]) -> web.StreamResponse:
        assert self._session
        size = request.headers.get("Content-Length")
        data = request.content if request.can_read_body else None
        headers |= {"Content-Length": size} if size and data is not None else {}
        try:
            async with asyncio.timeout(self.limit) as limit:
                call = self._session.request(
                    request.method, URL(url, encoded=True), headers=headers, data=data, allow_redirects=False
                )
                async with call as answer:
                    limit.reschedule(None)
                    return await self._pass(request, answer)
        except TimeoutError:
            return web.Response(status=524, text="A timeout occurred")
        except aiohttp.ClientConnectionError:
            return web.Response(status=502, text="Bad Gateway")

    @staticmethod
    async def _pass(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        kept = [
            (name, value) for name, value in answer.headers.items() if name.lower() not in HOP - {"content-encoding"}
        ]
        passed = web.StreamResponse(status=answer.status, reason=answer.reason)
        passed.headers.extend(kept)
        if "Content-Length" in answer.headers:
            passed.headers["Content-Length"] = answer.headers["Content-Length"]
        await passed.prepare(request)
        try:
            if request.method != "HEAD":
                async for chunk in answer.content.iter_any():
                    await passed.write(chunk)
            await passed.write_eof()
        except aiohttp.ClientPayloadError:  # it broke off there, so it does here
            assert request.transport
            request.transport.abort()
        return passed

    async def _socket(self, request: web.Request, url: str, headers: dict[str, str]) -> web.StreamResponse:
        assert self._session
        try:
            there = await self._session.ws_connect(URL(url, encoded=True), headers=headers, max_msg_size=0)
        except aiohttp.WSServerHandshakeError as error:
            return web.Response(status=error.status)
        except aiohttp.ClientConnectionError:
            return web.Response(status=502, text="Bad Gateway")
        here = web.WebSocketResponse(max_msg_size=0)
        try:
            await here.prepare(request)
            both = [asyncio.ensure_future(_copy(there, here)), asyncio.ensure_future(_copy(here, there))]
            _, left = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in left:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        finally:
            await there.close()
            await here.close()
        return here


Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


async def _copy(source: Socket, target: Socket) -> None:
    async for message in source:
        if message.type is aiohttp.WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await target.send_bytes(message.data)
