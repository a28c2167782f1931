"""A worker's root folder: where everything of it lies, and the manifest that it keeps between boots."""

import os
import threading
from pathlib import Path

from videogen import manifest
from videogen.disk import explained, written
from videogen.disk_plan import Volume, layout
from videogen.errors import InputError, ObjectMissing, WrongHash
from videogen.stack_outputs import Store as Place
from videogen.stack_outputs import StoreAccess

_FOLDERS = ("models", "input", "outputs", "temp", "user", "cache/manifests", "repos")


class WorkerDisk:
    """The folders of a workspace; made when they do not exist. Raises `InputError` where they cannot be.

    `volume`: something is mounted at `<workspace>/data`. Where it can be written, it holds everything, and models that
    it has no room for lie beside it in `overflow`; where not, its models are `shared` and everything else lies beside.
    """

    def __init__(self, workspace: Path, *, volume: bool = False) -> None:
        found = layout(workspace, _kind(workspace / "data") if volume else "none")
        self.root = root = found.root
        self.overflow, self.shared = found.overflow, found.shared
        self.models = root / "models"
        self.sync_log = root / "cache" / "sync.jsonl"
        """What the last sync did, one event a line (`videogen.sync_events`)."""
        self.comfyui_log = root / "cache" / "comfyui.log"
        try:
            with explained(root):
                for folder in _FOLDERS:
                    (root / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError.of("environment: VIDEOGEN_WORKSPACE", f"cannot be used: {error}") from error

    def manifest_text(self, digest: str, place: Place, access: StoreAccess, stop: threading.Event) -> str:
        """The manifest of that digest; from the store when no earlier boot left it here.

        Raises `ObjectMissing`, `WrongHash`, other errors of the store, and `Interrupted` when `stop` is set.
        """
        kept = self.root / "cache" / "manifests" / f"{digest}.yaml"
        if kept.is_file() and manifest.digest(text := kept.read_bytes().decode(errors="replace")) == digest:
            return text
        from videogen.store import Store, manifest_key  # a warm boot goes on without its third of a second

        store = Store(place, access)
        key = manifest_key(digest)
        found = store.head(store.models, key, stop=stop)
        if found is None:
            hint = "`pulumi up` and `videogen models mirror` bring it there"
            raise ObjectMissing(f"bucket {store.models} has no manifest {key}", hint)
        text = b"".join(store.read(store.models, key, 0, found.size, stop=stop)).decode(errors="replace")
        if manifest.digest(text) != digest:
            raise WrongHash(f"{store.models}/{key} has sha256 {manifest.digest(text)}", "put the manifest there again")
        with written(kept) as file:
            file.write(text.encode())
        return text


def _kind(mounted: Path) -> Volume:
    """A volume that is not there yet is made like any folder, where that can be done."""
    if mounted.is_dir() and not os.access(mounted, os.W_OK):
        return "read-only"
    return "writable"
