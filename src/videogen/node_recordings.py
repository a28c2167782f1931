"""The node schemas that count: those recorded for the image's pinned ComfyUI, or one server's own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from videogen import node_schema, project
from videogen.errors import InputError
from videogen.node_schema import Schemas


@dataclass(frozen=True)
class Recording:
    """Node classes, and which server they are believed of."""

    schemas: Schemas
    about: str
    """For people: `ComfyUI 0.38.1 (the image's pin), from core-0.27.json, native-0.38.json`."""
    options: Mapping[str, Sequence[str]] | None = None
    """Folder → model files that the server listed; nothing where no server was asked."""
    newer: Mapping[str, str] = field(default_factory=dict)
    """Node class that this server lacks → the version that the image pins, and that has it."""


def recorded() -> Recording:
    """The recordings beside the image's pin; raises `InputError` where they cannot be read."""
    folder = project.root() / "images" / "comfyui"
    files = sorted((folder / "node_schemas").glob("*.json"))
    schemas = node_schema.merge(*(node_schema.parse(_read(file), project.shown(file)) for file in files))
    pins = yaml.safe_load(project.read(folder / "pins.yaml"))
    names = ", ".join(file.name for file in files)
    return Recording(schemas, f"ComfyUI {pins['comfyui']['version']} (the image's pin), from {names}")


def of_server(file: Path) -> Recording:
    """A server's `GET /object_info`, saved as it came; raises `InputError`."""
    schemas = node_schema.parse(_read(file), project.shown(file))
    pinned = recorded()
    newer = dict.fromkeys(pinned.schemas.keys() - schemas.keys(), pinned.about.split(" (")[0])
    return Recording(schemas, f"the server of {project.shown(file)}", node_schema.model_files(schemas), newer)


def _read(file: Path) -> dict[str, object]:
    try:
        data = json.loads(project.read(file))
    except json.JSONDecodeError as error:
        raise InputError.of(f"{project.shown(file)}:{error.lineno}", f"is not JSON: {error.msg}") from error
    if not isinstance(data, dict) or not data:
        hint = "`curl http://127.0.0.1:8188/object_info` writes one"
        raise InputError.of(project.shown(file), "is no answer of /object_info", hint)
    return data
