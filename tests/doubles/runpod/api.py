"""RunPod's REST v2 over an account: routes, keys, rate limits, and the faults that strike any call."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from tests.doubles.runpod.account import Account
from tests.doubles.runpod.faults import Call, Fault, FaultBook
from tests.doubles.runpod.problem import DETAILS, Problem
from tests.doubles.runpod.routes import Answer, Pager, Route

WINDOWS = {"minute": 60, "hour": 3600, "day": 86400}
PROBLEM = "application/problem+json"


class Api:
    """Whatever is asked under `/v2`."""

    def __init__(self, account: Account, key: str) -> None:
        self.account, self.key = account, key
        self.quota = {"minute": 100_000, "hour": 1_000_000, "day": 10_000_000}
        self.pager = Pager(account)
        self.calls: list[tuple[str, str, int]] = []
        """Every request so far: method, path, status (0: no answer)."""
        self.others: dict[str, Api] = {}
        """Key → another account."""
        self.closing = asyncio.Event()
        self._used: defaultdict[tuple[str, str, int], int] = defaultdict(int)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers any request under `/v2`."""
        if other := self.others.get(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return await other.handle(request)
        headers: dict[str, str] = {}
        try:
            with self.account.lock:
                caller = self._caller(request)
                headers |= self._rate(caller)
            fault, answer = await self._answer(request, caller)
            if fault:
                return await self._break(request, fault)
            assert answer
            status, said = answer
            kind = "application/json"
        except Problem as problem:
            status, said, kind = problem.status, problem.body(), PROBLEM
            headers |= problem.headers
        # by the clock after the call: what the answer proves was so at this moment
        headers["Date"] = format_datetime(self.account.clock(), usegmt=True)
        self._note(request, status)
        if status == 204:
            return web.Response(status=204, headers=headers)
        return web.Response(status=status, headers=headers, text=json.dumps(said), content_type=kind)

    async def _answer(self, request: web.Request, caller: str) -> tuple[Fault | None, Answer | None]:
        path = request.path.removeprefix("/v2").strip("/").split("/")
        raw = await request.read()
        with self.account.lock:
            route = Route(self.account, self.pager, request.method, path, dict(request.query), raw, caller)
            run = route.find()
            scope = route.scope()
            if fault := _general(self.account.faults, route.call, scope, done=False):
                return fault, None
            route.permit()
            answer = run()
            return _general(self.account.faults, route.call, scope, done=True), answer

    async def _break(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        """No answer at all, or a refusal."""
        if fault.kind == "refuse":
            extra = {"Retry-After": str(fault.retry_after)} if fault.status == 429 else {}
            detail = fault.detail or DETAILS.get(fault.status, "")
            raise Problem(fault.status, detail, headers=extra)
        self._note(request, 0)
        if fault.kind == "hold":
            with suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), fault.seconds or None)
        if request.transport:
            request.transport.abort()
        return web.Response()

    def _note(self, request: web.Request, status: int) -> None:
        self.calls.append((request.method, request.path, status))

    def _caller(self, request: web.Request) -> str:
        """`account`, or the id of the pod whose key it is."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key:
            raise Problem(401)
        if key == self.key:
            return "account"
        pod = self.account.pod_of_key(key)
        if pod is None:
            raise Problem(401, "invalid bearer token")
        return pod.id

    def _rate(self, caller: str) -> dict[str, str]:
        now = int(self.account.clock().timestamp())
        left, exceeded = [], None
        for window, seconds in WINDOWS.items():
            used = self._used[caller, window, now // seconds] = self._used[caller, window, now // seconds] + 1
            reset = seconds - now % seconds
            left.append(f'"{window}";r={max(self.quota[window] - used, 0)};t={reset}')
            if used > self.quota[window] and exceeded is None:
                exceeded = window, reset
        headers = {"RateLimit": ", ".join(left)}
        headers["RateLimit-Policy"] = ", ".join(f'"{name}";q={self.quota[name]};w={s}' for name, s in WINDOWS.items())
        if exceeded:
            detail = f"rate limit exceeded for the {exceeded[0]} window"
            raise Problem(429, detail, headers={**headers, "Retry-After": str(exceeded[1])})
        return headers


def _general(faults: FaultBook, call: Call, scope: Mapping[str, Any], *, done: bool) -> Fault | None:
    for kind in ("refuse", "hold", "drop"):
        if fault := faults.due(kind, call, done=done, **scope):
            return fault
    return None
