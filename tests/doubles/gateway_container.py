"""A gateway with the image's own nginx, in a container on this machine's network, and how callers talk to it."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.doubles.docker_engine import Container, Start
from tests.doubles.standin_process import DEADLINE
from videogen import port
from videogen.gateway import GatewaySettings
from videogen.secret import Secret

TOKEN = "a-token-of-the-gateways-tests-0123456789abc"
RUN = "/run/videogen/gateway"
LIMIT_MB = 8
SLOW_SECONDS = 1
STRANGERS: list[dict[str, str]] = [
    {},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN.swapcase()}"},
    {"Authorization": f"Bearer {TOKEN.upper()}"},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": TOKEN},
    {"Cookie": f"videogen={TOKEN}"},
    {"Cookie": f"token={TOKEN}; videogen="},
    {"X-Login": "right"},
]
"""Headers of those who have no token, or have it in a wrong form or place."""

_RUNS_IT = """
import json, os, pathlib, pwd, sys
from videogen import gateway, process
from videogen.secret import Secret
given = json.loads(sys.argv[1])
paths = {name: pathlib.Path(given.pop(name)) for name in ("run", "certificate", "key") if name in given}
settings = gateway.GatewaySettings(token=Secret(os.environ["TOKEN"]), **paths, **given)
gateway.prepare(settings, user="gateway")
who = pwd.getpwnam("gateway")
os.setgroups([]); os.setgid(who.pw_gid); os.setuid(who.pw_uid)
argv = gateway.command(settings)
os.execve(argv[0], argv, process.bare_environment())
"""


@dataclass
class Door:
    """A running gateway."""

    url: str
    container: Container
    http: httpx.Client
    cookie: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}

    @property
    def session(self) -> dict[str, str]:
        return {"Cookie": f"videogen={self.cookie}"}

    def raw(self) -> socket.socket:
        """A connection without a client's manners."""
        return socket.create_connection(("127.0.0.1", urlsplit(self.url).port or 0), timeout=10)

    def say(self, request: str) -> str:
        """What comes back for these characters, until the gateway closes."""
        with self.raw() as connection:
            connection.sendall(request.encode())
            said = b""
            while part := connection.recv(65536):
                said += part
        return said.decode(errors="replace")

    def ws(self, path: str = "/ws") -> str:
        """The address of the socket."""
        return f"{self.url.replace('http', 'ws')}{path}"


def opened(start: Start, comfyui_port: int, agent_port: int, *, mounts: tuple[str, ...] = (), **more: Any) -> Door:
    """Starts a gateway before these two ports; `more` are further fields of its settings. Its client is the caller's."""
    public = port.free(["gateway"])["gateway"]
    given = {"port": public, "comfyui_port": comfyui_port, "agent_port": agent_port, "run": RUN}
    given |= {"upload_limit_mb": LIMIT_MB, "slow_client_seconds": SLOW_SECONDS} | more
    box = start.python(_RUNS_IT, given, port=public, environment={"TOKEN": TOKEN}, mounts=mounts)
    settings = GatewaySettings(public, comfyui_port, agent_port, Secret(TOKEN), Path(RUN))
    url = f"{'https' if 'certificate' in more else 'http'}://127.0.0.1:{public}"
    client = httpx.Client(base_url=url, timeout=DEADLINE, verify="certificate" not in more, trust_env=False)
    return Door(url, box, client, settings.cookie)
