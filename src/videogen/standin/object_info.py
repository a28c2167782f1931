"""`/object_info`: the recorded classes, with the files that lie on this machine now."""

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from videogen.node_schema import FILE_LISTS, Schemas, merge, parse
from videogen.standin.folders import Folders

_SUFFIXES = {
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tiff", ".avif"),
    "video": (".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v", ".gif"),
    "audio": (".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a"),
}


def load(folder: Path) -> Schemas:
    """All recorded files of a folder in the order of their names; of equal classes the later file counts.

    Raises `FileNotFoundError` where there is none.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise FileNotFoundError(f"{folder}: no recorded object_info (*.json); say where with --node-schemas")
    return merge(*(parse(json.loads(file.read_text(encoding="utf-8")), file.name) for file in files))


def answer(names: Iterable[str], schemas: Schemas, folders: Folders) -> dict[str, Any]:
    """What the server says of these classes; unknown ones are left out, as the real server does."""
    known = [name for name in names if name in schemas]
    choices = folders.choices(known, schemas)
    return {name: _entry(name, schemas[name].recorded, choices) for name in known}


def _entry(name: str, recorded: Mapping[str, Any], choices: Mapping[str, list[str]]) -> dict[str, Any]:
    outputs = recorded.get("output", [])
    entry = {
        "name": name,
        "display_name": name,
        "description": "",
        "python_module": "standin",
        "output_is_list": [False] * len(outputs),
        "output_node": False,
        **recorded,
    }
    listing = [item for item in FILE_LISTS if item[0] == name]
    if listing:
        entry["input"] = deepcopy(entry["input"])
    for _, key in listing:
        lists = FILE_LISTS[name, key]
        for group in entry["input"].values():
            if key in group and lists.folder in choices:
                files = choices[lists.folder]
                if lists.media:
                    files = sorted(file for file in files if "/" not in file and _is(lists.media, file))
                _put(group[key], [*files, *lists.also])
    return entry


def _put(spec: list[Any], files: list[str]) -> None:
    if isinstance(spec[0], list):
        spec[0] = files
    else:
        spec[1]["options"] = files


def _is(media: str, file: str) -> bool:
    return file.lower().endswith(_SUFFIXES[media])
