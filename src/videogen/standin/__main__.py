"""`python -m videogen.standin --port N …`: the stand-in as a process. SIGTERM and Ctrl-C end it cleanly, code 0."""

import asyncio
import logging
import os
import signal
import sys

from videogen.standin.faults import Faults, faults_of
from videogen.standin.options import Options, read_options
from videogen.standin.server import serving

log = logging.getLogger("standin")


def main() -> int:
    """Serve until told to stop; the exit code. A bad start-up ends as ComfyUI's does: an exception, code 1."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    options = read_options(sys.argv[1:])
    return asyncio.run(_serve(options, faults_of(os.environ)))


async def _serve(options: Options, faults: Faults) -> int:
    for fault in faults.take_named("slow_start"):
        await asyncio.sleep(fault.seconds)  # a signal ends it at once, as it does ComfyUI while that imports
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with serving(options, faults) as (address, work):
        log.info("This is a stand-in for ComfyUI: it draws, it does not generate.")
        log.info("To see the GUI go to: %s", address)
        told = asyncio.create_task(stop.wait())
        await asyncio.wait((told, work), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            told.cancel()
            work.result()
    return 0


if __name__ == "__main__":
    sys.exit(main())
