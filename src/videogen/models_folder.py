"""A worker's models folder: what lies in it, what of it was proven, and who may change it now.

Beside the models it holds `.verified.json` (the proofs), `.parts/` (downloads under way) and `.lock`.
"""

import fcntl
import json
import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from videogen.disk import written
from videogen.errors import InputError, Interrupted, VideogenError
from videogen.manifest import Manifest
from videogen.sync_plan import FoundFile, VerifiedFile

_RECORD = ".verified.json"
_PARTS = ".parts"
_LOCK = ".lock"
_PROOFS = TypeAdapter(dict[str, VerifiedFile])


class ModelsFolder:
    """One models folder; made when it does not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts = path / _PARTS
        self.parts.mkdir(parents=True, exist_ok=True)
        self._recording = threading.Lock()

    def found(self, manifest: Manifest) -> dict[str, FoundFile]:
        """Every file by its path relative to the folder; links lead to what they point at.

        Raises `InputError` where a folder stands in a model's place.
        """
        found = {}
        for file in {model.file for model in manifest.models} | set(self._walk()):
            with suppress(FileNotFoundError, NotADirectoryError):
                status = (self.path / file).stat()
                if not stat.S_ISREG(status.st_mode):
                    raise InputError.of(
                        str(self.path / file), "is no file, where the manifest wants one", "move it away"
                    )
                found[file] = described(status)
        return found

    def _walk(self) -> Iterator[str]:
        ours = (self.path / _RECORD, self.path / _LOCK)
        for folder, folders, files in os.walk(self.path):
            if Path(folder) == self.path:
                folders[:] = [name for name in folders if name != _PARTS]
            for name in files:
                path = Path(folder, name)
                if path.is_file() and path not in ours:
                    yield str(path.relative_to(self.path))

    def verified(self) -> dict[str, VerifiedFile]:
        """The proofs so far; none when the record is lost or damaged, which only costs the time to hash again."""
        try:
            return _PROOFS.validate_json((self.path / _RECORD).read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}

    def record(self, file: str, proof: VerifiedFile) -> None:
        """Remembers that a file was proven."""
        with self._recording:
            proofs = {**self.verified(), file: proof}
            text = json.dumps({name: asdict(value) for name, value in sorted(proofs.items())}, indent=1)
            with written(self.path / _RECORD) as record:
                record.write(text.encode())

    def forget_parts(self, keep: Iterable[str]) -> None:
        """Removes downloads under way, except those of the hashes in `keep`."""
        wanted = set(keep)
        for path in self.parts.iterdir():
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


def described(status: os.stat_result) -> FoundFile:
    """What the disk says of a file."""
    return FoundFile(status.st_size, status.st_mtime_ns, status.st_ino)
