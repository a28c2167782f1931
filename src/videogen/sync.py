"""Makes a worker's models folder equal the manifest.

What was proven earlier and left alone since is believed, so a warm folder takes milliseconds; everything else is hashed
or fetched. Files that no model names are reported; they stay unless their removal was asked for.
"""

import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Literal

from videogen import sync_events as events
from videogen.disk import require_free, spell_bytes
from videogen.disk_plan import overflowing
from videogen.download import CONNECTIONS, Downloads, hash_file, unfetched
from videogen.errors import (
    DiskFull,
    Interrupted,
    LinkTooSlow,
    NotReady,
    ObjectMissing,
    RangeIgnored,
    StoreError,
    VideogenError,
    WrongHash,
)
from videogen.manifest import Manifest, Model
from videogen.models_folder import ModelsFolder
from videogen.store import Store, StoredObject, model_key
from videogen.sync_events import SyncEvent
from videogen.sync_plan import SyncPlan, VerifiedFile, plan

_HASHED_AT_ONCE = 4
_TELL_EVERY = 0.1
_LISTED_FROM = 100
"""So many models are looked up by one listing of the bucket, fewer by a HEAD each."""


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
    """What a sync found and did, by model name; files are relative to the models folder, or whole paths elsewhere."""

    present: tuple[str, ...]
    """Proven earlier."""
    verified: tuple[str, ...]
    """There already, and hashed now."""
    fetched: tuple[str, ...]
    unpinned: tuple[str, ...]
    """Not proven and not fetched, because the manifest has no size and hash for them."""
    foreign: tuple[str, ...]
    """Files that no model names, also on the other disk, and also those that were removed."""
    fetched_bytes: int
    seconds: float
    removed: tuple[str, ...] = ()
    overflow: tuple[str, ...] = ()
    """Fetched to the container's disk, for which the volume had no room."""


def sync(
    manifest: Manifest,
    models_dir: Path,
    store: Store,
    *,
    progress: Callable[[SyncProgress], None] | None = None,
    stop: threading.Event | None = None,
    deadline_seconds: float,
    tell: Callable[[SyncEvent], object] | None = None,
    remove_foreign: bool = False,
    floor_bytes_per_second: float = 0,
    floor_window_seconds: float = 30,
    overflow: Path | None = None,
    shared: Path | None = None,
) -> SyncReport:
    """Returns when every pinned model lies in the folder with the right bytes; other syncs of the folder wait for it.

    What arrived before a failure is used by the next sync. `progress` and `tell` are called by one thread at a time,
    progress at most ten times a second. `overflow`: a folder on another disk for the models that do not fit, which
    become links; `shared`: a models folder that cannot be written, whose files are linked. Raises `ObjectMissing` and
    `DiskFull` before anything is fetched, `WrongHash`, `StoreUnreachable`, `LinkTooSlow` when less than the floor came
    within the window, `Interrupted` after `stop` was set, `NotReady` at the deadline.
    """
    work = _Work(ModelsFolder(models_dir, overflow), store, progress, tell, stop or threading.Event(), deadline_seconds)
    work.floor, work.window = floor_bytes_per_second, floor_window_seconds
    try:
        with work.folder.locked(work.deadline, work.stop):
            return _sync(manifest, work, shared, remove_foreign=remove_foreign)
    except VideogenError as error:
        work.say(events.Failed(type(error).__name__, error.message, error.hint))
        raise


def _sync(manifest: Manifest, work: "_Work", shared: Path | None, *, remove_foreign: bool) -> SyncReport:
    folder = work.folder
    if shared:
        folder.adopt(shared, manifest)
    found = plan(manifest, folder.found(manifest), folder.verified(), remove_foreign=remove_foreign)
    work.begin(found)
    try:
        for file in found.remove:
            folder.remove(file)
            work.say(events.Removed(file))
        work.together([partial(work.verify, model) for model in found.to_verify], _HASHED_AT_ONCE)
        verified = tuple(model for model in found.to_verify if model.file in work.proven)
        to_fetch = found.to_fetch + tuple(model for model in found.to_verify if model not in verified)
        work.fetch_all(to_fetch, tuple(file for file in found.foreign if file not in found.remove))
    finally:
        if work.proven:
            folder.save()
    work.tell_the_end()
    return SyncReport(
        present=_names(found.present),
        verified=_names(verified),
        fetched=_names(to_fetch),
        unpinned=_names(found.unpinned),
        foreign=found.foreign,
        fetched_bytes=work.fetched,
        seconds=time.monotonic() - work.began,
        removed=found.remove,
        overflow=_names(model for model in to_fetch if model.file in folder.away),
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
        listener: Callable[[SyncEvent], object] | None,
        stop: threading.Event,
        deadline_seconds: float,
    ) -> None:
        self.folder, self.store, self.progress, self.listener, self.stop = folder, store, progress, listener, stop
        self.began = time.monotonic()
        self.deadline = self.began + deadline_seconds
        self.halt = threading.Event()
        """Set when all threads shall end: on `stop`, at the deadline, after any failure."""
        self.total = self.done = self.fetched = 0
        self.proven: set[str] = set()
        self.floor = self.window = 0.0
        self._samples: deque[tuple[float, int]] | None = None
        """Moments and bytes fetched by then, of one window; nothing while nobody fetches."""
        self._moved = Counter[str]()
        """Bytes of each file that counted as done; what is done once more counts twice in both sums."""
        self._unranged = False
        self._last_file = ""
        self._told = 0.0
        self._counting = threading.RLock()

    def begin(self, found: SyncPlan) -> None:
        """Says what is to be done."""
        self.total = sum(model.size or 0 for model in found.to_verify + found.to_fetch)
        planned = events.Planned(
            present=_names(found.present),
            to_verify=_names(found.to_verify),
            missing=_names(found.missing),
            wrong=_names(found.wrong),
            unpinned=_names(found.unpinned),
            foreign=found.foreign,
            bytes=self.total,
        )
        self.say(planned)

    def together(self, jobs: Sequence[Callable[[], None]], at_once: int) -> None:
        """Does all jobs, some at once; the first failure ends all and is raised."""
        with ThreadPoolExecutor(at_once) as pool:
            running = {pool.submit(job) for job in jobs}
            pending = set(running)
            try:
                while pending and not any(future.exception() for future in running - pending):
                    _, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
                    self._check_time()
            finally:
                if pending:
                    self.halt.set()
                    self.store.hang_up(self.halt)
                    pool.shutdown(wait=False, cancel_futures=True)
        errors = [error for future in running if not future.cancelled() and (error := future.exception())]
        if errors:  # those that were only told to end by another's failure come last
            raise min(errors, key=lambda error: isinstance(error, Interrupted))

    def verify(self, model: Model) -> None:
        """Hashes a file that lies there; proven when it is the manifest's."""
        found = hash_file(self.folder.path / model.file, self._advance, model.file, self.halt)
        right = found is not None and found[0] == model.sha256
        if found and right:
            self.folder.record(model.file, VerifiedFile.of(found[1], found[0]))
            self.proven.add(model.file)
        else:
            with self._counting:
                self.total += self._moved.pop(model.file, 0)  # to be fetched as well
        self.say(events.Verified(model.name, model.file, model.size or 0, right))

    def fetch_all(self, models: tuple[Model, ...], foreign: tuple[str, ...]) -> None:
        """Fetches models, after it is sure that the store has them and the disks have room."""
        self.folder.forget_parts(keep=(model.sha256 or "" for model in models))
        if not models:
            return
        self._find_room(models, foreign)
        stored: dict[str, StoredObject] = {}
        if len(models) < _LISTED_FROM:
            self.together([partial(self._look_up, model, stored) for model in models], CONNECTIONS)
        else:
            listed = {each.key: each for each in self.store.list(self.store.models, model_key(""))}
            for model in models:
                self._note(model, listed.get(model_key(model.sha256 or "")), stored)
        absent = [model for model in models if model.file not in stored]
        if absent:
            names = ", ".join(f"{model.name} ({model_key(model.sha256 or '')})" for model in absent)
            raise ObjectMissing(
                f"bucket {self.store.models} has no bytes of: {names}", "`videogen models mirror` brings them there"
            )
        by_hash = sorted(models, key=lambda model: (-(model.size or 0), model.sha256 or ""))
        groups = [tuple(same) for _, same in groupby(by_hash, key=lambda model: model.sha256)]
        # models with equal bytes share the name of their part, so one after the other
        for round_ in zip_longest(*groups):
            self._fetch([(model, stored[model.file]) for model in round_ if model])

    def _find_room(self, models: tuple[Model, ...], foreign: tuple[str, ...]) -> None:
        folder = self.folder
        if folder.overflow:
            free = shutil.disk_usage(folder.path).free
            folder.away = overflowing(models, free)
            needed = sum(unfetched(one, folder) for one in models if one.file in folder.away)
            require_free(folder.overflow, needed, self._idle(file for file in foreign if Path(file).is_absolute()))
        needed = sum(unfetched(one, folder) for one in models if one.file not in folder.away)
        require_free(folder.path, needed, self._idle(file for file in foreign if not Path(file).is_absolute()))

    def _idle(self, foreign: Iterable[str]) -> str:
        """What to do on a full disk, with the bytes on it that nobody needs; of a link not those that it leads to."""
        idle = sum((self.folder.path / file).lstat().st_size for file in foreign)
        more = f"; files that no model names take {spell_bytes(idle)}" if idle else ""
        return f"take a larger disk, or free space{more}"

    def _look_up(self, model: Model, stored: dict[str, StoredObject]) -> None:
        self._note(model, self.store.head(self.store.models, model_key(model.sha256 or ""), stop=self.halt), stored)

    @staticmethod
    def _note(model: Model, found: StoredObject | None, stored: dict[str, StoredObject]) -> None:
        if found and found.size != model.size:
            raise WrongHash(
                f"model {model.name}: {found.bucket}/{found.key} holds {found.size} bytes, not {model.size}",
                "the object in the store is damaged: remove it there and mirror the model again",
            )
        if found:
            stored[model.file] = found

    def _fetch(self, models: Sequence[tuple[Model, StoredObject]]) -> None:
        downloads = Downloads(models, self.folder, self.store, self._advance, self._landed, self._again, self.halt)
        self._samples = deque([(time.monotonic(), self.fetched)])
        full = False
        try:
            self.together([downloads.work] * CONNECTIONS, CONNECTIONS)
        except DiskFull:
            full = True
            raise
        finally:
            self._samples = None
            downloads.close(drop=full)

    def _landed(self, model: Model, proof: VerifiedFile, seconds: float) -> None:
        self.folder.record(model.file, proof)
        self.proven.add(model.file)
        self.say(events.Fetched(model.name, model.file, proof.size, seconds, model.file in self.folder.away))

    def _again(self, model: Model, fault: StoreError) -> None:
        with self._counting:
            self.total += self._moved.pop(model.file, 0)
            if not isinstance(fault, RangeIgnored):
                self.say(events.Again(model.name, fault.message))
            elif not self._unranged:
                self._unranged = True
                self.say(events.Unranged(model.name, fault.message))

    def _check_time(self) -> None:
        if self.stop.is_set():
            raise Interrupted("the sync was stopped; what arrived is kept for the next one")
        now = time.monotonic()
        if now > self.deadline:
            allowed = self.deadline - self.began
            raise NotReady(
                f"after {allowed:.0f} s {spell_bytes(self.done)} of {spell_bytes(self.total)} are in place",
                "what arrived is kept for the next sync; allow more time, or use a store that is nearer",
            )
        if self.floor and self._samples is not None:
            self._check_floor(self._samples, now)

    def _check_floor(self, samples: "deque[tuple[float, int]]", now: float) -> None:
        """Only what the store owes counts: at the end, or while this machine is busy hashing, slow is no fault."""
        if self.done >= self.total:
            return
        samples.append((now, self.fetched))
        while len(samples) > 2 and now - samples[1][0] >= self.window:
            samples.popleft()
        began, before = samples[0]
        if now - began < self.window:
            return
        rate = (self.fetched - before) / (now - began)
        if rate < self.floor:
            raise LinkTooSlow(
                f"{self.store.models}: {spell_bytes(rate)}/s in the last {now - began:.0f} s, "
                f"the floor is {spell_bytes(self.floor)}/s",
                "what arrived is kept for the next sync; use a store that is nearer, or a lower floor",
            )

    def _advance(self, file: str, count: int, origin: Literal["disk", "store"]) -> None:
        with self._counting:
            self.done += count
            self._moved[file] += count
            self.fetched += count if origin == "store" else 0
            self._last_file = file
            now = time.monotonic()
            if now - self._told >= _TELL_EVERY:
                self._told = now
                self._tell(now)

    def tell_the_end(self) -> None:
        """The last progress, which is never left out."""
        now = time.monotonic()
        if self.total:
            self.total = self.done
            self._tell(now)
        self.say(events.Ended(self.fetched, now - self.began))

    def _tell(self, now: float) -> None:
        rate = self.fetched / max(now - self.began, 1e-6)
        eta = (self.total - self.done) / rate if rate else None
        if self.progress:
            self.progress(SyncProgress(self._last_file, self.done, self.total, rate, eta))
        self.say(events.Moved(self._last_file, self.done, self.total, rate, eta))

    def say(self, event: SyncEvent) -> None:
        """Tells whoever listens."""
        if self.listener:
            with self._counting:
                self.listener(event)
