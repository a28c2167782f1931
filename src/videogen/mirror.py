"""Fills the models bucket, once: what a manifest names and the bucket lacks is brought there and proven on the way.

What an upload proves: SHA-256 of every byte that was read is the manifest's; the store took exactly these bytes, part
by part (`Content-MD5`); the finished object has the right size and gives back samples. `videogen models verify --read`
reads all of it.
"""

import fcntl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal

from videogen.disk import explained, require_free
from videogen.errors import Interrupted, OriginError, VideogenError, WrongHash
from videogen.manifest import LocalFile, Manifest, Model, Repository, Url, digest
from videogen.origin import Origins
from videogen.standin.weights import weights
from videogen.store import Store, manifest_key, model_key
from videogen.store_upload import PartHash

Progress = Callable[[str, Literal["fetched", "stored"], int, int], None]
"""Model's id, what is done to it, bytes so far, bytes in all; comes from several threads."""
_PIECE = 1 << 20
_SAMPLE = 1 << 16


@dataclass(frozen=True)
class MirrorReport:
    """What became of each model, by id."""

    stored: tuple[str, ...]
    already_there: tuple[str, ...]
    absent: Mapping[str, str]
    """Not in the bucket → why, and what to do."""
    empty: tuple[str, ...]
    """Slots that nobody has filled."""


def mirror(
    manifest_text: str,
    manifest: Manifest,
    store: Store,
    base: Path,
    *,
    origins: Origins | None = None,
    work: Path | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    at_once: int = 3,
) -> MirrorReport:
    """Brings every model into the bucket that is not there yet, then the manifest's text.

    Local files are relative to `base`. Without `origins` and `work` nothing is fetched from other machines; with them
    downloads lie in `work` until they are stored, and one that was killed goes on. Done again, it sends nothing twice.
    What an origin refuses is `absent`, and the others go on. Raises `WrongHash` before wrong bytes are stored,
    `StoreError`, `DiskFull` before anything is fetched, `Interrupted`.
    """
    run = _Mirror(store, base, origins, work, progress or _say_nothing, stop or threading.Event())
    wanted = [model for model in manifest.models if not model.is_empty]
    there = [model for model in wanted if run.is_stored(model)]
    absent = {m.id: reason for m in wanted if m not in there and (reason := run.obstacle(m))}
    to_send = [model for model in wanted if model not in there and model.id not in absent]
    by_hash = {model.sha256: model for model in reversed(to_send)}
    run.require_room(list(by_hash.values()), at_once)
    refused = run.all(list(by_hash.values()), at_once)
    absent |= {model.id: refused[model.sha256 or ""] for model in to_send if model.sha256 in refused}
    store.put_bytes(store.models, manifest_key(digest(manifest_text)), manifest_text.encode(), "application/yaml")
    return MirrorReport(
        stored=tuple(model.id for model in to_send if model.id not in absent),
        already_there=tuple(model.id for model in there),
        absent=absent,
        empty=tuple(model.id for model in manifest.models if model.is_empty),
    )


class _Mirror:
    """One mirror under way."""

    def __init__(
        self,
        store: Store,
        base: Path,
        origins: Origins | None,
        work: Path | None,
        progress: Progress,
        stop: threading.Event,
    ) -> None:
        self.store, self.base, self.origins, self.work, self.progress = store, base, origins, work, progress
        self.stop = stop
        self.halt = threading.Event()
        """Set when all threads shall end."""

    def is_stored(self, model: Model) -> bool:
        """Whether the bucket has an object of the right size under the right name."""
        if model.sha256 is None:
            return False
        found = self.store.head(self.store.models, model_key(model.sha256), stop=self.stop)
        return found is not None and found.size == model.size

    def obstacle(self, model: Model) -> str | None:
        """Why a model that the bucket lacks cannot be brought from here; nothing when it can."""
        if model.sha256 is None or model.size is None:
            return f"has no size and sha256 in the manifest; `videogen models pin {model.id}` fills them"
        match model.source:
            case LocalFile(local=local):
                return None if (self.base / local).is_file() else f"no such file: {self.base / local}"
            case Repository() | Url():
                fetches = self.origins is not None and self.work is not None
                return None if fetches else "comes from another machine; `videogen models mirror` fetches it"
            case "bring-your-own":
                target = f"{self.store.models}/{model_key(model.sha256)}"
                return f"bring-your-own: put your file into the store as {target}"
            case _:
                return None

    def require_room(self, models: list[Model], at_once: int) -> None:
        """Raises `DiskFull` unless the largest downloads that lie there at once have room."""
        remote = [model for model in models if isinstance(model.source, Repository | Url)]
        if not remote or self.work is None:
            return
        self.work.mkdir(parents=True, exist_ok=True)
        missing = [(model.size or 0) - _length(self._part(model)) for model in remote]
        require_free(self.work, sum(sorted(missing, reverse=True)[:at_once]))

    def all(self, models: list[Model], at_once: int) -> dict[str, str]:
        """Brings all; the answer tells by hash what an origin did not give. The first other error ends all."""
        refused: dict[str, str] = {}
        with ThreadPoolExecutor(max(1, at_once)) as pool:
            running = {pool.submit(self._one, model, refused) for model in models}
            pending = set(running)
            try:
                while pending and not any(future.exception() for future in running - pending):
                    _, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
                    if self.stop.is_set():
                        raise Interrupted("the mirror was stopped", "what was fetched is kept; run it again to go on")
            finally:
                if pending:
                    self.halt.set()
                    pool.shutdown(wait=False, cancel_futures=True)
        errors = [error for future in running if not future.cancelled() and (error := future.exception())]
        if errors:  # those that were only told to end by another's failure come last
            raise min(errors, key=lambda error: isinstance(error, Interrupted))
        return refused

    def _one(self, model: Model, refused: dict[str, str]) -> None:
        try:
            with self._proven(model) as (path, proof):
                self._send(model, path, proof)
        except OriginError as error:
            refused[model.sha256 or ""] = f"{error.message}; {error.hint}" if error.hint else error.message

    @contextmanager
    def _proven(self, model: Model) -> Iterator[tuple[Path, PartHash]]:
        """A file with the model's bytes, hashed; raises `WrongHash` when its source has others."""
        assert model.size is not None
        if isinstance(model.source, LocalFile):
            path = self.base / model.source.local
            if (size := _length(path)) != model.size:
                raise WrongHash(f"model {model.id}: {path} holds {size} bytes, the manifest says {model.size}")
            yield path, self._judged(model, path, self._hashed(path, model.size))
        elif isinstance(model.source, Repository | Url):
            part = self._part(model)
            with ExitStack() as fetching:
                proof = self._fetch(model, model.source, fetching.enter_context(_alone(part)))
                if proof.sha256 != model.sha256:
                    part.unlink()  # wrong bytes are no start for another try
                yield part, self._judged(model, part, proof)
                part.unlink()
        else:
            with tempfile.TemporaryDirectory(prefix="videogen-mirror-") as folder:
                path = Path(folder) / model.name
                with explained(path), path.open("wb") as file:
                    file.writelines(weights(model.name, model.size))
                yield path, self._judged(model, path, self._hashed(path, model.size))

    def _fetch(self, model: Model, source: Repository | Url, file: BinaryIO) -> PartHash:
        """Completes a download; what lies there already is hashed first and trusted only as a part of the whole."""
        assert model.size is not None
        assert self.origins is not None
        proof = PartHash(model.size)
        path = self._part(model)
        with explained(path):
            if _length(path) > model.size:
                file.truncate(0)
            file.seek(0)
            while piece := file.read(_PIECE):
                self._check()
                proof.update(piece)
            for piece in self.origins.read(source, proof.count, size=model.size, stop=self.halt):
                file.write(piece)
                proof.update(piece)
                if proof.count > model.size:
                    break
                self.progress(model.id, "fetched", proof.count, model.size)
            file.flush()
        return proof

    def _hashed(self, path: Path, size: int) -> PartHash:
        proof = PartHash(size)
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                self._check()
                proof.update(piece)
        return proof

    def _judged(self, model: Model, path: Path, proof: PartHash) -> PartHash:
        if proof.sha256 == model.sha256:
            return proof
        origin = str(path)
        if isinstance(model.source, Repository | Url) and self.origins is not None:
            origin = self.origins.address(model.source).split("?")[0]
        hint = "the file at the origin is another one than was pinned"
        raise WrongHash(f"model {model.id}: {origin} has sha256 {proof.sha256}, the manifest says {model.sha256}", hint)

    def _send(self, model: Model, path: Path, proof: PartHash) -> None:
        assert model.sha256 is not None
        key, size = model_key(model.sha256), proof.count

        def tell(sent: int) -> None:
            self._check()
            self.progress(model.id, "stored", sent, size)

        self.store.put_file(self.store.models, key, path, progress=tell, known_parts=proof.parts)
        with path.open("rb") as file:
            for start in sorted({0, max(0, size // 2 - _SAMPLE), max(0, size - _SAMPLE)}):
                file.seek(start)
                wanted = file.read(_SAMPLE)
                read = partial(self.store.read, self.store.models, key, stop=self.halt)
                if b"".join(read(start, len(wanted))) != wanted:
                    self.store.delete(self.store.models, key)
                    raise WrongHash(f"model {model.id}: the store gives back other bytes than it was sent", "try again")

    def _part(self, model: Model) -> Path:
        assert self.work is not None
        return self.work / f"{model.sha256}.part"

    def _check(self) -> None:
        if self.stop.is_set() or self.halt.is_set():
            raise Interrupted("the mirror was stopped", "what was fetched is kept; run it again to go on")


@contextmanager
def _alone(path: Path) -> Iterator[BinaryIO]:
    """The file, open to read and to go on writing, for one process at a time."""
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VideogenError(f"{path}: another mirror fetches it", "wait for it to end, or end it") from None
        yield file


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _say_nothing(name: str, what: str, done: int, size: int) -> None:
    """Progress for nobody."""
