"""Fills the models bucket, once: what a manifest names and the bucket lacks is brought there and proven on the way."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from videogen.disk import explained
from videogen.errors import WrongHash
from videogen.manifest import LocalFile, Manifest, Model, Repository, Url, digest
from videogen.standin.weights import weights
from videogen.store import Store, manifest_key, model_key

Progress = Callable[[str, int, int], None]
"""Model's name, bytes sent, bytes in all; comes from several threads."""


@dataclass(frozen=True)
class MirrorReport:
    """What became of each model, by name."""

    stored: tuple[str, ...]
    already_there: tuple[str, ...]
    absent: Mapping[str, str]
    """Not in the bucket → why, and what to do."""


def mirror(
    manifest_text: str, manifest: Manifest, store: Store, base: Path, *, progress: Progress | None = None
) -> MirrorReport:
    """Brings models of source `stand-in` and `local` (relative to `base`) into the bucket, then the manifest's text.

    Done again, it sends nothing twice. Raises `WrongHash` before wrong bytes are stored, `StoreError`, `DiskFull`.
    """
    stored: list[str] = []
    already_there: list[str] = []
    absent: dict[str, str] = {}
    for model in manifest.models:
        if _is_stored(model, store):
            already_there.append(model.name)
        elif reason := _obstacle(model, store, base):
            absent[model.name] = reason
        else:
            with _origin(model, base) as path:
                _send(model, path, store, progress)
            stored.append(model.name)
    store.put_bytes(store.models, manifest_key(digest(manifest_text)), manifest_text.encode(), "application/yaml")
    return MirrorReport(tuple(stored), tuple(already_there), absent)


def _is_stored(model: Model, store: Store) -> bool:
    if model.sha256 is None:
        return False
    found = store.head(store.models, model_key(model.sha256))
    return found is not None and found.size == model.size


def _obstacle(model: Model, store: Store, base: Path) -> str | None:
    """Why a model that the bucket lacks cannot be brought from here; nothing when it can."""
    if model.sha256 is None or model.size is None:
        return f"has no size and sha256 in the manifest; `videogen models pin {model.name}` fills them"
    target = f"{store.models}/{model_key(model.sha256)}"
    match model.source:
        case "stand-in":
            return None
        case "bring-your-own":
            return f"bring-your-own: put your file into the store as {target}"
        case LocalFile(local=local):
            return None if (base / local).is_file() else f"no such file: {base / local}"
        case Repository(repository=repository, revision=revision, path=path):
            return f"fetch {path} of {repository} at {revision} and put it into the store as {target}"
        case Url(url=url):
            return f"fetch {url} and put it into the store as {target}"


@contextmanager
def _origin(model: Model, base: Path) -> Iterator[Path]:
    """A file with the model's bytes as its source has them."""
    if isinstance(model.source, LocalFile):
        yield base / model.source.local
        return
    assert model.size is not None
    with tempfile.TemporaryDirectory(prefix="videogen-mirror-") as folder:
        path = Path(folder) / model.name
        with explained(path), path.open("wb") as file:
            file.writelines(weights(model.name, model.size))
        yield path


def _send(model: Model, path: Path, store: Store, progress: Progress | None) -> None:
    assert model.sha256 is not None
    assert model.size is not None
    size = path.stat().st_size
    if size != model.size:
        raise WrongHash(f"model {model.name}: {path} holds {size} bytes, the manifest says {model.size}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != model.sha256:
        raise WrongHash(f"model {model.name}: {path} has sha256 {found}, the manifest says {model.sha256}")

    def tell(sent: int) -> None:
        if progress:
            progress(model.name, sent, size)

    store.put_file(store.models, model_key(model.sha256), path, progress=tell)
