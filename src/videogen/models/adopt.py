"""An existing ComfyUI models folder as entries of the manifest."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from videogen.errors import InputError
from videogen.manifest import Manifest
from videogen.model import OUR_FOLDER, ComfyFolder
from videogen.models_edit import Value

_OLD_NAMES = {"unet": "diffusion_models", "clip": "text_encoders"}
_DATA = {".safetensors", ".sft", ".gguf", ".onnx"}
_CODE = {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".torchscript"}

Progress = Callable[[str, int, int], None]
"""File's path in the folder, bytes read, bytes in all."""


@dataclass(frozen=True)
class Adopted:
    """What a folder holds."""

    entries: tuple[dict[str, Value], ...]
    """New ones, ready to append to the manifest."""
    known: dict[str, str]
    """File → id of the entry that has its bytes already."""
    left_out: dict[str, str]
    """File → why it gets no entry."""


def adopt(folder: Path, manifest: Manifest, progress: Progress) -> Adopted:
    """Reads every weights file of a ComfyUI models folder; raises `InputError` where it is none."""
    if not folder.is_dir():
        raise InputError.of(str(folder), "no such folder")
    homes = [path for path in sorted(folder.iterdir()) if path.is_dir() and _comfy_folder(path.name)]
    if not homes:
        hint = f"it should hold some of: {', '.join(get_args(ComfyFolder))}"
        raise InputError.of(str(folder), "is no models folder of a ComfyUI", hint)
    by_hash = {model.sha256: model.id for model in manifest.models if model.sha256}
    names, files = set(manifest.names), {model.file.casefold() for model in manifest.models}
    entries: list[dict[str, Value]] = []
    known: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for home in homes:
        comfy_folder = _comfy_folder(home.name) or ""
        for path in _weights(home):
            shown = str(path.relative_to(folder))
            if path.suffix.lower() not in _DATA:
                if path.suffix.lower() in _CODE:
                    left_out[shown] = "this format can carry code; take the safetensors of it"
                continue
            sha256 = _sha256(path, shown, progress)
            if sha256 in by_hash:
                known[shown] = by_hash[sha256]
                continue
            file = f"{OUR_FOLDER[comfy_folder]}/{path.relative_to(home).as_posix()}"
            if file.casefold() in files:
                left_out[shown] = f"the manifest has other bytes for {file}"
                continue
            name = _name(path.stem, names)
            names.add(name)
            files.add(file.casefold())
            by_hash[sha256] = name
            entries.append(
                {
                    "name": name,
                    "role": "say what it does",
                    "file": file,
                    "comfy_folder": comfy_folder,
                    "size": path.stat().st_size,
                    "sha256": sha256,
                    "source": {"local": str(path.resolve())},
                    "license": "say which",
                    "phases": [],
                }
            )
    return Adopted(tuple(entries), known, left_out)


def _comfy_folder(name: str) -> str | None:
    found = _OLD_NAMES.get(name, name)
    return found if found in OUR_FOLDER else None


def _weights(home: Path) -> Iterator[Path]:
    return (path for path in sorted(home.rglob("*")) if path.is_file() and not path.name.startswith("."))


def _sha256(path: Path, shown: str, progress: Progress) -> str:
    whole, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            whole.update(piece)
            done += len(piece)
            progress(shown, done, size)
    return whole.hexdigest()


def _name(stem: str, taken: set[str]) -> str:
    """A canonical name from a file's, which no other entry has."""
    name = re.sub(r"[^a-z0-9.]+", "-", stem.lower()).strip("-.") or "model"
    number = 2
    while (found := name if number == 2 else f"{name}-{number - 1}") in taken:
        number += 1
    return found
