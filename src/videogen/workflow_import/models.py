"""The weights files that a graph names, by the manifest's names, and entries for those that it lacks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from videogen.graph import Prompt, title
from videogen.manifest import Manifest
from videogen.model import OUR_FOLDER, Model
from videogen.node_schema import Schemas
from videogen.workflow_import.walk import Place, places, target


@dataclass(frozen=True)
class FoundModel:
    """One file that the graph loads."""

    title: str
    input: str
    file: str
    folder: str | None
    """ComfyUI's folder key; nothing where the node class is not recorded."""
    name: str
    """In the manifest, or the one that it should get there."""
    known: bool
    """The manifest has it."""

    @property
    def entry(self) -> str | None:
        """An entry of the manifest to paste; nothing where the manifest cannot hold such a file."""
        if self.folder is None or self.folder not in OUR_FOLDER:
            return None
        lines = (
            f"- name: {self.name}",
            f"  role: {self.title}",
            f"  file: {OUR_FOLDER[self.folder]}/{PurePosixPath(self.file).name}",
            f"  comfy_folder: {self.folder}",
            "  source: bring-your-own",
            "  license: unknown",
        )
        return "\n".join(f"  {line}" for line in lines)


def models(nodes: Prompt, schemas: Schemas, manifest: Manifest) -> Iterator[FoundModel]:
    """Every weights file, in the order of the graph."""
    for place in places(nodes, schemas):
        if not place.loads or not isinstance(place.value, str):
            continue
        file = place.value.replace("\\", "/")
        folder = place.item.files.folder if place.item is not None and place.item.files is not None else None
        entry = _matching(file, folder, manifest)
        where, name = target(nodes, place)
        known = entry.name if entry else _slug(file, place, nodes)
        yield FoundModel(where, name, file, folder, known, known=entry is not None)


def _matching(file: str, folder: str | None, manifest: Manifest) -> Model | None:
    """The entry of that very file, else one of that file name in the same folder of ComfyUI."""
    here = [model for model in manifest.models if folder in (None, model.comfy_folder)]
    base = PurePosixPath(file).name
    exact = (model for model in here if model.comfy_name == file)
    near = (model for model in here if PurePosixPath(model.file).name == base)
    return next(exact, None) or next(near, None)


def _slug(file: str, place: Place, nodes: Prompt) -> str:
    stem = PurePosixPath(file).stem.lower()
    return re.sub(r"[^a-z0-9.]+", "-", stem).strip("-.") or re.sub(
        r"[^a-z0-9]+", "-", title(nodes[place.node_id]).lower()
    )
