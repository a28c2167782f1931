"""What a worker and its programs said, in the bucket: the machine and its disk will be gone when somebody asks.

Objects `logs/<worker>/<boot>-<number>.jsonl.gz` of the outputs bucket, without secrets, of bounded size in all. A store
that does not answer costs old lines, never the worker its time: nothing here raises, nothing waits beyond its deadline.
"""

import gzip
import json
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from videogen import stack_outputs
from videogen.errors import StoreError
from videogen.redaction import Redaction

log = logging.getLogger(__name__)

MOST_SHIPPED = 64 << 20
"""Bytes in the bucket for one boot."""
MOST_WAITING = 4 << 20
"""Bytes of lines that wait for the store."""
_MOST_READ = 1 << 20
"""Bytes of one program's log between two shipments."""
_PATIENCE_SECONDS = 10.0


@dataclass
class _Followed:
    name: str
    path: Path
    position: int = 0


class LogShipping:
    """Collects lines and log files and ships them; may be used from many threads."""

    def __init__(
        self,
        place: stack_outputs.Store,
        access: stack_outputs.StoreAccess,
        worker: str,
        redaction: Redaction,
        *,
        most_shipped: int = MOST_SHIPPED,
    ) -> None:
        self._place, self._access = place, access
        self._redaction, self._most_shipped = redaction, most_shipped
        self._worker = worker
        self.boot = 0
        """Which of the worker's starts it is; 0 while nobody knows, and where its lease does not begin."""
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._lost = 0
        self._followed: list[_Followed] = []
        self._shipped, self._count = 0, 0
        self._failing = False
        self._changing, self._sending = threading.Lock(), threading.Lock()

    def take(self, line: str) -> None:
        """Keeps a line, a JSON object; the oldest ones go when too many wait."""
        data = line.encode() + b"\n"
        with self._changing:
            self._lines.append(data)
            self._waiting += len(data)
            while self._waiting > MOST_WAITING:
                self._waiting -= len(self._lines.popleft())
                self._lost += 1

    def follow(self, name: str, path: Path) -> None:
        """Ships what a program writes to its log from now on, too."""
        with self._changing:
            self._followed.append(_Followed(name, path))

    def ship(self) -> None:
        """Ships what there is."""
        with self._sending:
            self._collect()
            with self._changing:
                lines, self._lines, self._waiting = self._lines, deque(), 0
                lost, self._lost = self._lost, 0
            if lost:
                lines.appendleft(self._line({"message": f"{lost} lines were lost"}))
            if not lines or self._shipped > self._most_shipped:
                return
            data = gzip.compress(b"".join(lines))
            try:
                self._put(data)
            except StoreError as error:
                if not self._failing:
                    log.warning("the log is not in the bucket: %s", error)
                self._failing = True
                self._keep(lines, lost)
            else:
                self._failing = False

    def finish(self, seconds: float, hurry: threading.Event) -> None:
        """Ships the rest, at most that long and only until there is a hurry; not to a store that was silent before."""
        if self._failing:
            return
        last = threading.Thread(target=self.ship, name="last logs", daemon=True)
        last.start()
        deadline = time.monotonic() + seconds
        while last.is_alive() and time.monotonic() < deadline and not hurry.is_set():
            last.join(0.02)
        self._failing = self._failing or last.is_alive()

    def _put(self, data: bytes) -> None:
        from videogen.store import Store, log_key  # its import takes a third of a second, which a boot has not

        store = Store(self._place, self._access, patience_seconds=_PATIENCE_SECONDS)
        key = log_key(self._worker, self.boot, self._count + 1)
        store.put_bytes(store.outputs, key, data, "application/gzip")
        self._count += 1
        self._shipped += len(data)
        if self._shipped > self._most_shipped:
            log.warning("the log is too long: no more of it goes to the bucket")

    def _keep(self, lines: deque[bytes], lost: int) -> None:
        """Puts lines back before newer ones, as far as there is room."""
        with self._changing:
            self._lost += lost
            while lines and self._waiting + len(lines[-1]) <= MOST_WAITING:
                self._waiting += len(lines[-1])
                self._lines.appendleft(lines.pop())
            self._lost += len(lines)

    def _collect(self) -> None:
        with self._changing:
            followed = list(self._followed)
        for one in followed:
            for text in self._new(one):
                self.take(self._line({"from": one.name, "line": self._redaction.text(text)}).decode().rstrip("\n"))

    def _new(self, one: _Followed) -> list[str]:
        """The lines that a log has got since the last look; the middle of very many is left out."""
        try:
            size = one.path.stat().st_size
            if size < one.position:  # it began anew
                one.position = 0
            left_out = max(0, size - one.position - _MOST_READ)
            with one.path.open("rb") as file:
                file.seek(one.position + left_out)
                text = file.read(_MOST_READ)
        except OSError:
            return []
        one.position += left_out + len(text)
        lines = text.decode(errors="replace").splitlines()
        return [f"… {left_out} bytes …", *lines] if left_out else lines

    def _line(self, facts: dict[str, str]) -> bytes:
        return json.dumps({"time": round(time.time(), 3), "worker": self._worker, **facts}).encode() + b"\n"
