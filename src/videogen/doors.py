"""What of a rented worker listens to the outside, gateway and sshd; a local worker has neither.

Their files, their logs and the gateway's secrets lie in folders of the machine's own disk that vanish with them: a
volume that is full or gone keeps no door shut.
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from videogen import gateway, ssh_server
from videogen.accounts import Accounts
from videogen.errors import ProcessError
from videogen.gateway import GatewaySettings
from videogen.process import bare_environment
from videogen.programs import Programs
from videogen.ssh_server import SshSettings
from videogen.status_board import StatusBoard
from videogen.worker_environment import WorkerEnvironment


def open_gateway(
    settings: WorkerEnvironment, who: Accounts, programs: Programs, board: StatusBoard, until: ExitStack
) -> GatewaySettings | None:
    """Opens it `until` the end of that; what it is, or nothing on a local worker."""
    if settings.gateway_port is None:
        return None
    with board.step("gateway"):
        gate = GatewaySettings(
            port=settings.gateway_port,
            comfyui_port=settings.comfyui_port,
            agent_port=settings.agent_port,
            token=settings.token,
            run=_run_folder("gateway", until),
            upload_limit_mb=settings.upload_limit_mb,
            certificate=settings.tls_certificate,
            key=settings.tls_key,
        )
        gateway.prepare(gate, who.gateway)
        _open("gateway", gateway.command(gate), gate.run, gate.port, who.gateway, programs, until)
    return gate


def open_sshd(
    settings: WorkerEnvironment, who: Accounts, programs: Programs, board: StatusBoard, until: ExitStack
) -> None:
    """Opens it `until` the end of that, its sessions included; where there is a gateway and somebody has a key."""
    if settings.gateway_port is None or not settings.ssh_public_keys:
        return
    with board.step("sshd") as say:
        if who.comfyui is None:
            raise ProcessError("sshd: only root can let people log in", "is it our image? else give no public keys")
        shell = SshSettings(
            port=settings.ssh_port,
            comfyui_port=settings.comfyui_port,
            agent_port=settings.agent_port,
            public_keys=settings.ssh_public_keys,
            run=_run_folder("sshd", until),
            user=who.comfyui,
        )
        say(ssh_server.prepare(shell))
        _open("sshd", ssh_server.command(shell), shell.run, shell.port, None, programs, until)


def _open(
    name: str, argv: Sequence[str], run: Path, port: int, user: str | None, programs: Programs, until: ExitStack
) -> None:
    environment = bare_environment()
    door = programs.start(name, argv, folder=run, environment=environment, log=run / "log", user=user)
    until.callback(programs.end, door)
    programs.wait_open(door, port)


def _run_folder(name: str, until: ExitStack) -> Path:
    """A folder that vanishes at the end; not in `/tmp`, since sshd trusts no key below a folder that all may write."""
    folder = "/run" if os.geteuid() == 0 else None
    return Path(until.enter_context(tempfile.TemporaryDirectory(prefix=f"videogen-{name}-", dir=folder)))
