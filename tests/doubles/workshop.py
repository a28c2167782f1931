"""Batches of the checkout's own workflows, small enough for a test, and the videos that come of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from tests.doubles import studio
from tests.doubles.chain import chained
from videogen import batch, manifest
from videogen.definition import Value
from videogen.manifest import PhaseName
from videogen.standin.film import write_film
from videogen.submission import Plan
from videogen.workflow import Workflow

INPUTS = studio.REPOSITORY / "batches" / "inputs"
SMALL = {"width": 64, "height": 96}
FEW = {"steps": 2, "switch_step": 1}
LONG_MOTION = """
schema: 1
name: long-motion
about: a long dance
parameters:
  - {name: prompt, about: what, type: text, default: a dance, sets: [{step: draw, parameter: prompt}]}
  - {name: character, about: who, type: image, sets: [{step: draw, parameter: character}]}
  - {name: motion, about: how, type: video, sets: [{step: draw, parameter: motion}]}
  - {name: frames, about: of the whole, type: integer, default: 33, sets: [{step: stitch, parameter: length}]}
chain:
  - step: draw
    workflow: scail-uni3c-wan22
    repeat: {over: segments, frames: frames, previous: true}
    set: {width: 64, height: 96, length: 17, steps: 2, switch_step: 1, keep_steps: 0}
  - {step: stitch, post: stitch, feeds: {video: draw}}
"""


@dataclass(frozen=True)
class Film:
    """A decoded video."""

    frames: npt.NDArray[np.uint8]
    """Frames × rows × columns × 3."""
    fps: float

    @property
    def shape(self) -> tuple[int, int, int, float]:
        """Width, height, frames, frames a second."""
        count, height, width, _ = self.frames.shape
        return width, height, count, self.fps


def plan(folder: Path, workflow: Workflow, files: Mapping[str, Path], values: Mapping[str, Value]) -> Plan:
    """A batch with one video of that workflow; `files` has the input file of each parameter that wants one."""
    wanted = batch.Batch.model_validate(
        {
            "schema": 1,
            "name": workflow.name,
            "workflow": workflow.name,
            "fixed": {**values, **{name: path.name for name, path in files.items()}},
        }
    )
    digests = {path.name: manifest.digest(path.name) for path in files.values()}
    jobs = batch.expand(wanted, workflow, studio.phase_without_limits(), studio.manifest_of_dev(), digests)
    places = {digests[path.name]: path for path in files.values()}
    return Plan(wanted.name, workflow, tuple(jobs), wanted.limits, places, folder / "videos")


def walking_square(path: Path) -> Path:
    """Writes nine frames of 64×96 at 16 a second: a light square walks over a dark ground."""
    frames = [np.full((96, 64, 3), 30, np.uint8) for _ in range(9)]
    for number, frame in enumerate(frames):
        frame[40:60, 4 + 4 * number : 20 + 4 * number] = 220
    write_film(frames, 16, path, lambda _: None, {})
    return path


def long_motion() -> Workflow:
    """A chain of the main path: three segments of a whole of 33 frames, each further on in one motion video."""
    return chained(LONG_MOTION)


def plain_values(flow: Workflow, phase: PhaseName) -> dict[str, Value]:
    """The phase's defaults, and a name for each file and text without one; a first segment has none before it."""
    found: dict[str, Value] = {}
    for one in flow.definition.parameters:
        if (value := one.default_for(phase)) is not None:
            found[one.name] = value
        elif one.name != "before":
            found[one.name] = f"here.{one.type}" if one.is_file else "words"
    return found


def watch(path: Path) -> Film:
    """Every frame of a video."""
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return Film(np.stack(frames), float(rate or 0))
