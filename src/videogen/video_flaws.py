"""What is wrong with a video's pictures, from the numbers of its frames.

The thresholds were measured on 58 videos without such flaws (films of a street and of a talking man, an animated film,
photographs under slow and fast camera moves with grain, the stand-in's renders) and on the same ones spoiled on
purpose: by a change of brightness or colour from frame to frame, held frames, inserted flashes, and joints. Each
docstring says on which side the nearest of them stood.
"""

from collections.abc import Iterator

import numpy as np

from videogen.flaw import Flaw
from videogen.frame_series import FrameSeries, Numbers

FLICKER_LEVELS = 2.0
"""Mean brightness or colour (0–255) by which a frame stands out from the two beside it, median over a window.
Without flaw at most 1.8 where the share is not far below its threshold too; ±2 levels from frame to frame give 3.3."""
FLICKER_SHARE = 0.2
"""That much of what changes between the frames must be it: a fast camera changes brightness as well, but everything
else more. Without flaw at most 0.18 at 0.8 levels, 0.15 at 1.8; ±3 levels under a calm camera give 0.6 to 0.9, while
under a move of 40 pixels a frame only ±8 are found."""
FLICKER_FRAMES = 8
HELD_CHANGE = 0.1
"""A frame that differs by less from the one before shows the same picture: held ones differ by less than 0.06 up to
crf 23 (more, and in pieces, above crf 28); a still scene under light that wanders slowly differs by 0.11 to 0.6."""
HELD_SECONDS = 0.5
HELD_FRAMES = 6
CUT_CHANGE = 6.0
"""Least change (0–255) at a cut or a jump of brightness. The recompressed video with hard key frames reaches 3.5."""
CUT_OVER_USUAL = 2.5
"""Over the median of eight frames around. Ten cuts of a film stood at 2.6 to 23; a joint with 12 levels of other
brightness at 3.5 to 25."""
CUT_OVER_LARGEST = 1.5
"""Over the largest but one of them, so that a flash does not hide behind its own end. Cuts stood at 1.6 and above;
the stand-in, told to move twice as far as its motion does, reaches 1.47."""
FLASH_FRAMES = 3
"""Two sudden changes within so many frames are one flash."""
_AROUND = 4


def flaws(series: FrameSeries, fps: float) -> list[Flaw]:
    """Everything that is wrong; a video that shows nothing is not looked at further."""
    if empty := _empty(series):
        return [empty]
    seconds = 1 / fps if fps > 0 else 1 / 16
    return [*_held(series.changes, seconds), *_flicker(series, seconds), *_sudden(series, seconds)]


def measures(series: FrameSeries, fps: float) -> dict[str, float]:
    """The numbers behind `flaws`, for records: how far a good video was from its threshold."""
    if series.frames < 3:
        return {}
    level, share, _ = _most_flicker(series)
    sudden = _steps(series.changes)
    seconds = max((end - begin for begin, end in _runs(series.changes < HELD_CHANGE)), default=0) / (fps or 16)
    return {
        "flicker_levels": round(level, 2),
        "flicker_share": round(share, 3),
        "largest_step": round(max((change for _, change, _, _ in sudden), default=0.0), 2),
        "held_seconds": round(seconds, 2),
        "mean_change": round(float(series.changes[1:].mean()), 3),
    }


def _empty(series: FrameSeries) -> Flaw | None:
    """Black or plain for half of its length, or still: a fade passes, a render that became NaN does not."""
    if series.black * 2 >= series.frames:
        return Flaw("black", "broken", f"is black in {series.black} of {series.frames} frames")
    if series.plain * 2 >= series.frames:
        return Flaw("plain", "broken", f"shows one colour in {series.plain} of {series.frames} frames")
    if series.frames > 1 and not series.moved:
        return Flaw("frozen", "broken", "is frozen: no frame differs from the first")
    return None


def _held(changes: Numbers, seconds: float) -> Iterator[Flaw]:
    for begin, end in _runs(changes < HELD_CHANGE):
        frames = end - begin
        if frames >= HELD_FRAMES and frames * seconds >= HELD_SECONDS:
            message = f"stands still for {frames * seconds:.1f} s ({frames} frames)"
            yield Flaw("held", "suspicious", message, round(begin * seconds, 2))


def _flicker(series: FrameSeries, seconds: float) -> Iterator[Flaw]:
    level, share, begin = _most_flicker(series)
    if level >= FLICKER_LEVELS and share >= FLICKER_SHARE:
        message = f"flickers by {level:.1f} of 255 from frame to frame"
        yield Flaw("flicker", "suspicious", message, round(begin * seconds, 2))


def _most_flicker(series: FrameSeries) -> tuple[float, float, int]:
    """Levels, their share of the change, and the frame at which the window of most flicker begins."""
    levels, changes = series.levels, series.changes
    if series.frames < FLICKER_FRAMES + 2:
        return 0.0, 0.0, 0
    stands_out = np.abs(levels[1:-1] - (levels[:-2] + levels[2:]) / 2).max(axis=1)
    share = stands_out / np.maximum((changes[1:-1] + changes[2:]) / 2, 0.25)
    windows = [
        (float(np.median(stands_out[at : at + FLICKER_FRAMES])), float(np.median(share[at : at + FLICKER_FRAMES])), at)
        for at in range(len(share) - FLICKER_FRAMES + 1)
    ]
    return max(windows, key=lambda one: min(one[0] / FLICKER_LEVELS, one[1] / FLICKER_SHARE))


def _sudden(series: FrameSeries, seconds: float) -> Iterator[Flaw]:
    """Cuts, jumps of colour, in which the shapes go on as usual, and flashes, which are two of either."""
    places = [
        at
        for at, change, usual, largest in _steps(series.changes)
        if change >= CUT_CHANGE and usual >= CUT_OVER_USUAL and largest >= CUT_OVER_LARGEST
    ]
    shapes = {at: usual for at, _, usual, _ in _steps(series.shapes)}
    while places:
        at = places.pop(0)
        when = round(at * seconds, 2)
        if places and places[0] - at <= FLASH_FRAMES:
            frames = places.pop(0) - at
            yield Flaw("flash", "suspicious", f"flashes for {frames} frame{'s' if frames > 1 else ''}", when)
            continue
        if shapes[at] < CUT_OVER_USUAL:
            colour = float(np.abs(series.levels[at] - series.levels[at - 1]).max())
            yield Flaw("jump", "suspicious", f"changes its colours by {colour:.0f} of 255 at once", when)
        else:
            yield Flaw("cut", "suspicious", "cuts to another picture", when)


def _steps(changes: Numbers) -> list[tuple[int, float, float, float]]:
    """Frame, its change, that over the usual one around it, and over the largest but one."""
    found = []
    for at in range(1, len(changes)):
        around = np.sort(np.concatenate([changes[max(1, at - _AROUND) : at], changes[at + 1 : at + 1 + _AROUND]]))
        if len(around) >= 3:
            change = float(changes[at])
            usual, largest = (max(float(one), 0.5) for one in (np.median(around), around[-2]))
            found.append((at, change, change / usual, change / largest))
    return found


def _runs(holds: np.ndarray) -> list[tuple[int, int]]:
    """First and last-but-one frame of each stretch in which `holds` is true of every frame after its first."""
    found: list[tuple[int, int]] = []
    begin: int | None = None
    for at in range(1, len(holds) + 1):
        if at < len(holds) and holds[at]:
            begin = at - 1 if begin is None else begin
        elif begin is not None:
            found.append((begin, at))
            begin = None
    return found
