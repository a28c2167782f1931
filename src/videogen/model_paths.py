"""ComfyUI's `extra_model_paths.yaml`, made from the manifest.

ComfyUI answers most mistakes in that file by looking in a wrong place without a word, so what is rendered is parsed
back before it is used, and compared with what ComfyUI says once it runs.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from videogen.errors import InputError
from videogen.manifest import Manifest
from videogen.project import template

NAME = "extra_model_paths.yaml"
_GROUP = "videogen"


def render(manifest: Manifest, models_dir: Path, custom_nodes: Path | None = None) -> str:
    """The file's text: one group with an absolute base path whose folders ComfyUI searches first.

    Raises `InputError` for a path that ComfyUI would not read as it is written.
    """
    for path in (models_dir, custom_nodes):
        if path is not None:
            _refuse_odd(path)
    folders = manifest.folders()
    text = template(f"{NAME}.j2").render(
        base_path=str(models_dir),
        folder_types=folders,
        custom_nodes=str(custom_nodes) if custom_nodes else None,
        quoted=_quoted,
    )
    wanted: dict[str, object] = {"base_path": str(models_dir), "is_default": True}
    wanted |= {folder_type: "\n".join(lines) for folder_type, lines in folders.items()}
    wanted |= {"custom_nodes": str(custom_nodes)} if custom_nodes else {}
    try:
        read_back = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError.of(str(models_dir), f"cannot be written into {NAME}: {error}") from error
    if read_back != {_GROUP: wanted}:
        raise InputError.of(str(models_dir), f"{NAME} reads back differently", "choose a plainer path")
    return text


def differences(manifest: Manifest, models_dir: Path, folder_paths: Mapping[str, list[str]]) -> list[str]:
    """Where ComfyUI's `/internal/folder_paths` is not what was rendered, as sentences; none when all is right."""
    found: list[str] = []
    for folder_type, folders in manifest.folders().items():
        wanted = {str(models_dir / folder) for folder in folders}
        # ours are the default, so they come first, in any order
        first = folder_paths.get(folder_type, [])[: len(wanted)]
        if set(first) != wanted:
            found.append(f"{folder_type}: ComfyUI looks in {_listed(first)} first, not in {_listed(sorted(wanted))}")
    return found


def _refuse_odd(path: Path) -> None:
    """ComfyUI expands variables, splits at line ends and keeps blanks at the ends of a line."""
    text = str(path)
    if not path.is_absolute():
        raise InputError.of(text, "should be an absolute path; ComfyUI would take it relative to the file")
    if "$" in text or not text.isprintable() or text != text.strip():
        raise InputError.of(repr(text), f"holds a character that {NAME} cannot carry", "choose a plainer path")


def _quoted(text: str) -> str:
    """A YAML scalar in double quotes: JSON's strings are a subset of them."""
    return json.dumps(text, ensure_ascii=False)


def _listed(paths: list[str]) -> str:
    return ", ".join(paths) or "no folder"
