"""The program that `pulumi-resource-videogen` starts: serves the resources of our plugin to one engine."""

import asyncio
import sys

from infra.provider import gpu_worker, local_store
from infra.provider.engine import Engine
from infra.provider.plugin import Plugin
from infra.provider.server import serve


async def _main() -> None:
    address = sys.argv[1]
    engine = Engine(address)
    plugin = Plugin({gpu_worker.TYPE: gpu_worker.Handler(), local_store.TYPE: local_store.Handler()}, engine)
    await serve(plugin, address)


if __name__ == "__main__":
    asyncio.run(_main())
