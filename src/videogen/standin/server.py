"""The server: its parts put together, its one guard, its start and its end."""

import asyncio
import contextlib
import importlib
import ipaddress
import logging
import shutil
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from videogen.standin import object_info
from videogen.standin.executor import Executor
from videogen.standin.faults import Faults
from videogen.standin.files import Files
from videogen.standin.folders import Folders
from videogen.standin.options import Options
from videogen.standin.prompt_queue import PromptQueue
from videogen.standin.prompts import Prompts
from videogen.standin.renders import Renders
from videogen.standin.sockets import Hub
from videogen.standin.system import System, features

CLOSING = 2.0
"""Seconds that open requests get at the end."""

log = logging.getLogger("standin")


@contextlib.asynccontextmanager
async def serving(options: Options, faults: Faults) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    """A running server: (its address, the task that works; it only ends by a fault of the program).

    Raises what ComfyUI's start-up raises for a bad `extra_model_paths.yaml`, and `OSError` for a taken port.
    """
    folders = Folders.of(options)
    schemas = object_info.load(options.node_schemas)
    shutil.rmtree(folders.temp, ignore_errors=True)
    for folder in (folders.input, folders.output, folders.temp, options.user):
        folder.mkdir(parents=True, exist_ok=True)

    queue = PromptQueue()
    renders = Renders(folders.temp / "standin")
    hub = Hub(
        features(options),
        lambda: {"status": {"exec_info": {"queue_remaining": len(queue)}}},
        lambda: executor.mute or faults.has("silent"),
    )
    queue.changed = hub.status_changed
    executor = Executor(queue, hub, schemas, folders, faults, renders, options.metadata, options.cache)
    files = Files(folders)
    prompts = Prompts(queue, executor, schemas, folders)
    system = System(options, schemas, folders, executor, files, renders, faults)

    app = web.Application(client_max_size=options.max_upload, middlewares=[_guard(options.cors_origin)])
    shared = [*system.routes(), *prompts.routes(), *files.routes(), web.get("/ws", hub.handle)]
    app.add_routes([*shared, *prompts.job_routes(), *system.own_routes()])
    app.add_routes([web.route(route.method, f"/api{route.path}", route.handler) for route in shared])

    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING)
    await runner.setup()
    site = web.TCPSite(runner, options.listen, options.port)
    await site.start()
    port = runner.addresses[0][1]
    work = asyncio.create_task(_work(hub, executor))
    try:
        yield f"http://{options.listen}:{port}", work
    finally:
        executor.interrupt(None)
        work.cancel()
        await hub.close()
        await runner.cleanup()


async def _work(hub: Hub, executor: Executor) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hub.pump())
        tasks.create_task(executor.work())
        tasks.create_task(asyncio.to_thread(_warm_up))


def _warm_up() -> None:
    """Import the renderer while nobody waits for it; before the server listens it would cost half a second."""
    importlib.import_module("videogen.standin.pictures")


def _guard(cors: str | None) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if cors is None and _foreign(request.headers.get(hdrs.HOST), request.headers.get(hdrs.ORIGIN)):
            log.warning("refused a request from another origin: %s", request.path)
            return web.Response(status=403)
        try:
            response = web.Response() if request.method == hdrs.METH_OPTIONS else await handler(request)
        except web.HTTPNotFound:  # the real server looks for a file of its frontend, and has no words either
            response = web.Response(status=404)
        if cors is not None:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = cors
        return response

    return guard


def _foreign(host: str | None, origin: str | None) -> bool:
    """Whether a page of another site is asking a server on loopback [seen in 0.8.0]."""
    if not host or not origin:
        return False
    here, there = urlsplit(f"//{host}"), urlsplit(origin)
    if not here.hostname or not there.hostname or not _is_loopback(here.hostname):
        return False
    return here.hostname != there.hostname or (here.port is not None and here.port != there.port)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
