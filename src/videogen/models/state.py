"""What the bucket and a disk have of a manifest's models."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from videogen.errors import InputError
from videogen.manifest import Manifest, Model
from videogen.models_folder import ModelsFolder
from videogen.store import Store, model_key
from videogen.sync_plan import SyncPlan, plan

State = Literal["ok", "unproven", "missing", "wrong", "not pinned", "empty"]
"""`ok`: the right bytes, or for a bucket the right size; `unproven`: the right size on a disk, not hashed."""
Progress = Callable[[str, int, int], None]
"""Model's id, bytes read, bytes in all."""
_PIECE = 1 << 20


@dataclass(frozen=True)
class Check:
    """What became of one proof."""

    model: str
    where: Literal["bucket", "disk"]
    state: State
    detail: str = ""


def in_bucket(manifest: Manifest, store: Store) -> dict[str, State]:
    """Model's id → what the bucket has of it, from one listing."""
    found = {stored.key: stored.size for stored in store.list(store.models, model_key(""))}
    return {model.id: _by_size(model, found.get(model_key(model.sha256 or ""))) for model in manifest.models}


def on_disk(manifest: Manifest, folder: Path) -> dict[str, State]:
    """Model's id → what a models folder has of it, without hashing anything."""
    states = {model.id: _by_size(model, None) for model in manifest.models}
    if not folder.is_dir():
        return states
    planned = _planned(manifest, folder)
    of_group: tuple[tuple[State, tuple[Model, ...]], ...] = (
        ("ok", planned.present),
        ("unproven", planned.to_verify),
        ("wrong", planned.wrong),
    )
    return states | {model.id: state for state, group in of_group for model in group}


def foreign(manifest: Manifest, folder: Path) -> tuple[str, ...]:
    """The files of a models folder that no model of the manifest names."""
    if not folder.is_dir():
        return ()
    return _planned(manifest, folder).foreign


def verify_bucket(manifest: Manifest, store: Store, *, read: bool, progress: Progress) -> Iterator[Check]:
    """Each model's object: its size, and with `read` all of its bytes."""
    for model in manifest.models:
        if model.is_empty:
            continue
        key = model_key(model.sha256 or "")
        found = store.head(store.models, key) if model.sha256 else None
        state = _by_size(model, found.size if found else None)
        detail = f"{found.size} bytes, not {model.size}" if found and state == "wrong" else ""
        if state == "ok" and read:
            assert model.size is not None
            got = _hash(model, store.read(store.models, key, 0, model.size), progress)
            state, detail = ("ok", "") if got == model.sha256 else ("wrong", f"sha256 {got}")
        yield Check(model.id, "bucket", state, detail)


def verify_disk(manifest: Manifest, folder: Path, *, progress: Progress) -> Iterator[Check]:
    """Each model's file, hashed whatever any record says."""
    for model in manifest.models:
        if model.is_empty:
            continue
        path = folder / model.file
        size = path.stat().st_size if path.is_file() else None
        state = _by_size(model, size)
        detail = f"{size} bytes, not {model.size}" if state == "wrong" else ""
        if state == "ok":
            with path.open("rb") as file:
                got = _hash(model, iter(lambda: file.read(_PIECE), b""), progress)
            state, detail = ("ok", "") if got == model.sha256 else ("wrong", f"sha256 {got}")
        yield Check(model.id, "disk", state, detail)


def _planned(manifest: Manifest, folder: Path) -> SyncPlan:
    try:
        disk = ModelsFolder(folder)
        return plan(manifest, disk.found(manifest), disk.verified())
    except OSError as error:
        hint = f"`videogen models verify --folder {folder}` only reads"
        raise InputError.of(str(folder), f"is no models folder to work in: {error.strerror}", hint) from error


def _by_size(model: Model, size: int | None) -> State:
    if model.is_empty:
        return "empty"
    if not model.runnable:
        return "not pinned"
    if size is None:
        return "missing"
    return "ok" if size == model.size else "wrong"


def _hash(model: Model, pieces: Iterator[bytes], progress: Progress) -> str:
    whole, done = hashlib.sha256(), 0
    for piece in pieces:
        whole.update(piece)
        done += len(piece)
        progress(model.id, done, model.size or done)
    return whole.hexdigest()
