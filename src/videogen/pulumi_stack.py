"""Pulumi, as a program: what its state of a stack holds, and an `up` or `destroy` that runs.

What it says goes to a file, so that it neither stops nor loses a word when whoever started it is killed.
"""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from videogen import project, pulumi_backend, pulumi_command
from videogen.errors import VideogenError

WORKER = "videogen:index:GpuWorker"

_SECONDS = 60.0
_KILLED_SECONDS = 10.0
_OPTIONS = ("--yes", "--skip-preview", "--suppress-outputs", "--non-interactive", "--color=never")
_LOCKED = re.compile(r"currently locked by .*?: created by (\S+?)@(\S+) \(pid (\d+)\)", re.DOTALL)


@dataclass(frozen=True)
class StackState:
    """What a stack's state holds."""

    workers: Mapping[str, Mapping[str, Any]]
    """Name of each worker → its plain outputs."""
    ids: frozenset[str]
    """The clouds' own names of everything: volumes, pod templates."""
    backend: str = ""
    """Where it lies, as `videogen.pulumi_backend` says it; empty: not known."""


def state(stack: str, seconds: float = _SECONDS) -> StackState | None:
    """What Pulumi's state of a stack holds; nothing when its backend has no stack of that name.

    Raises `ToolMissing` without Pulumi, `VideogenError` when it fails or does not answer in time: unknown.
    """
    done = pulumi_command.ask(["stack", "export", "--stack", stack], seconds)
    if done.returncode != 0:
        if "no stack named" in done.stderr:
            return None
        raise VideogenError(
            f"pulumi cannot read the state of {stack}: {pulumi_command.fault(done.stderr)}", "which backend is it?"
        )
    try:
        resources = json.loads(done.stdout)["deployment"].get("resources", [])
        workers = {one["id"]: one.get("outputs", {}) for one in resources if one["type"] == WORKER}
        ids = frozenset(one["id"] for one in resources if one.get("id"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VideogenError(f"the state of {stack} is not one: {error!r}") from None
    return StackState(workers, ids, pulumi_backend.identity())


def unlock(stack: str) -> None:
    """Takes the lock away that a dead Pulumi left; ask `left_locked` before. Raises `VideogenError`."""
    done = pulumi_command.ask(["cancel", "--yes", "--stack", stack], _SECONDS)
    if done.returncode != 0:
        raise VideogenError(
            f"the lock of stack {stack} stays: {pulumi_command.fault(done.stderr)}", f"pulumi cancel --stack {stack}"
        )


def locked_by(said: str) -> str | None:
    """Who holds the lock that Pulumi complains about: `user@host (pid 17)`; nothing when it does not."""
    found = _LOCKED.search(said)
    return f"{found[1]}@{found[2]} (pid {found[3]})" if found else None


def left_locked(said: str) -> bool:
    """Whether Pulumi complains of a lock whose holder ran on this machine and does not any more."""
    found = _LOCKED.search(said)
    return found is not None and found[2] == socket.gethostname() and not Path(f"/proc/{found[3]}").exists()


def living_here(said: str) -> int | None:
    """The process of a Pulumi that holds the lock that Pulumi complains about, and runs on this machine."""
    found = _LOCKED.search(said)
    if found is None or found[2] != socket.gethostname():
        return None
    try:
        words = Path(f"/proc/{found[3]}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    return int(found[3]) if any(Path(os.fsdecode(word)).name == "pulumi" for word in words[:2]) else None


class Update:
    """`pulumi up` or `pulumi destroy` that was started, in a session of its own: no terminal's Ctrl-C reaches it."""

    def __init__(self, verb: Literal["up", "destroy"], stack: str, log: Path, environment: Mapping[str, str]) -> None:
        self.command = f"pulumi {verb} --stack {stack}"
        self._log = log
        self._began = self._read = log.stat().st_size if log.exists() else 0
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [pulumi_command.program(), verb, "--stack", stack, *_OPTIONS],
                cwd=project.root(),
                env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"} | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def code(self) -> int | None:
        """Its exit code; nothing while it runs."""
        return self._process.poll()

    def news(self) -> list[str]:
        """The whole lines that it has said since the last call."""
        with self._log.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1] if self.code() is None else data
        self._read += len(whole)
        return whole.decode(errors="replace").splitlines()

    def said(self) -> str:
        """All that it has said."""
        with self._log.open("rb") as file:
            file.seek(self._began)
            return file.read().decode(errors="replace")

    def interrupt(self) -> None:
        """Asks it to stop in order, as one Ctrl-C does: what it has just rented is ended by it."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Ends it and its plugins at once; its lock and what it rented are left behind."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_KILLED_SECONDS)

    def wait(self, seconds: float) -> bool:
        """Whether it ended within so many seconds."""
        deadline = time.monotonic() + seconds
        while self.code() is None and time.monotonic() < deadline:
            time.sleep(min(0.1, seconds))
        return self.code() is not None
