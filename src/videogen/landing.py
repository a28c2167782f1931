"""One model's file on its way to the disk: chunks in any order, hashed in theirs, named only when the hash is right.

While it is under way it is `.parts/<sha256>`. The journal `.parts/<sha256>.chunks` gets, chunk by chunk, the SHA-256 of
everything up to that chunk's end. After a crash the part is read from its beginning, and what is on the disk is trusted
as far as it hashes to what the journal says; other chunks are fetched again.
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from videogen.direct_file import DirectFile
from videogen.disk import settle
from videogen.errors import WrongHash
from videogen.manifest import Model
from videogen.models_folder import ModelsFolder, described
from videogen.store import Store, StoredObject
from videogen.sync_plan import VerifiedFile
from videogen.whole_answer import WholeAnswer

CHUNK = 16 << 20
"""Bytes of one range; each that is under way is held in memory. Smaller ones cost a server more."""

Origin = Literal["disk", "store"]
Tell = Callable[[int, Origin], None]
"""Bytes that are done, and where they were read."""


class Landing:
    """A download under way; `bring` may be called from many threads, for each chunk once and in their order.

    `whole`: where all chunks come from, one after the other, when the store ignores ranges; closed with this.
    """

    def __init__(
        self,
        model: Model,
        stored: StoredObject,
        folder: ModelsFolder,
        store: Store,
        tell: Tell,
        whole: WholeAnswer | None = None,
    ) -> None:
        assert model.size is not None
        assert model.sha256 is not None
        self.model, self.size, self.sha256 = model, model.size, model.sha256
        self.chunks = -(-self.size // CHUNK)
        self.began = time.monotonic()
        self._stored, self._folder, self._store, self._tell, self._whole = stored, folder, store, tell, whole
        self.part = folder.parts(model.file) / self.sha256
        self._journal = self.part.with_suffix(".chunks")
        if not self.part.exists():
            self._journal.unlink(missing_ok=True)  # of a part that got its name just before a crash
        self._kept = _kept(self._journal, self.size)
        self._file = DirectFile(self.part, self.size)
        self._hash_of_all = hashlib.sha256()
        self._next = 0
        self._arrived: dict[int, tuple[memoryview, int, Origin, Callable[[], None]]] = {}
        self._hashing = False
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        """One writer a file at a time; the system would let them in one by one anyway."""

    def bring(self, chunk: int, buffer: memoryview, release: Callable[[], None], halt: threading.Event) -> bool:
        """Fetches a chunk, or reads what an earlier download left; true when it was the last, and all are hashed.

        `release` is called once the buffer is free again, perhaps by another thread.
        """
        count = min(CHUNK, self.size - chunk * CHUNK)
        origin: Origin = "store"
        if chunk in self._kept and self._file.read(buffer, count, chunk * CHUNK):
            origin = "disk"
        else:
            self._fetch(chunk, buffer, count, halt)
        with self._lock:
            self._arrived[chunk] = buffer, count, origin, release
            if self._hashing:
                return False
            self._hashing = True
        return self._hash(halt)

    def _fetch(self, chunk: int, buffer: memoryview, count: int, halt: threading.Event) -> None:
        at, stored, tell = chunk * CHUNK, self._stored, self._tell
        self._store.fill(
            stored.bucket,
            stored.key,
            at,
            buffer[:count],
            etag=stored.etag,
            stop=halt,
            tell=lambda piece: tell(piece, "store"),
            whole=self._whole,
        )
        with self._writing:
            self._file.write(buffer, count, at)

    def _hash(self, halt: threading.Event) -> bool:
        """Hashes what has arrived, as far as no chunk is missing; one thread at a time does."""
        while True:
            with self._lock:
                if self._next not in self._arrived:
                    self._hashing = False
                    return self._next == self.chunks
                buffer, count, origin, release = self._arrived.pop(self._next)
            try:
                self._hash_one(self._next, buffer, count, origin, halt)
            finally:
                release()
            self._next += 1

    def _hash_one(self, chunk: int, buffer: memoryview, count: int, origin: Origin, halt: threading.Event) -> None:
        view = buffer[:count]
        before = self._hash_of_all.copy()
        self._hash_of_all.update(view)
        so_far = self._hash_of_all.hexdigest()
        if origin == "disk" and so_far != self._kept[chunk]:
            self._fetch(chunk, buffer, count, halt)
            self._hash_of_all = before
            self._hash_of_all.update(view)
            so_far = self._hash_of_all.hexdigest()
        elif origin == "disk":
            self._tell(count, "disk")
        if self.chunks > 1 and self._kept.get(chunk) != so_far:
            with self._journal.open("a") as lines:
                lines.write(f"{chunk} {so_far}\n")

    def land(self) -> VerifiedFile:
        """Gives the file its name, and its proof; raises `WrongHash`, and the part is of no use then."""
        found = self._hash_of_all.hexdigest()
        if found != self.sha256:
            name = f"{self._stored.bucket}/{self._stored.key}"
            raise WrongHash(
                f"model {self.model.name}: {name} has sha256 {found}",
                "the object in the store is damaged: remove it there and mirror the model again",
            )
        self._file.settle()
        self._folder.place(self.part, self.model.file)
        proof = VerifiedFile.of(described(self._file.status()), found)
        if self.chunks > 1:
            self._journal.unlink(missing_ok=True)
        self.close()
        return proof

    def close(self, *, drop: bool = False) -> None:
        """Ends it; with `drop` nothing of it stays on the disk. May be called again."""
        for *_, release in self._arrived.values():
            release()
        self._arrived.clear()
        self._file.close()
        if self._whole:
            self._whole.close()
        if drop:
            self.part.unlink(missing_ok=True)
            self._journal.unlink(missing_ok=True)
            settle(self.part.parent)


def _kept(journal: Path, size: int) -> dict[int, str]:
    """Chunk → SHA-256 up to its end, as an earlier download found it; a line that was cut off is no line."""
    try:
        lines = journal.read_text(errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return {}
    found = (re.fullmatch(r"(\d+) ([0-9a-f]{64})\n", line) for line in lines)
    kept = {int(match[1]): match[2] for match in found if match}
    return {chunk: digest for chunk, digest in kept.items() if chunk * CHUNK < size}
