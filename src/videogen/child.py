"""A program that is kept running: what it says goes to a file, it is started again when it dies, it ends in order."""

import subprocess
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from videogen import process_tree
from videogen.errors import ProcessError

_LOOK_SECONDS = 0.02
_KILLED_SECONDS = 10.0
_TAIL_BYTES = 16_384
_TAIL_LINES = 8


@dataclass(frozen=True)
class Patience:
    """More than `restarts` deaths within `seconds`, and it is not started again."""

    restarts: int = 3
    seconds: float = 600.0


class Child:
    """One program of this machine, in the caller's process group. Its log begins anew with this object."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        held: Collection[int] = (),
        patience: Patience | None = None,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.restarts = 0
        self.proven = False
        """Set it when the program has worked once; one that never did is not started again."""
        self._argv = list(argv)
        self._folder = folder
        self._environment = dict(environment)
        self._held = tuple(held)
        self._patience = patience or Patience()
        self._user = user
        """Whose rights it has, and no other group's; nothing: the caller's. Only root can give it another's."""
        self._deaths: deque[float] = deque()
        log.write_bytes(b"")
        self._process = self._started()

    def tend(self) -> bool:
        """Starts the program again when it has died, and says whether it did.

        Raises `ProcessError`, with the end of its log as hint, when it died too often or has never worked.
        """
        code = self._process.poll()
        if code is None:
            return False
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths[0] < now - self._patience.seconds:
            self._deaths.popleft()
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        if not self.proven:
            raise ProcessError(f"{self.name} ended {how} before it answered", self.last_words())
        if len(self._deaths) > self._patience.restarts:
            minutes = f"{self._patience.seconds / 60:g} minutes"
            message = f"{self.name} died {len(self._deaths)} times within {minutes}, at last {how}"
            raise ProcessError(message, self.last_words())
        self._process = self._started()
        self.restarts += 1
        return True

    def end(self, grace_seconds: float, hurry: threading.Event | None = None) -> None:
        """SIGTERM, and SIGKILL after the grace or once there is a hurry; returns when it is gone.

        What it started and left behind is killed, too; but a descendant whose own parent had ended is not known.
        """
        left = process_tree.below(self._process.pid) if self._process.poll() is None else []
        self._process.terminate()
        hurry = hurry or threading.Event()
        deadline = time.monotonic() + grace_seconds
        while self._process.poll() is None and time.monotonic() < deadline and not hurry.is_set():
            hurry.wait(_LOOK_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(_KILLED_SECONDS)
        process_tree.kill(left)

    def last_words(self) -> str:
        """The end of its log, as a hint for people."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join([f"its log, {self.log}, ends with:", *lines]) if lines else f"it wrote nothing to {self.log}"

    def _started(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            try:
                return subprocess.Popen(
                    self._argv,
                    cwd=self._folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=self._held,
                    user=self._user,
                    group=self._user,
                    extra_groups=None if self._user is None else [],
                )
            except (OSError, subprocess.SubprocessError) as error:  # the latter: rights that cannot be had
                raise ProcessError(f"{self.name} cannot start: {error}") from error
