"""A worker's root folder: where everything of it lies, and the manifest that it keeps between boots."""

import threading
from pathlib import Path

from videogen import manifest
from videogen.disk import explained, written
from videogen.errors import InputError, ObjectMissing, WrongHash
from videogen.stack_outputs import Store as Place
from videogen.stack_outputs import StoreAccess

_FOLDERS = ("models", "input", "outputs", "temp", "user", "cache/manifests", "repos")


class WorkerDisk:
    """The folders under one root; made when they do not exist. Raises `InputError` where they cannot be."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models = root / "models"
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
