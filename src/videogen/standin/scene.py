"""What a graph wants to see: its character, motion, words, seed, size, length and frame rate, found by its links.

Nearest wins: of two samplers or two sizes the one closer to the output says what the video is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videogen.node_schema import Schemas
from videogen.standin.walk import Prompt, links, upstream

if TYPE_CHECKING:  # the renderer brings numpy and PyAV: too slow to import before the server listens
    from videogen.standin.render import Scene

Locate = Callable[[str], Path]
"""Name in a load node → file."""

_SAMPLERS = ("KSampler", "SamplerCustom")
_SHOWS_CHARACTER = ("reference_image", "start_image")
_SHOWS_MOTION = ("pose_video", "control_video", "render_video")
_GOES_ON = ("previous_frames", "start_image")
_SEEDS = ("noise_seed", "seed")
_HANDED_ON = {"ImageFromBatch": "image", "ImageScale": "image", "GetVideoComponents": "video"}
"""Classes on the way from a loaded video to where it is used, and the input by which they get it."""


@dataclass(frozen=True)
class Footage:
    """Frames of a loaded video."""

    file: str
    first: int
    length: int
    """How many; 0 means all that follow."""


class NotRenderable(ValueError):
    """The graph asks for something that the stand-in cannot draw."""


def is_sampler(prompt: Prompt, schemas: Schemas, node: str) -> bool:
    """Whether the node is one that ComfyUI steps through."""
    name = prompt[node]["class_type"]
    return name.startswith(_SAMPLERS) and "LATENT" in schemas[name].outputs


def sampler_of(prompt: Prompt, schemas: Schemas, output: str) -> str | None:
    """The last sampler before an output."""
    return next((node for node in upstream(prompt, output) if is_sampler(prompt, schemas, node)), None)


def steps_of(prompt: Prompt, schemas: Schemas, sampler: str) -> int:
    """How many steps a sampler does; at least one."""
    steps = _number(prompt, schemas, sampler, ("steps",))
    inputs = prompt[sampler]["inputs"]
    first, last = inputs.get("start_at_step", 0), inputs.get("end_at_step", 10_000)
    if not isinstance(first, int) or not isinstance(last, int):
        return max(1, int(steps or 1))
    return max(1, min(int(steps or 1), last) - first)


def frames_of(prompt: Prompt, schemas: Schemas, node: str) -> int:
    """How many pictures come out of a node."""
    inputs = prompt[node]["inputs"]
    match prompt[node]["class_type"]:
        case "ImageBatch":
            return sum(frames_of(prompt, schemas, inputs[name][0]) for name in ("image1", "image2"))
        case "FrameInterpolate":
            return (frames_of(prompt, schemas, inputs["images"][0]) - 1) * int(inputs["multiplier"]) + 1
        case "EmptyImage":
            return int(_value(prompt, schemas, node, "batch_size") or 1)
        case "LoadImage" | "LoadImageMask":
            return 1
    if "length" in inputs:
        return int(_value(prompt, schemas, node, "length") or 1)
    fed = {name: source for name, source, _ in links(prompt[node])}
    for name in ("images", "image", "samples", "latent_image", "video", "latent", "pixels", "positive"):
        if name in fed:
            return frames_of(prompt, schemas, fed[name])
    return int(_number(prompt, schemas, node, ("length", "batch_size")) or 1)


def scene_of(prompt: Prompt, schemas: Schemas, output: str, locate: Locate, fps: float | None = None) -> Scene:
    """The scene that ends at an output node; raises `NotRenderable`, or `ValueError` for a size out of bounds.

    `fps` is for pictures of which no node says how many a second there are.
    """
    from videogen.standin.render import Scene

    sampler = sampler_of(prompt, schemas, output)
    width, height = (_number(prompt, schemas, output, (name,)) for name in ("width", "height"))
    if width is None or height is None:
        raise NotRenderable("the stand-in draws only what has a width and a height somewhere in its graph")
    before = _footage_at(prompt, output, _GOES_ON)
    moves = _footage_at(prompt, output, _SHOWS_MOTION)
    motion = moves.file if moves else None
    if motion is None and before is None:
        motion = _loaded(prompt, output, _SHOWS_MOTION, "LoadVideo")
    image = _loaded(prompt, output, _SHOWS_CHARACTER, "LoadImage")
    strength = _number(prompt, schemas, output, ("pose_strength",))
    return Scene(
        image=locate(image) if image else None,
        motion=locate(motion) if motion else None,
        prompt=_words(prompt, schemas, sampler) if sampler else "",
        seed=_seed(prompt, schemas, output),
        width=int(width),
        height=int(height),
        length=frames_of(prompt, schemas, output),
        fps=fps or rate_of(prompt, schemas, output, locate),
        strength=1.0 if strength is None else float(strength),
        start=moves.first if moves else 0,
        before=locate(before.file) if before else None,
        tail=before.first if before else 0,
        shared=before.length if before else 0,
        replaces=any(prompt[node]["inputs"].get("replacement_mode") is True for node in upstream(prompt, output)),
    )


def _value(prompt: Prompt, schemas: Schemas, node: str, name: str) -> Any:
    """An input's value, through a link to a primitive; its default where it is left out; None where nobody says it."""
    inputs = prompt[node]["inputs"]
    value = inputs.get(name)
    if isinstance(value, list) and value[0] in prompt:
        return _value(prompt, schemas, value[0], "value")
    if value is None:
        known = (item for item in schemas[prompt[node]["class_type"]].inputs if item.name == name)
        return next((item.config.get("default") for item in known), None)
    return value


def _number(prompt: Prompt, schemas: Schemas, start: str, names: tuple[str, ...]) -> float | None:
    for node in upstream(prompt, start):
        for name in names:
            value = _value(prompt, schemas, node, name) if name in prompt[node]["inputs"] else None
            if isinstance(value, int | float):
                return value
    return None


def _seed(prompt: Prompt, schemas: Schemas, output: str) -> int:
    for node in upstream(prompt, output):
        if prompt[node]["inputs"].get("add_noise") not in ("disable", False):
            for name in _SEEDS:
                if name in prompt[node]["inputs"]:
                    value = _value(prompt, schemas, node, name)
                    if isinstance(value, int):
                        return value
    return 0


def _words(prompt: Prompt, schemas: Schemas, sampler: str) -> str:
    for node in upstream(prompt, sampler):
        for name, source, _ in links(prompt[node]):
            if name in ("positive", "conditioning"):
                for below in upstream(prompt, source):
                    text = _value(prompt, schemas, below, "text")
                    if isinstance(text, str):
                        return text
    return ""


def rate_of(prompt: Prompt, schemas: Schemas, output: str, locate: Locate) -> float:
    """Frames a second of what comes out of a node; raises `NotRenderable` where no node says it."""
    for node in upstream(prompt, output):
        if "fps" not in prompt[node]["inputs"]:
            continue
        value = _value(prompt, schemas, node, "fps")
        if isinstance(value, int | float):
            return float(value)
        source = _first(prompt, node, "LoadVideo")
        if source is not None:
            return _rate(locate(source))
    raise NotRenderable("the stand-in draws only what has a frame rate: an `fps` at CreateVideo")


def _rate(file: Path) -> float:
    import av

    with av.open(str(file)) as container:
        return float(container.streams.video[0].average_rate or 0)


def _loaded(prompt: Prompt, output: str, names: tuple[str, ...], loader: str) -> str | None:
    """The file that one of these inputs gets, in the order of their names; else the nearest loaded one."""
    for wanted in names:
        for node in upstream(prompt, output):
            for name, source, _ in links(prompt[node]):
                if name == wanted and (file := _first(prompt, source, loader)):
                    return file
    return _first(prompt, output, loader)


def _footage_at(prompt: Prompt, output: str, names: tuple[str, ...]) -> Footage | None:
    for wanted in names:
        for node in upstream(prompt, output):
            for name, source, _ in links(prompt[node]):
                if name == wanted and (found := footage(prompt, source)):
                    return found
    return None


def footage(prompt: Prompt, node: str) -> Footage | None:
    """The loaded video whose frames come out of a node as they are, at most cut and scaled."""
    first = length = 0
    while (name := prompt[node]["class_type"]) in _HANDED_ON:
        inputs = prompt[node]["inputs"]
        if name == "ImageFromBatch":
            first, length = first + int(inputs["batch_index"]), length or int(inputs["length"])
        link = inputs.get(_HANDED_ON[name])
        if not isinstance(link, list):
            return None
        node = link[0]
    return Footage(str(prompt[node]["inputs"]["file"]), first, length) if name == "LoadVideo" else None


def _first(prompt: Prompt, start: str, loader: str) -> str | None:
    for node in upstream(prompt, start):
        if prompt[node]["class_type"] == loader:
            inputs = prompt[node]["inputs"]
            return str(inputs.get("image", inputs.get("file")))
    return None
