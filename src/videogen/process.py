"""Processes that outlive whoever started them: found again by anybody, ended for certain.

Each has a folder of its own:

    process.json   what was meant to run; there before the process is
    lock           held by the process and its children from before they exist until the last one is gone
    pid            of the process, which leads a session and a process group of its own
    log            what it says

Alive means: somebody holds the lock. So a starter that dies before the spawn leaves a dead record, one that dies after
it a live one, and a process number that the system gives to a stranger fools nobody.
"""

import fcntl
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from videogen.document import Schema
from videogen.errors import ProcessError

LOCK_VARIABLE = "VIDEOGEN_LOCK_FD"
"""Tells a process which descriptor is the lock, so that it can hand it on to its own children."""

LOGS_KEPT = 200
"""So many logs of ended processes stay in a folder; each one more takes the place of the oldest."""

_WRITE_PID_THEN_RUN = 'echo $$ >"$0" && exec "$@"'

_children: list[subprocess.Popen[bytes]] = []


class ProcessRecord(Schema):
    """What was started."""

    name: str
    argv: tuple[str, ...]
    started: datetime
    ports: dict[str, int]
    about: dict[str, str]


@dataclass(frozen=True)
class Process:
    """A process that was started, alive or not."""

    folder: Path
    record: ProcessRecord

    @property
    def name(self) -> str:
        """Unique in its home."""
        return self.record.name

    @property
    def log(self) -> Path:
        """Everything it wrote to stdout and stderr."""
        return self.folder / "log"

    @property
    def alive(self) -> bool:
        """Whether it or a child of it still runs."""
        _reap()
        with suppress(FileNotFoundError), (self.folder / "lock").open("rb") as lock:
            try:
                # shared: two who look at the same time do not take each other for the process
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @property
    def leader_alive(self) -> bool:
        """Whether the process itself still runs; `False` with `alive` means that only children of it are left."""
        pid = self._pid()
        if not self.alive:
            return False
        if pid is None:
            return True
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _pid(self) -> int | None:
        try:
            return int((self.folder / "pid").read_text() or "0") or None
        except FileNotFoundError:
            return None

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 65536))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def end(self, grace_seconds: float, deadline_seconds: float = 30.0) -> None:
        """SIGTERM to its group, SIGKILL after the grace; returns when the last of the tree is gone.

        Raises `ProcessError` when something of it still lives at the deadline.
        """
        now = time.monotonic()
        deadline = now + deadline_seconds
        # the first thing that it does is to write its number
        _until(lambda: self._pid() is not None or not self.alive, min(now + 5, deadline))
        if not self.alive:
            return
        pid = self._pid()
        if pid is None:
            raise ProcessError(f"{self.name}: it lives, and its number is not known", f"see {self.folder}")
        self._signal(pid, signal.SIGTERM)
        if not _until(lambda: not self.alive, min(now + grace_seconds, deadline)):
            self._signal(pid, signal.SIGKILL)
            if not _until(lambda: not self.alive, deadline):
                raise ProcessError(f"{self.name}: process group {pid} did not end", f"see {self.folder}")

    def _signal(self, pid: int, number: signal.Signals) -> None:
        # While a member of the group lives, the system gives its number to nobody else.
        with suppress(ProcessLookupError):
            os.killpg(pid, number)

    def forget(self, keep_log_in: Path) -> Path:
        """Removes the record of a dead process; its log moves to the folder, and its new path is returned.

        The folder's oldest logs go when there are more than `LOGS_KEPT`.
        """
        if self.alive:
            raise ProcessError(f"{self.name}: it still runs, so its record stays")
        keep_log_in.mkdir(parents=True, exist_ok=True)
        kept = keep_log_in / f"{self.name}.log"
        with suppress(FileNotFoundError):
            self.log.replace(kept)
            _prune(keep_log_in, kept)
        for name in ("pid", "lock", "process.json"):  # without the record, the rest is nobody's
            (self.folder / name).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            self.folder.rmdir()
        return kept


def start(
    home: Path,
    name: str,
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    ports: Mapping[str, int] | None = None,
    about: Mapping[str, str] | None = None,
) -> Process:
    """Starts `argv` in `folder`, with this environment only; `about` and `ports` come back with `find`.

    `about` lies in a file: no secrets. Raises `ProcessError` when the name was used before.
    """
    record = ProcessRecord(
        name=name, argv=tuple(argv), started=datetime.now(UTC), ports=dict(ports or {}), about=dict(about or {})
    )
    place = home / name
    with _record(place, record) as lock, (place / "log").open("ab") as log:
        try:
            child = subprocess.Popen(
                ["/bin/sh", "-c", _WRITE_PID_THEN_RUN, str(place / "pid"), *argv],
                env={**environment, LOCK_VARIABLE: str(lock)},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessError(f"{name}: cannot start: {error}") from error
    _children.append(child)
    return Process(place, record)


@contextmanager
def _record(place: Path, record: ProcessRecord) -> Iterator[int]:
    """The record, in place as a whole, with its lock held; gives the lock's descriptor."""
    made = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    made.mkdir(parents=True)
    (made / "process.json").write_text(record.model_dump_json(indent=2))
    lock = os.open(made / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            made.rename(place)
        except OSError as error:
            raise ProcessError(f"{record.name}: {place} cannot be made: {error}") from error
        yield lock
    finally:
        os.close(lock)


def processes(home: Path) -> tuple[Process, ...]:
    """What was started in this home and not forgotten, oldest first; raises `ProcessError` for an odd record."""
    if not home.is_dir():
        return ()
    found = (_read(folder) for folder in home.iterdir() if not folder.name.startswith("."))
    return tuple(sorted((one for one in found if one), key=lambda one: one.record.started))


def find(home: Path, name: str) -> Process | None:
    """The process of that name, or nothing when it never was or is forgotten."""
    return _read(home / name)


def _read(folder: Path) -> Process | None:
    try:
        return Process(folder, ProcessRecord.model_validate_json((folder / "process.json").read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValidationError, OSError) as error:
        hint = "what it stood for may still run: look for it, end it, then remove the folder"
        raise ProcessError(f"{folder / 'process.json'} cannot be read: {error}", hint) from error


def base_environment() -> dict[str, str]:
    """What a program needs of this machine's environment; nothing of ours and no keys of any account."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ") if name in os.environ}


def bare_environment() -> dict[str, str]:
    """Where the system's programs are, and nothing else: for a program that shall know nothing of the worker's."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def _prune(folder: Path, newest: Path) -> None:
    logs = {}
    for path in folder.glob("*.log"):
        with suppress(FileNotFoundError):  # somebody else prunes at the same time
            logs[path] = path.stat().st_mtime
    logs.pop(newest, None)  # its last word may be older than all the others
    for path in sorted(logs, key=lambda path: logs[path], reverse=True)[LOGS_KEPT - 1 :]:
        path.unlink(missing_ok=True)


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]


def _until(condition: Callable[[], bool], deadline: float) -> bool:
    """Whether it came true before the deadline, a time of the monotonic clock."""
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True
