"""The pictures that come out of a node: loaded, drawn, or made of other pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from videogen.node_schema import Schemas
from videogen.standin import retouch
from videogen.standin.media import Pixels, Reals, frames_in
from videogen.standin.render import render_frames
from videogen.standin.scene import Locate, NotRenderable, scene_of
from videogen.standin.walk import Prompt, links

_INPUTS = ("images", "image", "pixels", "samples", "video")
_FPS = 16.0
"""Of single pictures of a scene, which is nowhere said to be a video."""


@dataclass(frozen=True)
class Pictures:
    """The pictures of one prompt's nodes; nothing is computed before it is asked for."""

    prompt: Prompt
    schemas: Schemas
    locate: Locate

    def of(self, node_id: str, slot: int = 0) -> Iterator[Pixels]:
        """Rows × columns × 3, one after the other; raises `NotRenderable` where the stand-in knows none."""
        name, inputs = self.prompt[node_id]["class_type"], self.prompt[node_id]["inputs"]
        match name:
            case "EmptyImage":
                yield from _flat(inputs)
            case "LoadImage":
                yield self._loaded(inputs)
            case "LoadVideo":
                yield from frames_in(self.locate(str(inputs["file"])))
            case "ImageBatch":
                yield from self._batch(inputs)
            case "ImageFromBatch":
                yield from retouch.part(self._at(inputs["image"]), int(inputs["batch_index"]), int(inputs["length"]))
            case "ImageScale":
                size = int(inputs["width"]), int(inputs["height"])
                for picture in self._at(inputs["image"]):
                    yield retouch.scaled(picture, *size, inputs["upscale_method"], inputs["crop"])
            case "ImageUpscaleWithModel":
                yield from map(retouch.upscaled, self._at(inputs["image"]))
            case "FrameInterpolate":
                yield from retouch.interpolated(self._at(inputs["images"]), int(inputs["multiplier"]))
            case "ColorTransfer":
                like = next(self._at(inputs["image_ref"]))
                yield from retouch.recoloured(self._at(inputs["image_target"]), like, float(inputs["strength"]))
            case "SCAIL2ColoredMask":
                yield from self._masks(inputs, slot)
            case "VAEDecode" | "VAEDecodeTiled":
                yield from render_frames(scene_of(self.prompt, self.schemas, node_id, self.locate, _FPS))
            case _:
                link = next(([source, at] for key, source, at in links(self.prompt[node_id]) if key in _INPUTS), None)
                if link is None:
                    raise NotRenderable(f"the stand-in has no pictures for {name}")
                yield from self._at(link)

    def _at(self, link: Any) -> Iterator[Pixels]:
        return self.of(link[0], link[1])

    def _loaded(self, inputs: Any) -> Pixels:
        with Image.open(self.locate(inputs["image"])) as picture:
            return np.asarray(picture.convert("RGB"), np.uint8)

    def _batch(self, inputs: Any) -> Iterator[Pixels]:
        """`ImageBatch`: pictures of another size than the first one's are scaled to it."""
        first: Pixels | None = None
        for key in ("image1", "image2"):
            for picture in self._at(inputs[key]):
                first = picture if first is None else first
                same = picture.shape == first.shape
                yield picture if same else retouch.scaled(picture, first.shape[1], first.shape[0], "bilinear")

    def _masks(self, inputs: Any, slot: int) -> Iterator[Pixels]:
        """The movers' masks, or those of the reference, whose background is always black."""
        white = slot == 0 and inputs["replacement_mode"] is True
        link = inputs["driving_track_data" if slot == 0 else "ref_track_data"]
        yield from retouch.coloured(self._tracked(link), retouch.WHITE if white else retouch.BLACK)

    def _tracked(self, link: Any) -> Iterator[Reals]:
        node = self.prompt[link[0]]
        if node["class_type"] != "SAM3_VideoTrack":
            raise NotRenderable(f"the stand-in tracks nobody with {node['class_type']}")
        frames = list(self._at(node["inputs"]["images"]))
        return retouch.tracked(frames, retouch.still(frames))


def _flat(inputs: Any) -> Iterator[Pixels]:
    colour = int(inputs["color"])
    rgb = np.array((colour >> 16 & 255, colour >> 8 & 255, colour & 255), np.uint8)
    for _ in range(int(inputs["batch_size"])):
        yield np.broadcast_to(rgb, (int(inputs["height"]), int(inputs["width"]), 3)).copy()
