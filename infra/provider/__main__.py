"""The program that `pulumi-resource-videogen` starts: serves the resources of our plugin to one engine."""

import asyncio
import sys

from infra.provider import gpu_worker, local_folder, local_store
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
    }
    await serve(Plugin(handlers, engine), address)


if __name__ == "__main__":
    asyncio.run(_main())
