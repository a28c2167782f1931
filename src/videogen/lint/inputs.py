"""Whether an image or a video that a job reads is large and long enough for what is made of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from videogen.batch import DRAWS
from videogen.definition import Parameter
from videogen.lint.finding import Finding

_ENLARGED = 1.5
"""An input that is enlarged by more than this is a blurred one."""
_CUT = 0.1
"""Share of an image that may be cut off at its sides without a word."""


@dataclass(frozen=True)
class Media:
    """What an input file is. An image has one frame and no rate."""

    width: int
    height: int
    frames: int
    fps: float


def input_findings(
    parameter: Parameter, found: Media, values: Mapping[str, object], address: str, start: int = 0
) -> Iterator[Finding]:
    """Warnings; `values` are the job's, in which `width`, `height`, `length` and `fps` have the house's names.

    A job that draws nothing enlarges on purpose; its `multiplier` makes that many frames of one.
    `start` is the frame from which a job of a longer video reads.
    """
    width, height, length, fps = (values.get(name) for name in ("width", "height", "length", "fps"))
    if DRAWS in values and isinstance(width, int) and isinstance(height, int) and found.width and found.height:
        yield from _size(found, width, height, address)
    if parameter.type != "video":
        return
    if isinstance(length, int) and found.frames < start + length:
        missing = min(length, start + length - found.frames)
        message = f"has {found.frames} frames, {missing} fewer than the {start + length} that are read"
        allowed = f"{start + length} frames"
        yield Finding(
            address,
            message,
            "warning",
            value=found.frames,
            allowed=allowed,
            hint=f"`{parameter.name}`: {parameter.about}",
        )
    if isinstance(fps, int | float) and isinstance(more := values.get("multiplier", 1), int):
        fps /= more
    if isinstance(fps, int | float) and found.fps and abs(found.fps / fps - 1) > 0.01:
        factor = found.fps / fps
        pace = f"{factor:.2g} times slower" if factor > 1 else f"{1 / factor:.2g} times faster"
        message = f"plays at {found.fps:g} fps and is read frame by frame for {fps:g}: it moves {pace}"
        hint = f"a copy at {fps:g} fps: `ffmpeg -i IN -r {fps:g} OUT`"
        yield Finding(address, message, "warning", value=found.fps, allowed=f"{fps:g} fps", hint=hint)


def _size(found: Media, width: int, height: int, address: str) -> Iterator[Finding]:
    wide, high = width / found.width, height / found.height
    size, allowed = f"{found.width}x{found.height}", f"{width}x{height}"
    if max(wide, high) > _ENLARGED:
        message = f"is {size}, enlarged {max(wide, high):.1f} times for {allowed}"
        hint = "a larger one, or a smaller video"
        yield Finding(address, message, "warning", value=size, allowed=allowed, hint=hint)
    if (lost := 1 - min(wide, high) / max(wide, high)) > _CUT:
        message = f"is {size}: {lost:.0%} of it is cut off, or it is squeezed, for {allowed}"
        hint = "one of the video's shape"
        yield Finding(address, message, "warning", value=size, allowed=allowed, hint=hint)
