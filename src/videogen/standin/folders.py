"""Where models, inputs and outputs lie: ComfyUI's folder types and the `extra_model_paths.yaml` that adds to them.

The reader of that file aborts where the real one aborts, with the same exception: a YAML list or a null instead of a
path (`AttributeError`), an empty file or a scalar (`TypeError`), a missing file (`FileNotFoundError`).
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from videogen.node_schema import FILE_LISTS, Schemas
from videogen.standin.options import Options

_WEIGHTS = frozenset((".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"))
_OLD_NAMES = {"unet": "diffusion_models", "clip": "text_encoders"}
_ANY = frozenset[str]()

# Folder types of 0.38 with their sub-directories of models/, in the server's order.
_TYPES: dict[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints",),
    "configs": ("configs",),
    "loras": ("loras",),
    "vae": ("vae",),
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("unet", "diffusion_models"),
    "clip_vision": ("clip_vision",),
    "style_models": ("style_models",),
    "embeddings": ("embeddings",),
    "diffusers": ("diffusers",),
    "vae_approx": ("vae_approx",),
    "controlnet": ("controlnet", "t2i_adapter"),
    "gligen": ("gligen",),
    "upscale_models": ("upscale_models",),
    "latent_upscale_models": ("latent_upscale_models",),
    "custom_nodes": ("../custom_nodes",),
    "hypernetworks": ("hypernetworks",),
    "photomaker": ("photomaker",),
    "classifiers": ("classifiers",),
    "model_patches": ("model_patches",),
    "audio_encoders": ("audio_encoders",),
    "frame_interpolation": ("frame_interpolation",),
    "detection": ("detection",),
    "optical_flow": ("optical_flow",),
    "geometry_estimation": ("geometry_estimation",),
    "background_removal": ("background_removal",),
    "datasets": ("datasets",),
    "fonts": ("fonts",),
}
_EXTENSIONS = {
    "configs": frozenset((".yaml",)),
    "diffusers": _ANY,
    "custom_nodes": _ANY,
    "datasets": _ANY,
    "fonts": _ANY,
}
_IN_OUTPUT = ("checkpoints", "clip", "vae", "diffusion_models", "loras")


@dataclass
class _Type:
    paths: list[str]
    extensions: frozenset[str]
    """Empty: every file counts."""


@dataclass
class Folders:
    """The folder types of one server, and its input, output and temp directory."""

    input: Path
    output: Path
    temp: Path
    _types: dict[str, _Type] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Options) -> "Folders":
        """As ComfyUI lays them out: its own, then the extra files in order, then those under the output directory."""
        models = options.base / "models"
        folders = cls(options.input, options.output, options.temp)
        for name, subs in _TYPES.items():
            paths = [os.path.normpath(models / sub) for sub in subs]
            folders._types[name] = _Type(paths, _EXTENSIONS.get(name, _WEIGHTS))
        beside = options.base / "extra_model_paths.yaml"
        for file in (*((beside,) if beside.is_file() else ()), *options.extra_model_paths):
            folders.read_extra(file)
        for name in _IN_OUTPUT:
            folders.add(name, str(options.output / name), first=False)
        return folders

    def add(self, name: str, path: str, first: bool) -> None:
        """Put a directory under a folder type, a new one if there is none of that name."""
        kind = self._types.setdefault(_OLD_NAMES.get(name, name), _Type([], _ANY))
        if path in kind.paths:
            if not first:
                return
            kind.paths.remove(path)
        kind.paths.insert(0 if first else len(kind.paths), path)

    def read_extra(self, file: Path) -> None:
        """Add what one `extra_model_paths.yaml` names; raises where ComfyUI's start-up aborts."""
        groups = yaml.safe_load(file.read_text(encoding="utf-8"))
        for name in groups:
            group = groups[name]
            if group is None:
                continue
            base = group.pop("base_path", None)
            first = group.pop("is_default", False)
            if base:
                base = os.path.expandvars(os.path.expanduser(base))
                base = os.path.abspath(os.path.join(file.absolute().parent, base))
            for kind, block in group.items():
                for line in block.split("\n"):
                    if line:
                        self.add(kind, os.path.normpath(os.path.join(base or file.absolute().parent, line)), first)

    @property
    def paths(self) -> dict[str, list[str]]:
        """Folder type → its directories, first one wins."""
        return {name: list(kind.paths) for name, kind in self._types.items()}

    def files(self, folder: str) -> list[str]:
        """The files of a folder type, sorted, sub-directories with `/`; raises `KeyError` for an unknown type."""
        return sorted(self.located(folder))

    def located(self, folder: str) -> dict[str, tuple[Path, int]]:
        """Name → (path, index of the directory that holds it); of equal names the first directory wins."""
        kind = self._types[_OLD_NAMES.get(folder, folder)]
        found: dict[str, tuple[Path, int]] = {}
        for index, path in enumerate(kind.paths):
            for name in _walk(path):
                if not kind.extensions or os.path.splitext(name)[1].lower() in kind.extensions:
                    found.setdefault(name, (Path(path, name), index))
        return found

    def directory(self, kind: str) -> Path | None:
        """The directory of `input`, `output` or `temp`; None for any other word."""
        return {"input": self.input, "output": self.output, "temp": self.temp}.get(kind)

    def choices(self, classes: Iterable[str], schemas: Schemas) -> dict[str, list[str]]:
        """What the file inputs of these node classes may name just now, by folder."""
        wanted = {
            lists.folder
            for name in classes
            if name in schemas
            for item in schemas[name].inputs
            if (lists := FILE_LISTS.get((name, item.name)))
        }
        choices = {folder: self.files(folder) for folder in wanted - {"input"} if folder in self._types}
        if "input" in wanted:
            choices |= {kind: list(_walk(str(self.directory(kind)))) for kind in ("input", "output", "temp")}
        return choices


def _walk(root: str) -> Iterable[str]:
    for folder, subs, names in os.walk(root, followlinks=True):
        subs[:] = [sub for sub in subs if sub != ".git"]
        below = os.path.relpath(folder, root)
        for name in names:
            yield name if below == "." else f"{below}/{name}".replace(os.sep, "/")
