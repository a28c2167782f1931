"""Where GPUs end: which size, frames and precision each one held on which rung, and which it did not.

Observations are never changed; what is known is what all of them say together.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field

from videogen.document import Schema

PREFIX = "boundary/"
"""In the outputs bucket: `boundary/<gpu>/<digest>.json`."""


@dataclass(frozen=True)
class Ask:
    """What a job asks of a GPU, before any rung."""

    workflow: str
    width: int
    height: int
    frames: int
    precision: str

    @property
    def pixels(self) -> int:
        """Of a frame."""
        return self.width * self.height


class Observation(Schema):
    """One thing seen: a job of this shape went through on that GPU, or memory ended."""

    version: Literal[1] = Field(default=1, alias="schema")
    gpu: str
    workflow: str
    width: int
    """Width, height, frames and precision are those that the job asked for; the rung says what was cut."""
    height: int
    frames: int
    precision: str
    rung: str = ""
    """Empty for the job as it was asked for."""
    works: bool
    software: str = ""
    """ComfyUI and PyTorch with which it was seen: others need other memory. Empty where nobody knows."""
    peak_gib: Annotated[int, Field(ge=0)] | None = None
    """The most of the GPU's memory that was seen in use, rounded up; nothing where nobody looked."""

    @property
    def digest(self) -> str:
        """The same for the same thing seen again."""
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()[:32]

    @property
    def key(self) -> str:
        """Where it lies in the outputs bucket."""
        return f"{prefix_of(self.gpu)}{self.digest}.json"


def observed(
    ask: Ask, gpu: str, rung: str, *, works: bool, software: str = "", peak_bytes: float | None = None
) -> Observation:
    """What was seen of a job."""
    return Observation(
        gpu=gpu,
        workflow=ask.workflow,
        width=ask.width,
        height=ask.height,
        frames=ask.frames,
        precision=ask.precision,
        rung=rung,
        works=works,
        software=software,
        peak_gib=math.ceil(peak_bytes / 1024**3) if peak_bytes else None,
    )


def prefix_of(gpu: str) -> str:
    """Where a GPU's observations lie in the outputs bucket."""
    return f"{PREFIX}{quote(gpu, safe='') or 'unknown'}/"


def holds(ask: Ask, gpu: str, rung: str, known: Iterable[Observation], software: str = "") -> bool | None:
    """Whether the GPU holds such a job on that rung; nothing where nobody knows.

    What failed fails with more pixels and frames, too, and what worked works with fewer. Where both were seen, memory
    ends now and then: that counts as no. What was seen with other `software` tells nothing; without a name, what was
    seen on that GPU last counts as the software of today. `known` stands in the order in which it was seen.
    """
    there = [one for one in known if (one.gpu, one.workflow) == (gpu, ask.workflow)]
    software = software or next((one.software for one in reversed(there) if one.software), "")
    works: bool | None = None
    for one in there:
        if (one.precision, one.rung) != (ask.precision, rung) or one.software not in ("", software):
            continue
        pixels = one.width * one.height
        if not one.works and pixels <= ask.pixels and one.frames <= ask.frames:
            return False
        if one.works and pixels >= ask.pixels and one.frames >= ask.frames:
            works = True
    return works
