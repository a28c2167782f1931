"""Finds out a model's size and hash, so that its bytes can be proven from then on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from videogen.disk import explained, require_free
from videogen.errors import InputError, OriginError, WrongHash
from videogen.manifest import LocalFile, Model, Repository, Url
from videogen.models_edit import Value
from videogen.origin import Origins
from videogen.store_upload import PartHash

Progress = Callable[[str, int, int | None], None]
"""Model's id, bytes so far, bytes in all where the origin says it."""
_PIECE = 1 << 20
_LONGEST_HEADER = 100_000_000
"""What the safetensors library accepts."""


@dataclass(frozen=True)
class Pin:
    """What is known of a model's file now."""

    size: int
    sha256: str
    source: LocalFile | Url | Repository | None = None
    """Where the file is from, when that is to be written as well."""

    def changes(self) -> dict[str, Value | None]:
        """The keys of the entry to set; those with nothing are removed."""
        found: dict[str, Value | None] = {"size": self.size, "estimate": None, "sha256": self.sha256}
        return found | ({"source": self.source.model_dump()} if self.source else {})


def of_file(model: Model, path: Path, written: str | None, progress: Progress) -> Pin:
    """Of a file of this machine; `written`: as the entry's source shall name it, nothing to leave the source.

    Raises `InputError` for a file that cannot be read or is no safetensors although the entry says so.
    """
    try:
        size = path.stat().st_size
        proof = PartHash(size)
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                proof.update(piece)
                progress(model.id, proof.count, size)
    except OSError as error:
        raise InputError.of(str(path), f"cannot be read: {error.strerror}") from error
    _require_format(model, path, str(path))
    return Pin(proof.count, proof.sha256, LocalFile(local=written) if written else None)


def of_origin(model: Model, source: Repository | Url, origins: Origins, work: Path, progress: Progress) -> Pin:
    """Of the file at its origin, which is fetched into `work`, where a mirror finds it; a broken fetch goes on.

    Raises `OriginError`, `DiskFull`; `WrongHash` when the origin states another hash than its file has.
    """
    said = origins.statement(source)
    work.mkdir(parents=True, exist_ok=True)
    part = work / f"pin-{model.id.replace('/', '-')}-{said.revision or 'file'}.part"
    have = part.stat().st_size if part.exists() else 0
    require_free(work, max(0, (said.size or model.expected_bytes) - have))
    proof = PartHash(said.size or _PIECE)
    with explained(part), part.open("a+b") as file:
        file.seek(0)
        while piece := file.read(_PIECE):
            proof.update(piece)
        for piece in origins.read(source, proof.count, size=said.size):
            file.write(piece)
            proof.update(piece)
            progress(model.id, proof.count, said.size)
    address = origins.address(source)
    if said.sha256 and said.sha256 != proof.sha256:
        part.unlink()
        raise WrongHash(f"{address} states sha256 {said.sha256}, its file has {proof.sha256}", "try again")
    _require_format(model, part, address)
    part.rename(work / f"{proof.sha256}.part")
    return Pin(proof.count, proof.sha256, _at_revision(source, said.revision))


def of_statement(model: Model, source: Repository | Url, origins: Origins) -> Pin:
    """As the origin states it, nothing read; a mirror proves it. Raises `OriginError` where it states no hash."""
    said = origins.statement(source)
    if said.sha256 is None or said.size is None:
        message = f"{origins.address(source)} states no {'size' if said.sha256 else 'sha256'}"
        raise OriginError(message, f"`videogen models pin {model.id}` reads the file instead")
    return Pin(said.size, said.sha256, _at_revision(source, said.revision))


def _at_revision(source: Repository | Url, revision: str | None) -> Repository | Url:
    """A branch becomes the commit that it was."""
    if isinstance(source, Repository) and revision:
        return source.model_copy(update={"revision": revision})
    return source


def _require_format(model: Model, path: Path, address: str) -> None:
    """Raises unless a file that is called safetensors begins like one: a web page or a pickle must not get in."""
    if not model.file.endswith(".safetensors"):
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if 0 < length <= min(_LONGEST_HEADER, size - 8) else b""
    try:
        right = isinstance(json.loads(text), dict)
    except ValueError:
        right = False
    if not right:
        raise InputError.of(address, f"is no safetensors file, which {model.id} should be", "is it the right file?")
