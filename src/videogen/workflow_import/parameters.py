"""What a batch may set in a graph, with the ranges that its nodes have."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from videogen.graph import Prompt, title
from videogen.node_schema import Schemas
from videogen.workflow_import.walk import Place, places, role, target

_MEANT: dict[str, tuple[str, str]] = {
    "seed": ("seed", "noise; equal seeds give equal videos"),
    "noise_seed": ("seed", "noise; equal seeds give equal videos"),
    "width": ("width", "pixels"),
    "height": ("height", "pixels"),
    "length": ("length", "frames"),
    "num_frames": ("length", "frames"),
    "video_frames": ("length", "frames"),
    "frames_number": ("length", "frames"),
    "fps": ("fps", "frames a second"),
    "frame_rate": ("fps", "frames a second"),
    "steps": ("steps", "sampler steps"),
    "cfg": ("cfg", "how strictly the prompt is followed"),
    "guidance": ("guidance", "how strictly the prompt is followed"),
    "sampler_name": ("sampler", "the solver"),
    "scheduler": ("scheduler", "how the noise is spread over the steps"),
    "denoise": ("denoise", "share of the noise that is drawn anew"),
    "shift": ("shift", "how much of the steps goes into structure"),
    "strength": ("strength", "how strongly it acts"),
    "strength_model": ("strength", "how strongly it acts"),
    "motion_bucket_id": ("motion", "how much moves"),
    "augmentation_level": ("augmentation", "noise on the first frame; more lets more move"),
}
"""Name of an input → what the house calls the parameter, and what it is."""
_TYPES = {"INT": "integer", "FLOAT": "number", "STRING": "text", "COMBO": "choice"}


@dataclass(frozen=True)
class Found:
    """A parameter as it will stand in workflow.yaml; keys without a value are left out."""

    name: str
    about: str
    type: str
    sets: tuple[tuple[str, str], ...]
    default: Any = None
    minimum: Any = None
    maximum: Any = None
    multiple_of: int | None = None
    plus: int | None = None
    choices: tuple[str, ...] = ()


def parameters(nodes: Prompt, schemas: Schemas) -> list[Found]:
    """Everything that a batch will want to set; `nodes` have a title each."""
    groups: dict[tuple[str, str], list[Place]] = {}
    for place in places(nodes, schemas):
        if (named := _named(nodes, place)) is not None:
            # Inputs that say the same go together: a width that stands in three nodes is one width.
            groups.setdefault((named, "" if _is_media(place) else repr(place.value)), []).append(place)
    found: list[Found] = []
    taken: set[str] = set()

    def first(group: tuple[tuple[str, str], list[Place]]) -> tuple[int, bool, int]:
        """What is shown at the end has the plain name, since the output is held against it."""
        (name, _), members = group
        shown = any(re.match("Save|CreateVideo|VHS_VideoCombine", nodes[one.node_id]["class_type"]) for one in members)
        return _order(name), not shown, -len(members)

    for (name, _), members in sorted(groups.items(), key=first):
        for several in [[one] for one in members] if _is_media(members[0]) else [members]:
            own = _free(name, title(nodes[several[0].node_id]), taken)
            taken.add(own)
            found.append(_found(own, name, several, nodes))
    return [*found, *_switch(nodes)]


def _named(nodes: Prompt, place: Place) -> str | None:
    if place.loads:
        return None
    if place.media in ("image", "video"):
        return place.media
    if place.type == "STRING" and isinstance(place.value, str):
        long = place.item is None or bool(place.item.config.get("multiline"))
        if place.item is None and not re.search("text|prompt", place.input):
            return None
        spoken = role(nodes, place.node_id)
        by_name = "negative" if "negative" in place.input else "positive" if "prompt" in place.input else None
        called = spoken or by_name
        return {"positive": "prompt", "negative": "negative"}.get(called or "", "text") if long else None
    if place.input not in _MEANT or place.type not in ("INT", "FLOAT", "COMBO"):
        return None
    if place.type == "COMBO" and (place.item is None or place.item.options is None):
        return None
    return _MEANT[place.input][0]


def _found(own: str, name: str, members: Sequence[Place], nodes: Prompt) -> Found:
    sets = tuple(dict.fromkeys(target(nodes, one) for one in members))
    first = members[0]
    if _is_media(first):
        return Found(own, f"the {name} of `{sets[0][0]}`", name, sets)
    if first.type == "STRING":
        about = {"prompt": "what the video shows", "negative": "what it must not show"}.get(name, "a text")
        return Found(own, about, "text", sets, default=None if name == "prompt" else first.value)
    about = next(about for meant, about in _MEANT.values() if meant == name)
    if first.type == "COMBO":
        options = [one.item.options for one in members if one.item is not None and one.item.options is not None]
        common = tuple(str(word) for word in options[0] if all(word in other for other in options))
        return Found(own, about, "choice", sets, default=first.value, choices=common)
    whole = any(one.type == "INT" for one in members)
    low, high, step, plus = _range(members)
    kind = "integer" if whole else "number"
    return Found(own, about, kind, sets, first.value, low, high, step, plus)


def _range(members: Iterable[Place]) -> tuple[Any, Any, int | None, int | None]:
    """What all nodes of a parameter take."""
    items = [(item, one.type) for one in members for item in (one.item, one.primitive) if item is not None]
    configs = [(item.config, kind) for item, kind in items]
    lows = [config["min"] for config, _ in configs if "min" in config]
    highs = [config["max"] for config, _ in configs if "max" in config]
    grids = [
        (config["step"], config.get("min", 0) % config["step"])
        for config, kind in configs
        if kind == "INT" and config.get("step", 1) > 1
    ]
    step = math.lcm(*(int(each) for each, _ in grids)) if grids else None
    plus = next((int(rest) for each, rest in grids if rest), None)
    return max(lows, default=None), min(highs, default=None), step, plus


def _switch(nodes: Prompt) -> Iterator[Found]:
    """Two experts, one after the other: the step at which the second takes over."""
    ends = [node for node in nodes.values() if _handing(node) == "end_at_step"]
    starts = [node for node in nodes.values() if _handing(node) == "start_at_step"]
    steps = {node["inputs"].get("steps") for node in ends + starts}
    if len(ends) == len(starts) == 1 and len(steps) == 1 and isinstance(most := steps.pop(), int):
        step = ends[0]["inputs"]["end_at_step"]
        if step == starts[0]["inputs"]["start_at_step"] and 0 < step < most:
            sets = ((title(ends[0]), "end_at_step"), (title(starts[0]), "start_at_step"))
            about = "the step at which the second expert takes over"
            yield Found("switch_step", about, "integer", sets, step, 1, 10000)


def _handing(node: dict[str, Any]) -> str | None:
    if node["class_type"] != "KSamplerAdvanced":
        return None
    values = [node["inputs"].get(name) for name in ("start_at_step", "end_at_step", "steps")]
    if not all(isinstance(value, int) for value in values):
        return None
    start, end, steps = (int(str(value)) for value in values)
    if start == 0 and 0 < end < steps:
        return "end_at_step"
    return "start_at_step" if 0 < start < steps <= end else None


def _is_media(place: Place) -> bool:
    return place.media in ("image", "video")


def _free(name: str, of: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    slug = re.sub(r"[^a-z0-9]+", "_", of.lower()).strip("_")
    wanted, number = f"{name}_{slug}".rstrip("_"), 1
    while wanted in taken:
        number += 1
        wanted = f"{name}_{slug}_{number}"
    return wanted


_ORDER = ("prompt", "negative", "text", "image", "video", "width", "height", "length", "fps")


def _order(name: str) -> int:
    return list(dict.fromkeys((*_ORDER, *(meant for meant, _ in _MEANT.values())))).index(name)
