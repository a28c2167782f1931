"""One model from the store to the disk: in ranges, several at once, resumable, and named only when its hash is right.

While it is under way it is `.parts/<sha256>`; the journal `.parts/<sha256>.chunks` names the chunks that are complete,
each with its CRC-32. After a crash a chunk is trusted when the disk still holds what the journal says, and the whole
file when its SHA-256 is that of the manifest; so bytes that never reached the disk are found and fetched again.
"""

import hashlib
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from videogen.disk import explained, settle
from videogen.errors import DiskFull, Interrupted, WrongHash
from videogen.manifest import Model
from videogen.models_folder import ModelsFolder, described
from videogen.store import Store, model_key
from videogen.sync_plan import FoundFile, VerifiedFile

CHUNK = 16 << 20
_RANGES = 4
_PIECE = 1 << 20

Advance = Callable[[int, Literal["disk", "store"]], None]
"""Bytes that are done, and where they were read."""


def unfetched(model: Model, folder: ModelsFolder) -> int:
    """Bytes of disk that a download still needs, less what an earlier one left."""
    assert model.size is not None
    assert model.sha256 is not None
    try:
        return max(0, model.size - (folder.parts / model.sha256).stat().st_blocks * 512)
    except FileNotFoundError:
        return model.size


def hash_file(path: Path, advance: Advance, halt: threading.Event) -> tuple[str, FoundFile] | None:
    """SHA-256 of a file and what the disk says of it; nothing when it changed meanwhile."""
    with path.open("rb") as file:
        before = described(os.fstat(file.fileno()))
        whole = hashlib.sha256()
        while piece := file.read(_PIECE):
            if halt.is_set():
                raise Interrupted(f"stopped while hashing {path}")
            whole.update(piece)
            advance(len(piece), "disk")
        after = described(os.fstat(file.fileno()))
    return (whole.hexdigest(), after) if before == after else None


def fetch(model: Model, folder: ModelsFolder, store: Store, advance: Advance, halt: threading.Event) -> VerifiedFile:
    """Brings a model's file into the folder and gives its proof; any failure sets `halt`.

    Raises `WrongHash` or `DiskFull` and then keeps nothing, `StoreError` or `Interrupted` and then keeps what arrived.
    """
    assert model.size is not None
    assert model.sha256 is not None
    part = folder.parts / model.sha256
    journal = part.with_suffix(".chunks")
    if not part.exists():
        journal.unlink(missing_ok=True)  # of a part that got its name just before a crash
    try:
        with explained(part), _opened(part, model.size) as handle:
            found = _fill(handle, journal, model, store, advance, halt)
            if found != model.sha256:
                raise WrongHash(
                    f"model {model.name}: {store.models}/{model_key(model.sha256)} has sha256 {found}",
                    "the object in the store is damaged: remove it there and mirror the model again",
                )
            os.fsync(handle)
            proof = VerifiedFile.of(described(os.fstat(handle)), found)
            target = folder.path / model.file
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, target)
            settle(target.parent)
            journal.unlink()
            return proof
    except (WrongHash, DiskFull):
        part.unlink(missing_ok=True)
        journal.unlink(missing_ok=True)
        raise


@contextmanager
def _opened(part: Path, size: int) -> Iterator[int]:
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(handle, size)
        yield handle
    finally:
        os.close(handle)


def _fill(handle: int, journal: Path, model: Model, store: Store, advance: Advance, halt: threading.Event) -> str:
    """Fetches the chunks that are not there yet; gives the SHA-256 of all, read back in order behind the downloads."""
    assert model.size is not None
    assert model.sha256 is not None
    size, key = model.size, model_key(model.sha256)
    kept = _kept(journal, size)

    def get(chunk: int) -> None:
        at = chunk * CHUNK
        crc = 0
        for piece in store.read(store.models, key, at, min(CHUNK, size - at), stop=halt):
            _write(handle, piece, at)
            at += len(piece)
            crc = zlib.crc32(piece, crc)
            advance(len(piece), "store")
        with journal.open("a") as lines:
            lines.write(f"{chunk} {crc:08x}\n")

    with ThreadPoolExecutor(_RANGES) as pool:
        chunks = range(-(-size // CHUNK))
        coming = {chunk: pool.submit(get, chunk) for chunk in chunks if chunk not in kept}
        try:
            whole = hashlib.sha256()
            for chunk in chunks:
                if chunk in coming:
                    coming[chunk].result()
                elif _crc(handle, chunk, size) == kept[chunk]:
                    advance(min(CHUNK, size - chunk * CHUNK), "disk")
                else:
                    get(chunk)
                for piece in _pieces(handle, chunk, size):
                    if halt.is_set():
                        raise Interrupted(f"stopped while fetching model {model.name}")
                    whole.update(piece)
        except BaseException:
            halt.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return whole.hexdigest()


def _kept(journal: Path, size: int) -> dict[int, int]:
    """Chunk → CRC-32, as the journal of an earlier download says; a line that was cut off is no line."""
    try:
        lines = journal.read_text(errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return {}
    found = (re.fullmatch(r"(\d+) ([0-9a-f]{8})\n", line) for line in lines)
    kept = {int(match[1]): int(match[2], 16) for match in found if match}
    return {chunk: crc for chunk, crc in kept.items() if chunk * CHUNK < size}


def _crc(handle: int, chunk: int, size: int) -> int:
    crc = 0
    for piece in _pieces(handle, chunk, size):
        crc = zlib.crc32(piece, crc)
    return crc


def _pieces(handle: int, chunk: int, size: int) -> Iterator[bytes]:
    end = min((chunk + 1) * CHUNK, size)
    for at in range(chunk * CHUNK, end, _PIECE):
        yield os.pread(handle, min(_PIECE, end - at), at)


def _write(handle: int, data: bytes, at: int) -> None:
    left = memoryview(data)
    while left:
        count = os.pwrite(handle, left, at)
        left, at = left[count:], at + count
