"""The manifest: which model files a worker's disk must hold, byte for byte.

`models_manifest.yaml` is the single source of truth; workflows use a model's `name` and nothing else.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from videogen.document import Document, Schema, did_you_mean
from videogen.errors import Fault, InputError

PhaseName = Literal["a", "b", "c"]

ComfyFolder = Literal[
    "diffusion_models", "text_encoders", "vae", "clip_vision", "loras", "controlnet", "model_patches",
    "upscale_models", "checkpoints", "frame_interpolation", "detection",
]  # fmt: skip
"""Folder keys that ComfyUI 0.38 knows; an unknown key would create a new folder type without a word."""

Folder = Literal[
    "wan2.2", "text_encoders", "lora", "scail", "uni3c", "vae", "clip_vision", "upscale", "frame_interpolation", "sam3"
]
"""First folder of a file under `${ROOT}/models`."""


class Repository(Schema):
    """A file of a model repository at a fixed revision."""

    repository: str
    revision: str
    path: str


class Url(Schema):
    """A file at an https address."""

    url: str


class LocalFile(Schema):
    """A file of this machine, relative to the manifest's folder."""

    local: str


def _kind(source: Any) -> str:
    if isinstance(source, str):
        return "word"
    keys = source if isinstance(source, dict) else vars(source)
    return next((kind for kind in ("url", "local") if kind in keys), "repository")


Source = Annotated[
    Annotated[Repository, Tag("repository")]
    | Annotated[Url, Tag("url")]
    | Annotated[LocalFile, Tag("local")]
    | Annotated[Literal["bring-your-own", "stand-in"], Tag("word")],
    Discriminator(_kind),
]
"""`bring-your-own`: the user puts the file into the store; `stand-in`: the stand-in ComfyUI writes it."""


class Model(Schema):
    """One weights file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    role: str
    file: str
    comfy_folder: ComfyFolder
    size: Annotated[int, Field(gt=0)] | None = None
    sha256: str | None = None
    source: Source
    license: str
    phases: tuple[PhaseName, ...] = ("a", "b", "c")
    aliases: tuple[str, ...] = ()

    @field_validator("sha256")
    @classmethod
    def _sha256(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[0-9a-f]{64}", value):
            raise ValueError(f"should be 64 hex digits in lower case, got {len(value)} characters")
        return value

    @field_validator("file")
    @classmethod
    def _file(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or str(path) != value or len(path.parts) < 2:
            raise ValueError(
                f"should be a path inside the models folder such as `vae/{path.name or 'x'}`, got {value!r}"
            )
        allowed = Folder.__args__  # type: ignore[attr-defined]  # a Literal's words; typing has no public name for them
        if path.parts[0] not in allowed:
            raise ValueError(f"first folder {path.parts[0]!r} is not one of: {', '.join(allowed)}")
        return value

    @property
    def runnable(self) -> bool:
        """Size and hash are known, so that its bytes can be proven."""
        return self.size is not None and self.sha256 is not None

    @property
    def folder(self) -> str:
        """The folder under `${ROOT}/models` that ComfyUI lists for `comfy_folder`."""
        return PurePosixPath(self.file).parts[0]

    @property
    def comfy_name(self) -> str:
        """The name under which ComfyUI lists the file in `comfy_folder`."""
        return str(PurePosixPath(*PurePosixPath(self.file).parts[1:]))


class Manifest(Schema):
    """All models."""

    version: Literal[1] = Field(alias="schema")
    models: tuple[Model, ...]

    def select(self, phase: PhaseName) -> "Manifest":
        """The models of one phase."""
        return self.model_copy(update={"models": tuple(model for model in self.models if phase in model.phases)})

    def named(self, name: str) -> Model:
        """The model of that name; raises `KeyError`."""
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the file's order."""
        return tuple(model.name for model in self.models)

    @property
    def size(self) -> int:
        """Bytes of all models whose size is known."""
        return sum(model.size or 0 for model in self.models)

    def folders(self) -> dict[str, list[str]]:
        """ComfyUI's folder key → folders under `${ROOT}/models`, for `extra_model_paths.yaml`."""
        found: dict[str, list[str]] = {}
        for model in self.models:
            lines = found.setdefault(model.comfy_folder, [])
            if model.folder not in lines:
                lines.append(model.folder)
        return found


def parse(text: str, name: str) -> Manifest:
    """The manifest in `text`; raises `InputError` with every fault, also those between entries."""
    document = Document(text, name)
    manifest = document.load(Manifest)
    found = list(_between_entries(manifest, document))
    if found:
        raise InputError(found)
    return manifest


def digest(text: str) -> str:
    """Names one revision of a manifest: SHA-256 of its text."""
    return hashlib.sha256(text.encode()).hexdigest()


def require(manifest: Manifest, name: str, address: str) -> Model:
    """The model called `name`, ready to run; raises `InputError` at `address` otherwise.

    An alias is told the canonical name; a model without hash and size is not runnable.
    """
    for model in manifest.models:
        if name in model.aliases:
            raise InputError.of(address, f"`{name}` is an alias", f"write its name: `{model.name}`")
        if model.name == name and not model.runnable:
            raise InputError.of(
                address,
                f"model `{name}` has no size and sha256 in the manifest",
                f"`videogen models pin {name}` fills them",
            )
    try:
        return manifest.named(name)
    except KeyError:
        message = f"no model `{name}` in the manifest"
        raise InputError.of(address, message, did_you_mean(name, manifest.names)) from None


def _between_entries(manifest: Manifest, document: Document) -> Iterator[Fault]:
    """Two entries may not share a name, a target file (in any letter case) or a name in ComfyUI's list."""
    models = manifest.models
    rules: Iterable[tuple[str, list[str]]] = (
        ("name", [model.name for model in models]),
        ("file", [model.file.casefold() for model in models]),
        ("comfy_folder", [f"{model.comfy_folder}/{model.comfy_name}" for model in models]),
    )
    for key, values in rules:
        counts = Counter(values)
        seen: set[str] = set()
        for index, value in enumerate(values):
            if counts[value] > 1 and value in seen:
                first = values.index(value)
                yield document.fault(("models", index, key), f"is the same as that of models/{first}: {value}")
            seen.add(value)
    names = set(manifest.names)
    for index, model in enumerate(models):
        for alias in model.aliases:
            if alias in names:
                yield document.fault(("models", index, "aliases"), f"`{alias}` is the name of a model")
