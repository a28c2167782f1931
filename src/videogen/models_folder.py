"""A worker's models folder: what lies in it, what of it was proven, and who may change it now.

Beside the models it holds `.verified.json` (the proofs), `.parts/` (downloads under way) and `.lock`. Models for which
its disk has no room lie in a second folder, on another disk, and are links here.
"""

import fcntl
import json
import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from videogen.disk import settle, written
from videogen.errors import InputError, Interrupted, VideogenError
from videogen.manifest import Manifest
from videogen.sync_plan import FoundFile, VerifiedFile

_RECORD = ".verified.json"
_PARTS = ".parts"
_LOCK = ".lock"
_VERSION = 2
_SAVE_EVERY = 1.0


class _Record(BaseModel, extra="forbid"):
    version: Literal[2]
    files: dict[str, VerifiedFile]


class ModelsFolder:
    """One models folder; made when it does not exist. `overflow`: the folder on the other disk, where there is one."""

    def __init__(self, path: Path, overflow: Path | None = None) -> None:
        self.path, self.overflow = path, overflow
        self.away: frozenset[str] = frozenset()
        """Files that go to `overflow` when they are fetched."""
        for folder in (path, overflow):
            if folder is not None:
                (folder / _PARTS).mkdir(parents=True, exist_ok=True)
        self._proofs: dict[str, VerifiedFile] | None = None
        self._changed: set[Path] = set()
        self._inside: set[Path] = set()
        self._saved = 0.0
        self._recording = threading.Lock()

    def parts(self, file: str) -> Path:
        """The folder for a file's download, on the disk where the file will lie."""
        return self._base(file) / _PARTS

    def _base(self, file: str) -> Path:
        return self.overflow if self.overflow is not None and file in self.away else self.path

    def place(self, part: Path, file: str) -> None:
        """Gives a finished download its name; what stood there before, also a link, is replaced and not followed.

        Raises `InputError` when a linked folder would lead out of the models folder.
        """
        base = self._base(file)
        target = base / file
        target.parent.mkdir(parents=True, exist_ok=True)
        self._refuse_outside(base, target.parent)
        os.replace(part, target)
        if base is not self.path:
            self._link(file, target)
        with self._recording:
            self._changed |= {target.parent, (self.path / file).parent}

    def _link(self, file: str, target: Path) -> None:
        link = self.path / file
        link.parent.mkdir(parents=True, exist_ok=True)
        self._refuse_outside(self.path, link.parent)
        new = self.path / _PARTS / f"{target.name}.link"
        new.unlink(missing_ok=True)
        new.symlink_to(target.absolute())
        os.replace(new, link)

    def _refuse_outside(self, base: Path, folder: Path) -> None:
        if folder in self._inside:
            return
        if not folder.resolve().is_relative_to(base.resolve()):
            raise InputError.of(
                str(folder), f"leads out of {base}, to {folder.resolve()}", "put a folder in place of the link"
            )
        self._inside.add(folder)

    def adopt(self, shared: Path, manifest: Manifest) -> None:
        """Links what a folder that nobody may write has of the manifest and this one lacks."""
        for model in manifest.models:
            with suppress(OSError):
                if not (self.path / model.file).exists() and (shared / model.file).stat().st_size == model.size:
                    self._link(model.file, shared / model.file)
        self._proofs = {**_read(shared / _RECORD), **self.verified()}

    def remove(self, file: str) -> None:
        """Removes a file, named as `found` does; of a link the link, never what it leads to."""
        (self.path / file).unlink(missing_ok=True)

    def found(self, manifest: Manifest) -> dict[str, FoundFile]:
        """Every file by its path relative to the folder; links lead to what they point at.

        A file on the other disk that no model has the name of goes by its whole path. Raises `InputError` where a
        folder stands in a model's place.
        """
        found = {}
        named = {model.file for model in manifest.models}
        left = {str(self.overflow.absolute() / file) for file in _walk(self.overflow) - named} if self.overflow else ()
        for file in (named | _walk(self.path)).union(left):
            with suppress(FileNotFoundError, NotADirectoryError):
                status = (self.path / file).stat()
                if not stat.S_ISREG(status.st_mode):
                    raise InputError.of(
                        str(self.path / file), "is no file, where the manifest wants one", "move it away"
                    )
                found[file] = described(status)
        return found

    def verified(self) -> dict[str, VerifiedFile]:
        """The proofs so far; none when the record is lost, damaged or of another version: then all is hashed again."""
        if self._proofs is None:
            self._proofs = _read(self.path / _RECORD)
        return dict(self._proofs)

    def record(self, file: str, proof: VerifiedFile) -> None:
        """Remembers that a file was proven; on the disk within a second, or at the next `save`."""
        with self._recording:
            if self._proofs is None:
                self._proofs = _read(self.path / _RECORD)
            self._proofs[file] = proof
            if time.monotonic() - self._saved > _SAVE_EVERY:
                self._save()

    def save(self) -> None:
        """Makes names and proofs survive power loss."""
        with self._recording:
            self._save()

    def _save(self) -> None:
        for folder in self._changed:
            settle(folder)
        self._changed.clear()
        if self._proofs is not None:
            files = {name: vars(proof) for name, proof in sorted(self._proofs.items())}
            with written(self.path / _RECORD) as record:
                record.write(json.dumps({"version": _VERSION, "files": files}).encode())
        self._saved = time.monotonic()

    def forget_parts(self, keep: Iterable[str]) -> None:
        """Removes downloads under way, except those of the hashes in `keep`."""
        wanted = set(keep)
        for folder in (self.path, self.overflow):
            for path in (folder / _PARTS).iterdir() if folder else ():
                if path.stem not in wanted:
                    path.unlink()

    @contextmanager
    def locked(self, deadline: float, stop: threading.Event) -> Iterator[None]:
        """Keeps other syncs of this folder out, after waiting for them until `deadline` (of `time.monotonic`)."""
        with (self.path / _LOCK).open("a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise VideogenError(
                            f"{self.path}: another sync works on this folder", "wait for it to end, or end it"
                        ) from None
                    if stop.wait(0.05):
                        raise Interrupted(f"stopped while another sync worked on {self.path}") from None
            yield


def _walk(base: Path) -> set[str]:
    """The files of a folder that are not our own, relative to it."""
    ours, found = (base / _RECORD, base / _LOCK), set()
    for folder, folders, files in os.walk(base):
        if Path(folder) == base:
            folders[:] = [name for name in folders if name != _PARTS]
        paths = (Path(folder, name) for name in files)
        found |= {str(path.relative_to(base)) for path in paths if path.is_file() and path not in ours}
    return found


def _read(record: Path) -> dict[str, VerifiedFile]:
    try:
        return _Record.model_validate_json(record.read_bytes()).files
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return {}


def described(status: os.stat_result) -> FoundFile:
    """What the disk says of a file."""
    return FoundFile(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
