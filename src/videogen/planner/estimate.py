"""How long a job takes on a GPU and whether it fits, part by part, and how sure that is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median
from typing import Literal, get_args

from videogen.gpu import Gpu
from videogen.money import cost
from videogen.planner import speed
from videogen.planner.speed import GPUS, PASS, Precision
from videogen.planner.work import Passage, Sampling, Work
from videogen.post_steps import POSTS

Basis = Literal["measured", "scaled", "learned"]
"""On this GPU; on an H200, times published throughput; from this project's own jobs on this GPU."""

Fit = Literal["fits", "offload", "too large"]
"""All weights of a pass stay on the GPU; they come from the machine's memory, slower; not even that."""
FITS: tuple[Fit, ...] = get_args(Fit)
"""The best first."""

_GIB = 1024**3
_OFFLOAD_HIGH = 2.0
"""How much longer a pass may take that waits for its weights."""


@dataclass(frozen=True)
class Seconds:
    """A time between the best and the worst that is believed."""

    likely: float
    low: float
    high: float

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.likely + other.likely, self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> "Seconds":
        """Each of the three."""
        return Seconds(self.likely * factor, self.low * factor, self.high * factor)


NONE = Seconds(0, 0, 0)


@dataclass(frozen=True)
class Part:
    """One line of the sum."""

    title: str
    why: str
    """The work in words: `6 steps × 2 passes, 32,760 tokens`."""
    seconds: Seconds


def total(parts: Iterable[Part]) -> Seconds:
    """All of them one after the other."""
    return sum((part.seconds for part in parts), NONE)


@dataclass(frozen=True)
class Estimate:
    """What is believed of one job on one GPU."""

    gpu: Gpu
    parts: tuple[Part, ...]
    basis: Basis
    memory_gib: float
    """The most that stays on the GPU at once, with all weights of the largest pass there."""
    fit: Fit
    unknown: tuple[str, ...]
    """Nodes that the sum leaves out."""
    learned_from: int = 0
    """Finished jobs of this project behind the figure."""
    host_gib: float = 0
    """Of the machine's own memory, for the largest row of frames: ComfyUI keeps them there in 32 bits a colour."""

    @property
    def seconds(self) -> Seconds:
        """The sum of the parts."""
        return total(self.parts)

    def dollars(self, dollars_per_hour: Decimal) -> Decimal:
        """What the likely time costs, without boot and idle minutes."""
        return cost(dollars_per_hour, self.seconds.likely)


@dataclass(frozen=True)
class Observation:
    """One finished job: what it really took on that GPU, and what was estimated without having learned."""

    workflow: str
    gpu: str
    seconds: float
    estimated: float


def estimate(work: Work, gpu: Gpu, sizes: Mapping[str, int], *, warm: bool = False) -> Estimate:
    """The job on that GPU; `sizes` has the bytes of each model file by the name that the graph uses.

    `warm`: an earlier job left all models on the GPU.
    """
    figures = GPUS[gpu]
    measured = gpu == speed.MEASURED
    parts, needed = [_loading(work, sizes, warm=warm)] if work.models else [], 0.0
    worst: list[Fit] = ["fits"]
    for sampling in work.samplings:
        weights = _model_gib(sampling, sizes) + sum(sizes.get(name, 0) for name in sampling.patches) / _GIB
        active = speed.ACTIVATION_GIB + speed.ACTIVATION_GIB_A_TOKEN * sampling.tokens
        needed = max(needed, weights + active)
        fit = _fit(weights, active, figures.memory_gib)
        worst.append(fit)
        parts.append(_sampling(sampling, gpu, measured=measured, offload=fit == "offload"))
    parts += [_passage(passage, gpu, measured=measured) for passage in work.passages]
    return Estimate(
        gpu,
        tuple(parts),
        "measured" if measured else "scaled",
        round(needed, 1),
        max(worst, key=FITS.index),
        work.unknown,
        host_gib=round(max((one.frames.megapixels for one in work.passages), default=0) * 12e6 / _GIB, 1),
    )


def estimate_here(work: Work) -> tuple[Part, ...]:
    """A post step on the machine that submits."""
    return tuple(_passage(passage, speed.MEASURED, measured=False) for passage in work.passages)


def stay(works: Iterable[Work], gpu: Gpu, sizes: Mapping[str, int]) -> bool:
    """Whether the GPU holds the models of all these jobs at once, so that only a worker's first job loads them."""
    works = tuple(works)
    files = {name for one in works for name in one.models}
    active = max((sampling.tokens for one in works for sampling in one.samplings), default=0)
    drawn = {one.model: _model_gib(one, sizes) for work in works for one in work.samplings}
    needed = sum(drawn.get(name, sizes.get(name, 0) / _GIB) for name in files)
    needed += speed.ACTIVATION_GIB + speed.ACTIVATION_GIB_A_TOKEN * active
    return needed <= GPUS[gpu].memory_gib - speed.RESERVE_GIB


_TELLS = 0.1
"""Of a job's forecast: what took less time than that teaches nothing about it."""


def learned(found: Estimate, workflow: str, observations: Iterable[Observation]) -> Estimate:
    """The estimate, corrected by what jobs of that workflow really took on that GPU; the same where there were none.

    The median of the ratios corrects the likely time, their range (a tenth at least) takes the place of the scaling's.
    A job far smaller than this one does not count: it tells what it costs to begin.
    """
    least = max(found.seconds.likely * _TELLS, 1e-3)
    ratios = sorted(
        one.seconds / one.estimated
        for one in observations
        if one.workflow == workflow and one.gpu == found.gpu and one.estimated >= least
    )
    if not ratios:
        return found
    middle = median(ratios)
    low, high = min(ratios[0], middle * 0.9), max(ratios[-1], middle * 1.1)
    parts = tuple(
        Part(
            part.title,
            part.why,
            Seconds(part.seconds.likely * middle, part.seconds.likely * low, part.seconds.likely * high),
        )
        for part in found.parts
    )
    return replace(found, parts=parts, basis="learned", learned_from=len(ratios))


def _model_gib(sampling: Sampling, sizes: Mapping[str, int]) -> float:
    """On the GPU: a file in 16 bits takes half its size there when 8 are asked for."""
    halved = sampling.weight_dtype.startswith("fp8") and any(
        word in sampling.model.lower() for word in ("fp16", "bf16")
    )
    return sizes.get(sampling.model, 0) / _GIB / (2 if halved else 1)


def _fit(weights_gib: float, active_gib: float, memory_gib: float) -> Fit:
    free = memory_gib - speed.RESERVE_GIB - active_gib
    if weights_gib <= free:
        return "fits"
    return "offload" if free >= speed.SMALLEST_PART_GIB else "too large"


def _precision(sampling: Sampling, gpu: Gpu) -> Precision:
    fast = sampling.weight_dtype == "fp8_e4m3fn_fast" and "fp8fast" in GPUS[gpu].tflops
    return "fp8fast" if fast else "fp16"


def _sampling(sampling: Sampling, gpu: Gpu, *, measured: bool, offload: bool) -> Part:
    precision = _precision(sampling, gpu)
    seconds = PASS[precision].seconds(sampling.tokens) * sampling.steps * sampling.passes
    seconds *= GPUS[gpu].slowdown(precision)
    low, high = (speed.MEASURED_LOW, speed.MEASURED_HIGH) if measured else (speed.SCALED_LOW, speed.SCALED_HIGH)
    high *= _OFFLOAD_HIGH if offload else 1
    passes = f" × {sampling.passes} passes" if sampling.passes > 1 else ""
    why = f"{sampling.steps} steps{passes}, {sampling.tokens:,} tokens" + (", offloaded" if offload else "")
    return Part(sampling.title, why, Seconds(seconds, seconds * low, seconds * high))


_FRAME_SECONDS = {
    "decode": (speed.DECODE_SECONDS, speed.DECODE_SECONDS_A_MEGAPIXEL),
    "encode": (speed.ENCODE_SECONDS, speed.ENCODE_SECONDS_A_MEGAPIXEL),
    "upscale": (0.0, speed.UPSCALE_SECONDS_A_MEGAPIXEL),
    "upscale, compact": (0.0, speed.COMPACT_UPSCALE_SECONDS_A_MEGAPIXEL),
    "resize": (0.0, speed.RESIZE_SECONDS_A_MEGAPIXEL),
    "track": (0.0, speed.TRACK_SECONDS_A_MEGAPIXEL),
    "interpolate": (0.0, speed.INTERPOLATE_SECONDS_A_MEGAPIXEL),
    "video": (0.0, speed.VIDEO_SECONDS_A_MEGAPIXEL),
    "stitch": (0.0, speed.STITCH_SECONDS_A_MEGAPIXEL),
    "vr180": (0.0, speed.VR180_SECONDS_A_MEGAPIXEL),
}
_ON_PROCESSOR = frozenset({"video", "resize", *POSTS})
"""Takes as long whichever GPU is beside it."""
_ASSUMED = frozenset({"interpolate", "track"})
"""Nobody measured them."""


def _passage(passage: Passage, gpu: Gpu, *, measured: bool) -> Part:
    start, each = _FRAME_SECONDS[passage.kind]
    frames = passage.frames
    slowdown = 1.0 if passage.kind in _ON_PROCESSOR else GPUS[gpu].slowdown("fp16")
    seconds = (start + each * frames.megapixels) * slowdown
    low, high = speed.FRAMES_LOW, speed.FRAMES_HIGH if measured else max(speed.FRAMES_HIGH, speed.SCALED_HIGH)
    if passage.kind in POSTS:
        low, high = speed.HERE_LOW, speed.HERE_HIGH
    why = f"{passage.kind} {frames.count} frames of {frames.width}×{frames.height}"
    why += " (assumed)" if passage.kind in _ASSUMED else ""
    return Part(passage.title, why, Seconds(seconds, seconds * low, seconds * high))


def _loading(work: Work, sizes: Mapping[str, int], *, warm: bool) -> Part:
    gib = sum(sizes.get(name, 0) for name in dict.fromkeys(work.models)) / _GIB
    texts = speed.TEXT_SECONDS if work.samplings else 0.0
    if warm:
        return Part("models", "on the GPU already; texts encoded", Seconds(texts, texts / 2, texts * 2))
    seconds = texts + gib * speed.LOAD_SECONDS_A_GIB
    why = f"{gib:.0f} GiB of models from the machine's memory, texts encoded"
    return Part("models", why, Seconds(seconds, texts / 2, seconds * 2))
