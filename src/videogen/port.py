"""Ports of loopback for servers on this machine."""

import secrets
import socket
import time
from collections.abc import Callable, Collection, Sequence

from videogen.errors import ProcessError

PORTS = range(20000, 30000)
"""Below the ports that systems take for outgoing connections, so that none of those comes in between."""


def free(names: Sequence[str], taken: Collection[int] = ()) -> dict[str, int]:
    """A free port for each name, none of those in `taken`; raises `ProcessError` when there is none."""
    found: dict[str, int] = {}
    for name in names:
        for _ in range(200):
            port = PORTS[secrets.randbelow(len(PORTS))]
            if port not in taken and port not in found.values() and is_free(port):
                found[name] = port
                break
        else:
            raise ProcessError(f"no free port on 127.0.0.1 from {PORTS.start} to {PORTS.stop - 1}")
    return found


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_open(port: int, deadline_seconds: float, alive: Callable[[], bool]) -> bool:
    """Whether somebody listens on the port before the deadline; gives up when `alive` says no."""
    until = time.monotonic() + deadline_seconds
    while alive():
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
    return False
