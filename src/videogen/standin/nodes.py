"""What nodes do here: loaders look for their files, output nodes write theirs, the rest is only walked past.

All of it blocks; the executor calls it in a thread.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videogen.node_schema import FILE_LISTS, Schemas
from videogen.standin.faults import StandinFault
from videogen.standin.folders import Folders
from videogen.standin.prompt_queue import Item
from videogen.standin.renders import Progress, Renders
from videogen.standin.saved import described, numbered, spoil
from videogen.standin.scene import NotRenderable, frames_of, rate_of, scene_of
from videogen.standin.walk import links

if TYPE_CHECKING:  # too slow to import before the server listens
    from PIL.Image import Image

    from videogen.standin.pictures import Pictures

_MEDIA = {"LoadImage": "image", "LoadImageMask": "image", "LoadVideo": "file", "LoadAudio": "audio"}
_RETOUCH = frozenset(
    {"ColorTransfer", "FrameInterpolate", "GetVideoComponents", "ImageBatch", "ImageFromBatch", "ImageScale"}
    | {"ImageUpscaleWithModel", "LoadVideo", "SCAIL2ColoredMask"}
)
"""Classes that work on pictures: a video of what they make is made by them, and not by a sampler."""
_VIDEO_INPUTS = ("video", "images")


@dataclass
class Workshop:
    """The nodes of one prompt, with what they need. `rendered` holds output node → file already drawn for it."""

    item: Item
    schemas: Schemas
    folders: Folders
    renders: Renders
    faults: Mapping[str, StandinFault]
    metadata: bool
    check_stop: Callable[[], None]
    """Raises when somebody asked for the end."""
    rendered: dict[str, Path] = field(default_factory=dict)

    def locate(self, name: str) -> Path:
        """The file of a load node's name, which may end in ` [output]`; raises `FileNotFoundError`."""
        return located(self.folders, name)

    def render(self, output: str, progress: Progress) -> None:
        """Make the video of an output node ahead of it, while its sampler runs."""
        source = self._retouched(output)
        if source is None:
            scene = scene_of(self.item.prompt, self.schemas, output, self.locate)
            self.rendered[output] = self.renders.file(scene, progress, self._notes(), "instant" in self.faults)
            return
        from videogen.standin.film import write_film

        fps = rate_of(self.item.prompt, self.schemas, output, self.locate)
        length = frames_of(self.item.prompt, self.schemas, output)
        frames = self.pictures.of(source)

        def write(target: Path) -> None:
            write_film(frames, fps, target, lambda done: progress(min(done, length), length), self._notes())

        self.rendered[output] = self.renders.kept(object(), write)
        progress(length, length)

    def _retouched(self, output: str) -> str | None:
        """The node that makes an output's pictures of other pictures; None where they come as a sampler draws them."""
        node = output
        while link := next(
            (source for name, source, _ in links(self.item.prompt[node]) if name in _VIDEO_INPUTS), None
        ):
            node = link
            if self.item.prompt[node]["class_type"] in _RETOUCH:
                return node
        return None

    @property
    def pictures(self) -> Pictures:
        """The pictures of the prompt's nodes."""
        from videogen.standin.pictures import Pictures

        return Pictures(self.item.prompt, self.schemas, self.locate)

    def run(self, node_id: str) -> dict[str, Any] | None:
        """Do one node; what an output node shows, else None."""
        node = self.item.prompt[node_id]
        name = node["class_type"]
        self._check_files(name, node["inputs"])
        if not self.schemas[name].is_output:
            return None
        writers: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "SaveVideo": partial(self._save_video, node_id),
            "SaveImage": self._save_image,
            "PreviewImage": self._preview_image,
            "SaveAnimatedWEBP": self._save_webp,
        }
        if name not in writers:
            raise NotRenderable(f"the stand-in cannot run {name}; it can {', '.join(sorted(writers))}")
        return writers[name](node["inputs"])

    def _check_files(self, name: str, inputs: Mapping[str, Any]) -> None:
        for key, value in inputs.items():
            lists = FILE_LISTS.get((name, key))
            if lists is None or not isinstance(value, str) or value in lists.also:
                continue
            if lists.folder != "input":
                if value not in self.folders.located(lists.folder):
                    raise FileNotFoundError(f"Model in folder '{lists.folder}' with filename '{value}' not found.")
            elif lists.media == "image":
                from PIL import Image

                with Image.open(self.locate(value)) as picture:
                    picture.verify()

    def _save_video(self, node_id: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        target = self._target(self.folders.output, inputs, ".mp4")
        if "missing" not in self.faults:
            if node_id not in self.rendered:
                self.render(node_id, lambda _done, _length: self.check_stop())
            part = target.with_suffix(".part")
            shutil.copyfile(self.rendered[node_id], part)
            for how in ("black", "frozen", "truncated"):
                if how in self.faults:
                    spoil(part, how)
            os.replace(part, target)
        return {"images": [described(self.folders.output, target, "output")], "animated": [True]}

    def _save_image(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return self._pngs(self.folders.output, "output", str(inputs.get("filename_prefix", "ComfyUI")), inputs)

    def _preview_image(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        letters = "".join(random.choices(string.ascii_lowercase, k=5))
        return self._pngs(self.folders.temp, "temp", f"ComfyUI_temp_{letters}", inputs)

    def _pngs(self, root: Path, kind: str, prefix: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        from PIL.PngImagePlugin import PngInfo

        notes = PngInfo()
        for key, text in self._notes().items():
            notes.add_text(key, text)
        folder, stem, number = numbered(root, prefix)
        files = []
        for offset, picture in enumerate(self._pictures(inputs)):
            file = folder / f"{stem}_{number + offset:05}_.png"
            picture.save(file, pnginfo=notes, compress_level=4)
            files.append(described(root, file, kind))
        return {"images": files}

    def _save_webp(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        target = self._target(self.folders.output, inputs, ".webp")
        first, *rest = self._pictures(inputs)
        duration = round(1000 / float(inputs["fps"]))
        first.save(target, save_all=True, append_images=rest, duration=duration, quality=inputs["quality"])
        return {"images": [described(self.folders.output, target, "output")], "animated": [True]}

    def _pictures(self, inputs: Mapping[str, Any]) -> list[Image]:
        from PIL.Image import fromarray

        return [fromarray(pixels) for pixels in self.pictures.of(*inputs["images"])]

    def _target(self, root: Path, inputs: Mapping[str, Any], suffix: str) -> Path:
        folder, stem, number = numbered(root, str(inputs["filename_prefix"]))
        return folder / f"{stem}_{number:05}_{suffix}"

    def _notes(self) -> dict[str, str]:
        """What is written into files beside the pixels: the prompt, and what its sender wants kept."""
        if not self.metadata:
            return {}
        kept = self.item.extra.get("extra_pnginfo") or {}
        return {"prompt": json.dumps(self.item.prompt)} | {key: json.dumps(value) for key, value in kept.items()}


def located(folders: Folders, name: str) -> Path:
    """The file that a load node names; raises `FileNotFoundError` also for a name that leads out of its directory."""
    kind = "input"
    for word in ("input", "output", "temp"):
        if name.endswith(f" [{word}]"):
            kind, name = word, name.removesuffix(f" [{word}]")
    root = folders.directory(kind)
    file = Path(os.path.normpath(root / name)) if root else None
    if root is None or file is None or root not in file.parents or not file.is_file():
        raise FileNotFoundError(f"{name}: not in the {kind} directory")
    return file


def identity(folders: Folders, node: Mapping[str, Any]) -> str:
    """What a load node's result depends on beside its inputs: the state of the file."""
    key = _MEDIA.get(node["class_type"])
    name = node["inputs"].get(key) if key else None
    if not isinstance(name, str):
        return ""
    try:
        state = located(folders, name).stat()
    except FileNotFoundError:
        return "absent"
    return f"{state.st_mtime_ns} {state.st_size}"
