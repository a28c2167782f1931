"""Whether the videos of one character look like one character, and like its picture."""

import itertools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.video.reformatter import Interpolation
from PIL import Image

from videogen import likeness
from videogen.likeness import Numbers, Pixels
from videogen.media import probe

MOST_PICTURES = 16
"""Of a video, spread evenly over it; memory does not grow with its length."""
SMALLEST = 96
"""Pixels of a video's shorter side; in fewer a figure's outlines are lost."""


class Measure(Protocol):
    """Compares pictures of `side` × `side` pixels."""

    name: str
    side: int

    def signature(self, picture: Pixels) -> Numbers:
        """What is compared of a picture."""

    def alike(self, one: Numbers, other: Numbers) -> float:
        """1 for equal ones, less for others."""


class ColourAndStructure:
    """The measure of `likeness`, which needs no model."""

    name = likeness.NAME
    side = likeness.SIDE

    def signature(self, picture: Pixels) -> Numbers:
        """Colours and outlines of what stands out from the background."""
        return likeness.signature(picture)

    def alike(self, one: Numbers, other: Numbers) -> float:
        """0 to 1; the same figure has `likeness.ALIKE` or more."""
        return likeness.alike(one, other)


@dataclass
class Pictures:
    """Takes every frame of a video and keeps the signatures of a few, evenly spread."""

    measure: Measure
    _kept: list[Numbers] = field(default_factory=list)
    _seen: int = 0
    _every: int = 1

    def take(self, frame: av.VideoFrame) -> None:
        """The next frame."""
        if min(frame.width, frame.height) >= SMALLEST and self._seen % self._every == 0:
            small = frame.reformat(self.measure.side, self.measure.side, "rgb24", interpolation=Interpolation.AREA)
            self._kept.append(self.measure.signature(small.to_ndarray().astype(np.uint8, copy=False)))
            if len(self._kept) > MOST_PICTURES:
                self._kept, self._every = self._kept[::2], self._every * 2
        self._seen += 1

    @property
    def signature(self) -> Numbers | None:
        """Of the video; nothing before the first frame, and for one that is too small."""
        return likeness.mean(self._kept) if self._kept else None


def of_image(path: Path, measure: Measure) -> Numbers:
    """The signature of a picture; raises `UnreadableMedia`."""
    probe(path, "image")
    with Image.open(path) as image:
        small = image.convert("RGB").resize((measure.side, measure.side), Image.Resampling.BOX)
    return measure.signature(np.asarray(small, np.uint8))


@dataclass(frozen=True)
class Consistency:
    """How alike the videos of one character are, by one measure."""

    measure: str
    to_others: dict[str, float]
    """Video → the median over all others, so that one stranger makes no stranger of the rest."""
    to_picture: dict[str, float]
    """Video → the character's picture, where one is named."""
    least: tuple[str, str, float] | None
    """The two that are least alike."""
    unlike: tuple[str, ...]
    """Videos below the measure's threshold: against the picture, or against the others where none is named.

    An embedding has no threshold of ours."""


def consistency(videos: Mapping[str, Numbers], picture: Numbers | None, measure: Measure) -> Consistency:
    """Every video with every other, and with the character's picture."""
    pairs = {(one, two): measure.alike(videos[one], videos[two]) for one, two in itertools.combinations(videos, 2)}
    to_others = {
        name: round(statistics.median_high([value for pair, value in pairs.items() if name in pair]), 4)
        for name in videos
        if len(videos) > 1
    }
    to_picture = {
        name: round(measure.alike(found, picture), 4) for name, found in videos.items() if picture is not None
    }
    worst = min(pairs, key=lambda pair: pairs[pair]) if pairs else None
    judged = to_picture or to_others
    known = measure.name == likeness.NAME
    return Consistency(
        measure.name,
        to_others,
        to_picture,
        (*worst, round(pairs[worst], 4)) if worst else None,
        tuple(name for name, value in judged.items() if known and value < likeness.ALIKE),
    )
