"""Makes a worker's models folder equal the manifest.

What was proven earlier and left alone since is believed, so a warm folder takes milliseconds; everything else is hashed
or fetched. Files that no model names are reported and stay.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal

from videogen.disk import require_free, spell_bytes
from videogen.download import fetch, hash_file, unfetched
from videogen.errors import Interrupted, NotReady, ObjectMissing, WrongHash
from videogen.manifest import Manifest, Model
from videogen.models_folder import ModelsFolder
from videogen.store import Store, model_key
from videogen.sync_plan import VerifiedFile, plan

_FILES = 4
_TELL_EVERY = 0.1


@dataclass(frozen=True)
class SyncProgress:
    """How far a sync is: bytes of all files that it verifies or fetches; `file` is the one that moved last."""

    file: str
    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    """From the store, since the sync began."""
    eta_seconds: float | None
    """Nothing while no rate is known."""


@dataclass(frozen=True)
class SyncReport:
    """What a sync found and did, by model name; `foreign` holds paths relative to the models folder."""

    present: tuple[str, ...]
    """Proven earlier."""
    verified: tuple[str, ...]
    """There already, and hashed now."""
    fetched: tuple[str, ...]
    unpinned: tuple[str, ...]
    """Not proven and not fetched, because the manifest has no size and hash for them."""
    foreign: tuple[str, ...]
    fetched_bytes: int
    seconds: float


def sync(
    manifest: Manifest,
    models_dir: Path,
    store: Store,
    *,
    progress: Callable[[SyncProgress], None] | None = None,
    stop: threading.Event | None = None,
    deadline_seconds: float,
) -> SyncReport:
    """Returns when every pinned model lies in the folder with the right bytes; other syncs of the folder wait for it.

    What arrived before a failure is used by the next sync. `progress` is called by one thread at a time, at most ten
    times a second. Raises `ObjectMissing` and `DiskFull` before anything is fetched, `WrongHash`, `StoreUnreachable`,
    `Interrupted` after `stop` was set, `NotReady` at the deadline.
    """
    work = _Work(ModelsFolder(models_dir), store, progress, stop or threading.Event(), deadline_seconds)
    with work.folder.locked(work.deadline, work.stop):
        found = plan(manifest, work.folder.found(manifest), work.folder.verified())
        work.total = sum(model.size or 0 for model in found.to_verify + found.to_fetch)
        work.together(partial(work.verify, model) for model in found.to_verify)
        verified = tuple(model for model in found.to_verify if model.name in work.proven)
        to_fetch = found.to_fetch + tuple(model for model in found.to_verify if model not in verified)
        work.fetch_all(to_fetch)
        work.tell_the_end()
    return SyncReport(
        present=_names(found.present),
        verified=_names(verified),
        fetched=_names(to_fetch),
        unpinned=_names(found.unpinned),
        foreign=found.foreign,
        fetched_bytes=work.fetched,
        seconds=time.monotonic() - work.began,
    )


def _names(models: Iterable[Model]) -> tuple[str, ...]:
    return tuple(model.name for model in models)


class _Work:
    """One sync under way."""

    def __init__(
        self,
        folder: ModelsFolder,
        store: Store,
        progress: Callable[[SyncProgress], None] | None,
        stop: threading.Event,
        deadline_seconds: float,
    ) -> None:
        self.folder, self.store, self.progress, self.stop = folder, store, progress, stop
        self.began = time.monotonic()
        self.deadline = self.began + deadline_seconds
        self.halt = threading.Event()
        """Set when all threads shall end: on `stop`, at the deadline, after any failure."""
        self.total = self.done = self.fetched = 0
        self.proven: set[str] = set()
        self._last_file = ""
        self._told = 0.0
        self._counting = threading.Lock()

    def together(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Does all jobs, some at once; the first failure ends all and is raised."""
        with ThreadPoolExecutor(_FILES) as pool:
            running = {pool.submit(job) for job in jobs}
            pending = set(running)
            try:
                while pending and not any(future.exception() for future in running - pending):
                    _, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
                    self._check_time()
            finally:
                if pending:
                    self.halt.set()
                    pool.shutdown(wait=False, cancel_futures=True)
        errors = [error for future in running if not future.cancelled() and (error := future.exception())]
        if errors:  # those that were only told to end by another's failure come last
            raise min(errors, key=lambda error: isinstance(error, Interrupted))

    def verify(self, model: Model) -> None:
        """Hashes a file that lies there; proven when it is the manifest's."""
        found = hash_file(self.folder.path / model.file, partial(self._advance, model.file), self.halt)
        if found and found[0] == model.sha256:
            self.folder.record(model.file, VerifiedFile.of(found[1], found[0]))
            self.proven.add(model.name)
        else:
            with self._counting:
                self.total += model.size or 0  # to be fetched as well

    def fetch_all(self, models: tuple[Model, ...]) -> None:
        """Fetches models, after it is sure that the store has them and the disk has room."""
        self.folder.forget_parts(keep=(model.sha256 or "" for model in models))
        require_free(self.folder.path, sum(unfetched(model, self.folder) for model in models))
        absent: list[Model] = []
        self.together(partial(self._look_up, model, absent) for model in models)
        if absent:
            listed = ", ".join(f"{model.name} ({model_key(model.sha256 or '')})" for model in absent)
            raise ObjectMissing(
                f"bucket {self.store.models} has no bytes of: {listed}", "`videogen models mirror` brings them there"
            )
        by_hash = sorted(models, key=lambda model: (-(model.size or 0), model.sha256 or ""))
        groups = [tuple(same) for _, same in groupby(by_hash, key=lambda model: model.sha256)]
        self.together(partial(self._fetch_same, same) for same in groups)

    def _look_up(self, model: Model, absent: list[Model]) -> None:
        stored = self.store.head(self.store.models, model_key(model.sha256 or ""), stop=self.halt)
        if stored is None:
            absent.append(model)
        elif stored.size != model.size:
            raise WrongHash(
                f"model {model.name}: {stored.bucket}/{stored.key} holds {stored.size} bytes, not {model.size}",
                "the object in the store is damaged: remove it there and mirror the model again",
            )

    def _fetch_same(self, models: tuple[Model, ...]) -> None:
        """Models with equal bytes share the name of their part, so one after the other."""
        for model in models:
            proof = fetch(model, self.folder, self.store, partial(self._advance, model.file), self.halt)
            self.folder.record(model.file, proof)

    def _check_time(self) -> None:
        if self.stop.is_set():
            raise Interrupted("the sync was stopped; what arrived is kept for the next one")
        if time.monotonic() > self.deadline:
            allowed = self.deadline - self.began
            raise NotReady(
                f"after {allowed:.0f} s {spell_bytes(self.done)} of {spell_bytes(self.total)} are in place",
                "what arrived is kept for the next sync; allow more time, or use a store that is nearer",
            )

    def _advance(self, file: str, count: int, origin: Literal["disk", "store"]) -> None:
        with self._counting:
            self.done += count
            self.fetched += count if origin == "store" else 0
            self._last_file = file
            now = time.monotonic()
            if now - self._told >= _TELL_EVERY:
                self._told = now
                self._tell(now)

    def tell_the_end(self) -> None:
        """The last progress, which is never left out."""
        if self.total:
            self._tell(time.monotonic())

    def _tell(self, now: float) -> None:
        if self.progress is None:
            return
        rate = self.fetched / max(now - self.began, 1e-6)
        eta = (self.total - self.done) / rate if rate else None
        self.progress(SyncProgress(self._last_file, self.done, self.total, rate, eta))
