"""A shell on the worker for whoever holds one of the keys: as one user, without passwords, without its secrets.

How to start it, as root: `fingerprint = prepare(settings)`, then run `command(settings)` with
`process.bare_environment()`, since sessions learn of it; run it again, without preparing, whenever it dies. It logs to
stderr and ends on SIGTERM; open sessions are its descendants, and outlive it unless they are ended, too.

That no secret is in reach is half the caller's work: a process of `user` must be started without any, because a login
may read its environment (`/proc/<pid>/environ`).
"""

import base64
import binascii
import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from videogen.errors import Fault, InputError, ProcessError, ToolMissing
from videogen.process import bare_environment
from videogen.project import template

VARIABLE = "VIDEOGEN_SSH_PUBLIC_KEYS"
PRIVILEGE_SEPARATION = Path("/run/sshd")
"""Debian's sshd starts only with this folder, which belongs to root."""

_SSHD = "/usr/sbin/sshd"  # sshd starts itself again for each connection, and wants a whole path for that
_SHORTEST_RSA_BYTES = 256
_SECONDS = 20.0
_KINDS = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)


@dataclass(frozen=True)
class SshSettings:
    """What one sshd needs; raises `InputError` with every public key that is none, by its line.

    `public_keys` has one a line, as in `~/.ssh/id_ed25519.pub`; empty lines and `#` comments are passed over.
    `run` is a folder of its own that every user may enter. Tunnels lead to the two ports of loopback and nowhere else.
    """

    port: int
    comfyui_port: int
    agent_port: int
    public_keys: str
    run: Path
    user: str = "comfy"

    def __post_init__(self) -> None:
        faults = [fault for number, line in _keys(self.public_keys) if (fault := _fault(number, line))]
        if not faults and not _keys(self.public_keys):
            faults.append(Fault(f"environment: {VARIABLE}", "holds no key"))
        if not 0 < self.port < 65536:
            faults.append(Fault("environment: VIDEOGEN_SSH_PORT", f"should be 1 to 65535, got {self.port}"))
        if faults:
            raise InputError(faults)

    @property
    def configuration(self) -> Path:
        """Where sshd's configuration lies."""
        return self.run / "sshd_config"

    @property
    def host_key(self) -> Path:
        """Where the private host key lies."""
        return self.run / "host_ed25519"


def files(settings: SshSettings) -> dict[Path, str]:
    """The files of the run folder and their text; none is a secret."""
    authorized_keys = settings.run / "authorized_keys"
    ports = (settings.comfyui_port, settings.agent_port)
    return {
        authorized_keys: "".join(f"{line}\n" for _, line in _keys(settings.public_keys)),
        settings.configuration: template("sshd_config.j2").render(
            settings=settings,
            host_key=settings.host_key,
            authorized_keys=authorized_keys,
            targets=[f"{host}:{port}" for port in ports for host in ("127.0.0.1", "localhost")],
        ),
    }


def command(settings: SshSettings) -> list[str]:
    """The command line that runs sshd in the foreground."""
    return [_SSHD, "-D", "-e", "-f", str(settings.configuration)]


def prepare(settings: SshSettings) -> str:
    """Makes the run folder with a new host key and has sshd check it; the host key's fingerprint, `SHA256:…`.

    Raises `ToolMissing` without sshd, and `ProcessError` with its words when it refuses.
    """
    if shutil.which(_SSHD) is None or shutil.which("ssh-keygen", path=bare_environment()["PATH"]) is None:
        raise ToolMissing("sshd is not installed", "it is part of the image")
    for folder in (settings.run, PRIVILEGE_SEPARATION):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder.chmod(0o755)
    for path, text in files(settings).items():
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)  # sshd reads the keys as the user who logs in
    public = settings.host_key.with_suffix(".pub")
    for old in (settings.host_key, public):
        old.unlink(missing_ok=True)
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(settings.host_key))
    _run(_SSHD, "-t", "-f", str(settings.configuration))
    digest = hashlib.sha256(base64.b64decode(public.read_text(encoding="utf-8").split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _run(*argv: str) -> None:
    try:
        subprocess.run(
            argv,
            env=bare_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"ssh: {argv[0]} did not end within {_SECONDS:g} s") from error
    except subprocess.CalledProcessError as error:
        raise ProcessError(f"ssh: {argv[0]} refuses: {error.stderr.strip()}") from error


def _keys(text: str) -> list[tuple[int, str]]:
    """The lines that should be keys, with their numbers from 1."""
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _fault(number: int, line: str) -> Fault | None:
    """What is wrong with a line, without quoting it: somebody may have pasted a private key."""

    def fault(message: str, hint: str | None = None) -> Fault:
        return Fault(f"environment: {VARIABLE}:{number}", message, hint)

    if "PRIVATE KEY" in line:
        return fault("is a private key", "keep it to yourself, make a new pair, and give the `.pub` file's line")
    if not line.isprintable():
        return fault("holds a character that no key has")
    kind, _, rest = line.partition(" ")
    if kind not in _KINDS:
        return fault(f"should start with a kind of key: {', '.join(_KINDS)}", "options before a key are not taken")
    try:
        blob = base64.b64decode((rest.split() or [""])[0], validate=True)
    except binascii.Error:
        return fault("is no public key: its second word is no base64")
    fields = _fields(blob)
    if not fields or fields[0] != kind.encode():
        return fault(f"is cut off, or no {kind} key")
    if kind == "ssh-rsa" and len(fields[-1].lstrip(b"\0")) < _SHORTEST_RSA_BYTES:
        return fault(f"is an RSA key of fewer than {_SHORTEST_RSA_BYTES * 8} bits", "`ssh-keygen -t ed25519`")
    return None


def _fields(blob: bytes) -> list[bytes]:
    """The strings that a key consists of, each after its length in four bytes; none when they do not fit."""
    found: list[bytes] = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            return []
        found.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return found
