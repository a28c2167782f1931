"""One entry of the manifest: a weights file, where it comes from and where it goes."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, Tag, field_validator

from videogen.document import Schema

PhaseName = Literal["a", "b", "c"]

ComfyFolder = Literal[
    "diffusion_models", "text_encoders", "vae", "clip_vision", "loras", "controlnet", "model_patches",
    "upscale_models", "checkpoints", "frame_interpolation", "detection",
]  # fmt: skip
"""Folder keys that ComfyUI 0.38 knows; an unknown key would create a new folder type without a word."""

Folder = Literal[
    "wan2.2", "text_encoders", "lora", "scail", "uni3c", "vae", "clip_vision", "upscale", "frame_interpolation", "sam3",
    "checkpoints", "controlnet", "detection",
]  # fmt: skip
"""First folder of a file under `${ROOT}/models`."""

OUR_FOLDER: Mapping[str, Folder] = {
    "diffusion_models": "wan2.2", "text_encoders": "text_encoders", "vae": "vae", "clip_vision": "clip_vision",
    "loras": "lora", "controlnet": "controlnet", "model_patches": "uni3c", "upscale_models": "upscale",
    "checkpoints": "checkpoints", "frame_interpolation": "frame_interpolation", "detection": "detection",
}  # fmt: skip
"""ComfyUI's folder → where a new entry's file goes, unless somebody says otherwise."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Repository(Schema):
    """A file of a model repository at a fixed revision."""

    repository: str
    revision: str
    path: str


class Url(Schema):
    """A file at an https address."""

    url: str

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        if not parts.hostname or not (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        ):
            raise ValueError(f"should be an https address, got {value!r}")
        return value


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
    | Annotated[Literal["bring-your-own", "stand-in", "empty"], Tag("word")],
    Discriminator(_kind),
]
"""`bring-your-own`: the user puts the file into the store; `stand-in`: the stand-in ComfyUI writes it;
`empty`: a slot that nobody has filled yet."""


class Slot(Schema):
    """Makes an entry one that a user fills with an own file; the workflows that name it do not change."""

    empty: Literal["official", "missing"]
    """While nobody has filled it: take the official file of the same name, or say that it is missing."""
    pair: str | None = None
    """Name of a slot that is filled together with this one or not at all."""


class Model(Schema):
    """One weights file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    variant: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")] | None = None
    """Tells apart entries of one name, of which each phase has one."""
    slot: Slot | None = None
    role: str
    file: str
    comfy_folder: ComfyFolder
    size: Annotated[int, Field(gt=0)] | None = None
    estimate: Annotated[int, Field(gt=0)] | None = None
    """About how many bytes, for plans, while `size` is not known."""
    sha256: str | None = None
    source: Source
    license: str
    phases: tuple[PhaseName, ...] = ("a", "b", "c")
    """Whose workers hold it; none: known, and on no worker's disk."""
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
        allowed = get_args(Folder)
        if path.parts[0] not in allowed:
            raise ValueError(f"first folder {path.parts[0]!r} is not one of: {', '.join(allowed)}")
        return value

    @property
    def id(self) -> str:
        """`name`, or `name/variant`: names one entry of the manifest."""
        return f"{self.name}/{self.variant}" if self.variant else self.name

    @property
    def runnable(self) -> bool:
        """Size and hash are known, so that its bytes can be proven."""
        return self.size is not None and self.sha256 is not None

    @property
    def expected_bytes(self) -> int:
        """Of the file, by `estimate` while nobody knows; 0 without either."""
        return self.size or self.estimate or 0

    @property
    def is_empty(self) -> bool:
        """It is a slot that nobody has filled."""
        return self.source == "empty"

    @property
    def folder(self) -> str:
        """The folder under `${ROOT}/models` that ComfyUI lists for `comfy_folder`."""
        return PurePosixPath(self.file).parts[0]

    @property
    def comfy_name(self) -> str:
        """The name under which ComfyUI lists the file in `comfy_folder`."""
        return str(PurePosixPath(*PurePosixPath(self.file).parts[1:]))
