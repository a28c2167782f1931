"""Serves a plugin to the engine; our own errors reach the user as they are, without a traceback."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import grpc
import grpc.aio
from pulumi.provider.experimental import provider as wire
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime.proto import provider_pb2_grpc
from typing_extensions import override

from videogen.errors import InputError, VideogenError

_ANY_SIZE = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]

_ENDING_SECONDS = 60.0


class _Servicer(ProviderServicer):
    @override
    async def Check(self, request: Any, context: Any) -> Any:
        return await _plainly(super().Check, request, context)

    @override
    async def Create(self, request: Any, context: Any) -> Any:
        return await _plainly(super().Create, request, context)

    @override
    async def Read(self, request: Any, context: Any) -> Any:
        return await _plainly(super().Read, request, context)

    @override
    async def Update(self, request: Any, context: Any) -> Any:
        return await _plainly(super().Update, request, context)

    @override
    async def Delete(self, request: Any, context: Any) -> Any:
        return await _plainly(super().Delete, request, context)


async def _plainly(method: Callable[[Any, Any], Awaitable[Any]], request: Any, context: Any) -> Any:
    try:
        return await method(request, context)
    except VideogenError as error:
        words = error.message if isinstance(error, InputError) or not error.hint else f"{error}\nhint: {error.hint}"
        return await context.abort(grpc.StatusCode.UNKNOWN, words)


async def serve(plugin: wire.Provider, engine_address: str, package: str = "videogen") -> None:
    """Serves on a port of loopback that the first line of stdout names, until the engine ends.

    The plugin has the version of the installed `package`.
    """
    server = grpc.aio.server(options=_ANY_SIZE)
    servicer = _Servicer([], version(package), plugin, engine_address=engine_address)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await _end_of_the_engine()
    # One that was killed can cancel nothing: a worker that boots for nobody must not stay.
    await plugin.cancel()
    await server.stop(grace=_ENDING_SECONDS)


async def _end_of_the_engine() -> None:
    """Returns when the engine asks this process to end, or is gone without a word."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    engine = os.getppid()
    while os.getppid() == engine and not over.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), timeout=0.2)
