"""Several models from the store to the disk at once, each in several ranges at once."""

import hashlib
import mmap
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from videogen.disk import explained
from videogen.errors import Interrupted, ObjectChanged, RangeIgnored, StoreError, WrongHash
from videogen.landing import CHUNK, Landing, Origin
from videogen.manifest import Model
from videogen.models_folder import ModelsFolder, described
from videogen.store import Store, StoredObject
from videogen.sync_plan import FoundFile, VerifiedFile

CONNECTIONS = min(12, max(8, 4 * (os.cpu_count() or 1)))
"""One gives 50 to 100 MB/s from a far S3; more than 12 would not fit into the memory that a sync may take."""
_SPARE = 2
"""Buffers that wait to be hashed while all connections go on."""
_FILES = 4
_ATTEMPTS = 2
_PIECE = 1 << 20

Advance = Callable[[str, int, Origin], None]
"""File, bytes that are done, and where they were read."""


def unfetched(model: Model, folder: ModelsFolder) -> int:
    """Bytes of disk that a download still needs, less what an earlier one left."""
    assert model.size is not None
    assert model.sha256 is not None
    try:
        return max(0, model.size - (folder.parts(model.file) / model.sha256).stat().st_blocks * 512)
    except FileNotFoundError:
        return model.size


def hash_file(path: Path, advance: Advance, file: str, halt: threading.Event) -> tuple[str, FoundFile] | None:
    """SHA-256 of a file and what the disk says of it; nothing when it changed meanwhile."""
    view = memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as opened:
        before = described(os.fstat(opened.fileno()))
        whole = hashlib.sha256()
        while count := opened.readinto(view):
            if halt.is_set():
                raise Interrupted(f"stopped while hashing {path}")
            whole.update(view[:count])
            advance(file, count, "disk")
        after = described(os.fstat(opened.fileno()))
    return (whole.hexdigest(), after) if before == after else None


@dataclass(eq=False)
class _Underway:
    """One model, and how many threads hold chunks of it."""

    model: Model
    attempt: int = 1
    landing: Landing | None = None
    given: int = 0
    held: int = 0
    fault: StoreError | None = None


class Downloads:
    """Brings models into a folder; each of `CONNECTIONS` threads runs `work` until nothing is left."""

    def __init__(
        self,
        models: Sequence[tuple[Model, StoredObject]],
        folder: ModelsFolder,
        store: Store,
        advance: Advance,
        landed: Callable[[Model, VerifiedFile, float], None],
        again: Callable[[Model, StoreError], None],
        halt: threading.Event,
    ) -> None:
        self._folder, self._store, self._advance = folder, store, advance
        self._landed, self._again, self._halt = landed, again, halt
        self._in_order = False
        """The store ignores ranges, so each file is in one thread's hands."""
        self._stored = {model.file: stored for model, stored in models}
        self._waiting = deque(_Underway(model) for model, _ in models)
        self._active: deque[_Underway] = deque()
        self._given: set[_Underway] = set()
        """All their chunks are in somebody's hands."""
        self._lock = threading.Lock()
        self._open = len(self._waiting)
        """Models that are not in place yet."""
        self._buffers: queue.LifoQueue[mmap.mmap | None] = queue.LifoQueue()
        for _ in range(CONNECTIONS + _SPARE):
            self._buffers.put(None)  # made when first needed; used again, because new memory costs page faults

    def work(self) -> None:
        """Brings chunk after chunk. Any failure sets `halt` and is raised; what arrived is kept."""
        try:
            while self._open:
                # the buffer first: who holds a chunk can then always go on, so the hashing never waits for a buffer
                buffer = self._buffer()
                job = self._next()
                if job is None:
                    self._buffers.put(buffer)
                    time.sleep(0.01)
                    continue
                self._bring(*job, buffer)
        except BaseException:
            self._halt.set()
            raise

    def close(self, *, drop: bool = False) -> None:
        """Ends what is under way, once no thread works any more; with `drop` nothing half-written stays."""
        for underway in (*self._active, *self._given):
            if underway.landing:
                underway.landing.close(drop=drop)

    def _buffer(self) -> mmap.mmap:
        while True:
            if self._halt.is_set():
                raise Interrupted("stopped while fetching models")
            try:
                return self._buffers.get(timeout=0.1) or mmap.mmap(-1, CHUNK)
            except queue.Empty:
                continue

    def _next(self) -> tuple[_Underway, int] | None:
        """The next chunk: of some files in turn, so that several are hashed at once; of each file in order."""
        with self._lock:
            while self._waiting and len(self._active) < _FILES:
                self._active.append(self._waiting.popleft())
            for _ in range(len(self._active)):
                underway = self._active[0]
                self._active.rotate(-1)
                if underway.fault or (self._in_order and underway.held):
                    continue
                landing = underway.landing = underway.landing or self._start(underway.model)
                underway.given += 1
                underway.held += 1
                if underway.given == landing.chunks:
                    self._active.remove(underway)
                    self._given.add(underway)
                return underway, underway.given - 1
            return None

    def _start(self, model: Model) -> Landing:
        with explained(self._folder.parts(model.file)):
            stored, tell = self._stored[model.file], partial(self._advance, model.file)
            whole = self._store.whole(stored, self._halt) if self._in_order else None
            return Landing(model, stored, self._folder, self._store, tell, whole)

    def _bring(self, underway: _Underway, chunk: int, buffer: mmap.mmap) -> None:
        landing = underway.landing
        assert landing is not None
        fault: StoreError | None = None
        free = True

        def release() -> None:
            nonlocal free
            if free:
                free = False
                self._buffers.put(buffer)

        try:
            with explained(landing.part):
                if landing.bring(chunk, memoryview(buffer), release, self._halt):
                    self._land(underway, landing)
        except (ObjectChanged, RangeIgnored, WrongHash) as error:
            fault = error
            release()
        except StoreError as error:
            raise type(error)(f"model {underway.model.name}: {error.message}", error.hint) from error
        with self._lock:
            underway.held -= 1
            underway.fault = underway.fault or fault
            over = underway.held == 0 and underway.fault
        if isinstance(over, RangeIgnored):
            self._go_on_in_order(underway, landing, over)
        elif over:
            self._again_or_never(underway, landing, over)

    def _land(self, underway: _Underway, landing: Landing) -> None:
        proof = landing.land()
        self._landed(underway.model, proof, time.monotonic() - landing.began)
        with self._lock:
            self._given.remove(underway)
            self._open -= 1

    def _again_or_never(self, underway: _Underway, landing: Landing, fault: StoreError) -> None:
        """Once more from the beginning: bytes may be damaged on the way, and an object may be put again."""
        landing.close(drop=True)
        if underway.attempt == _ATTEMPTS:
            raise fault
        old = self._stored[underway.model.file]
        found = self._store.head(old.bucket, old.key, stop=self._halt)
        if found is None or found.size != landing.size:
            raise fault
        self._again(underway.model, fault)
        with self._lock:
            self._stored[underway.model.file] = found
            underway.attempt += 1
            self._restart(underway)

    def _go_on_in_order(self, underway: _Underway, landing: Landing, fault: RangeIgnored) -> None:
        """What was proven stays on the disk, for the landing that comes next."""
        landing.close()
        self._again(underway.model, fault)
        with self._lock:
            self._in_order = True
            self._restart(underway)

    def _restart(self, underway: _Underway) -> None:
        underway.given, underway.fault, underway.landing = 0, None, None
        if underway in self._given:
            self._given.remove(underway)
            self._waiting.appendleft(underway)
