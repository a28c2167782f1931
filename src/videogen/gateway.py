"""The worker's door: an nginx that lets nothing through to ComfyUI and the agent without the token.

How to start it, as root: `prepare(settings, user="gateway")`, then run `command(settings)` as that user with
`process.bare_environment()`, and run it again, without preparing, whenever it dies. It logs to stderr and ends on
SIGTERM.
"""

import hashlib
import hmac
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from videogen.closed_routes import CLOSED_ROUTES
from videogen.errors import Fault, InputError, ProcessError, ToolMissing
from videogen.process import bare_environment
from videogen.project import template
from videogen.secret import Secret

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,128}")
"""128 random bits or more, in letters that mean nothing in a header, a form, a regular expression or to nginx."""
_PATH = re.compile(r"/[A-Za-z0-9_./-]+")
_CHECK_SECONDS = 20.0


@dataclass(frozen=True)
class GatewaySettings:
    """What one gateway needs; raises `InputError` with every fault, and no fault shows the token.

    `run` is a folder of its own, on a disk that dies with the worker. With `certificate` and `key` (PEM files that the
    gateway's user may read) it speaks TLS; without, TLS is the business of whoever stands in front.
    `slow_client_seconds` is how long a header may take; a pause between two parts of a body may last four times that.
    `strangers_per_second` requests without the token are answered for each address, after a first burst of 200.
    """

    port: int
    comfyui_port: int
    agent_port: int
    token: Secret
    run: Path
    upload_limit_mb: int = 2048
    certificate: Path | None = None
    key: Path | None = None
    slow_client_seconds: int = 15
    strangers_per_second: int = 20

    def __post_init__(self) -> None:
        if faults := self._faults():
            raise InputError(faults)

    def _faults(self) -> list[Fault]:
        found: list[Fault] = []

        def refuse(variable: str, message: str, hint: str | None = None) -> None:
            found.append(Fault(f"environment: VIDEOGEN_{variable}", message, hint))

        if not _TOKEN.fullmatch(self.token.reveal()):
            hint = "`openssl rand -hex 32` makes one"
            refuse("TOKEN", "should be 22 to 128 letters, digits, `-` or `_`", hint)
        ports = {"GATEWAY_PORT": self.port, "COMFYUI_PORT": self.comfyui_port, "AGENT_PORT": self.agent_port}
        for variable, port in ports.items():
            if not 0 < port < 65536:
                refuse(variable, f"should be a port from 1 to 65535, got {port}")
        if len(set(ports.values())) < len(ports):
            refuse("GATEWAY_PORT", "gateway, ComfyUI and agent need a port each")
        if self.upload_limit_mb < 1:
            refuse("UPLOAD_LIMIT_MB", f"should be 1 or more, got {self.upload_limit_mb}")
        if (self.certificate is None) != (self.key is None):
            refuse("TLS_CERTIFICATE", "goes together with VIDEOGEN_TLS_KEY")
        for variable, path in (("TLS_CERTIFICATE", self.certificate), ("TLS_KEY", self.key), ("run folder", self.run)):
            if path is not None and not _PATH.fullmatch(str(path)):
                refuse(variable, f"should be an absolute path of plain letters, got {str(path)!r}")
        return found

    @property
    def configuration(self) -> Path:
        """Where nginx's configuration lies."""
        return self.run / "nginx.conf"

    @property
    def leaving(self) -> Path:
        """The file whose presence says that the worker takes no more prompts."""
        return self.run / "leaving"

    @property
    def cookie(self) -> str:
        """The value of the cookie that stands for the token: does not give the token away, and dies with it."""
        return hmac.new(self.token.reveal().encode(), b"videogen gateway cookie", hashlib.sha256).hexdigest()


def files(settings: GatewaySettings) -> dict[Path, str]:
    """The files of the run folder and their text; all are secrets of the gateway's user."""
    pages = settings.run / "pages"
    return {
        settings.configuration: template("nginx.conf.j2").render(
            settings=settings,
            token=settings.token.reveal(),
            socket=_socket(settings),
            pages=pages,
            closed_routes=CLOSED_ROUTES,
        ),
        pages / "login.html": template("login.html.j2").render(wrong=False),
        pages / "wrong.html": template("login.html.j2").render(wrong=True),
    }


def command(settings: GatewaySettings) -> list[str]:
    """The command line that runs the gateway in the foreground."""
    # a killed nginx leaves its socket behind, and the next one would refuse to start because of it
    start = 'rm -f "$0" && exec nginx -c "$1" -e stderr'
    return ["/bin/sh", "-c", start, str(_socket(settings)), str(settings.configuration)]


def check_command(settings: GatewaySettings) -> list[str]:
    """The command line that has nginx read its files and certificate, and run nothing."""
    return ["nginx", "-t", "-q", "-c", str(settings.configuration), "-e", "stderr"]


def refuse_jobs(settings: GatewaySettings) -> None:
    """From now on a running gateway takes no prompt; a new run folder takes them again."""
    settings.leaving.touch(0o644)


def prepare(settings: GatewaySettings, user: str | None = None) -> None:
    """Makes the run folder, readable by nobody but `user` (nothing: the caller), and has nginx check it.

    Raises `ToolMissing` without nginx, and `ProcessError` with nginx's words when it refuses.
    """
    if shutil.which("nginx", path=bare_environment()["PATH"]) is None:
        raise ToolMissing("nginx is not installed", "it is part of the image")
    for path, text in files(settings).items():
        for folder in (settings.run, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _give(folder, 0o700, user)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        _give(path, 0o600, user)
    try:
        checked = subprocess.run(
            check_command(settings),
            env=bare_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CHECK_SECONDS,
            check=False,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"gateway: nginx did not check its files within {_CHECK_SECONDS:g} s") from error
    if checked.returncode != 0:
        raise ProcessError(f"gateway: nginx refuses its files: {checked.stderr.strip()}")


def _socket(settings: GatewaySettings) -> Path:
    return settings.run / "login.sock"


def _give(path: Path, mode: int, user: str | None) -> None:
    path.chmod(mode)
    if user is not None:
        shutil.chown(path, user, user)
