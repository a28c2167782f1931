"""The program that `pulumi-resource-videogen` starts: serves the resources of our plugin to one engine."""

import asyncio
import sys

from infra.provider import gpu_worker, local_folder, local_store, phase, runpod_login, runpod_template, runpod_volume
from infra.provider.engine import Engine
from infra.provider.plugin import Handler, Plugin
from infra.provider.server import serve


async def _main() -> None:
    address = sys.argv[1]
    engine = Engine(address)
    handlers: dict[str, Handler] = {
        gpu_worker.TYPE: gpu_worker.Handler(),
        local_folder.TYPE: local_folder.Handler(),
        local_store.TYPE: local_store.Handler(),
        phase.TYPE: phase.Handler(engine.note),
        runpod_login.TYPE: runpod_login.Handler(),
        runpod_template.TYPE: runpod_template.Handler(),
        runpod_volume.TYPE: runpod_volume.Handler(),
    }
    await serve(Plugin(handlers, engine), address)


if __name__ == "__main__":
    asyncio.run(_main())
