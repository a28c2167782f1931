"""What is known of GPUs: their memory and how fast they do each kind of work.

The times are those of one H200 (real ComfyUI code, weights of the true shapes, 2026-11-20). A pass of a 14B Wan model
takes `linear` × x + `square` × x² seconds, x being tokens / 10,000: attention grows with the square of the tokens, the
rest with the tokens. Fitted by least squares of the relative error to six sizes in fp16 (worst 1.2 %) and to seven with
fp8 products (worst 3.1 %), 14,000 to 302,000 tokens.

Other GPUs are scaled by their dense tensor throughput as their maker publishes it. That is no measurement: the same
program reaches another part of the peak on another chip, so that what is scaled carries `SCALED_LOW` and `SCALED_HIGH`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from videogen.gpu import Gpu

Precision = Literal["fp16", "fp8fast"]
"""Of the matrix products: fp8 weights without `fp8_e4m3fn_fast` are multiplied in 16 bits, at fp16's speed (measured:
1 % apart)."""

MEASURED: Gpu = "H200-141GB"
SCALED_LOW, SCALED_HIGH = 0.7, 1.8
"""From the best to the worst that a time scaled by published throughput may turn out to be, as a factor."""
MEASURED_LOW, MEASURED_HIGH = 0.95, 1.08
FRAMES_LOW, FRAMES_HIGH = 0.7, 1.4
"""The same for work on frames: repeats of one size differed by as much."""


@dataclass(frozen=True)
class GpuFigures:
    """One GPU; teraflops are dense, with 32-bit accumulation, from its maker's data sheet."""

    memory_gib: float
    """What a program can have of it."""
    tflops: Mapping[Precision, float]

    def slowdown(self, precision: Precision) -> float:
        """How many times the H200's time a pass takes."""
        wanted = precision if precision in self.tflops else "fp16"
        return GPUS[MEASURED].tflops[wanted] / self.tflops[wanted]


GPUS: Mapping[Gpu, GpuFigures] = {
    "RTX4090": GpuFigures(23.5, {"fp16": 165.2, "fp8fast": 330.3}),
    "L40S": GpuFigures(44.4, {"fp16": 362.0, "fp8fast": 733.0}),
    "A100-40GB": GpuFigures(39.4, {"fp16": 312.0}),  # no fp8 in this generation
    "A100-80GB": GpuFigures(79.2, {"fp16": 312.0}),
    "H100-80GB": GpuFigures(79.1, {"fp16": 989.4, "fp8fast": 1978.9}),
    "H200-141GB": GpuFigures(139.8, {"fp16": 989.4, "fp8fast": 1978.9}),
}


@dataclass(frozen=True)
class PassTime:
    """Seconds of one forward pass on an H200."""

    linear: float
    square: float

    def seconds(self, tokens: int) -> float:
        """For that many tokens."""
        x = tokens / 10_000
        return self.linear * x + self.square * x * x


PASS: Mapping[Precision, PassTime] = {"fp16": PassTime(0.4490, 0.1422), "fp8fast": PassTime(0.2703, 0.1536)}

DECODE_SECONDS, DECODE_SECONDS_A_MEGAPIXEL = 0.77, 0.146
ENCODE_SECONDS, ENCODE_SECONDS_A_MEGAPIXEL = 0.29, 0.100
"""Wan 2.1's VAE, all frames' megapixels together; fits within 30 and 50 %, as repeats differ."""

UPSCALE_SECONDS_A_MEGAPIXEL = 0.270
"""Four times the width by an RRDB network (Real-ESRGAN x4plus), of each frame before; equal at both sizes measured."""
COMPACT_UPSCALE_SECONDS_A_MEGAPIXEL = 0.0095
"""The same by a compact SRVGG network."""
INTERPOLATE_SECONDS_A_MEGAPIXEL = 0.02
"""RIFE 4, of the frames after. Nobody measured it here: taken for a bound."""
VIDEO_SECONDS_A_MEGAPIXEL = 0.0147
"""H.264 with default settings on 16 processor cores."""
RESIZE_SECONDS_A_MEGAPIXEL = 0.035
"""Lanczos as ComfyUI does it, frame by frame with PIL, of the frames before: 0.026 to 0.05 s measured on one core."""
TRACK_SECONDS_A_MEGAPIXEL = 0.3
"""SAM 3 along a video. Nobody measured it here: taken for a bound."""

STITCH_SECONDS_A_MEGAPIXEL, VR180_SECONDS_A_MEGAPIXEL = 0.016, 0.032
"""Post steps run on the machine that submits. Seconds of one core, measured with the steps themselves: 0.012 (cut) to
0.020 (fade and colours) of the frames that come out, and 0.032."""
HERE_LOW, HERE_HIGH = 0.2, 5.0
"""From a workstation with many cores to a busy laptop."""

LOAD_SECONDS_A_GIB = 0.22
"""A weights file that is in the machine's memory → GPU (read 0.05, copy 0.17)."""
TEXT_SECONDS = 3.0
"""Text and picture encoders of one job; not measured on a GPU."""

ACTIVATION_GIB, ACTIVATION_GIB_A_TOKEN = 0.35, 1.03e-4
"""Beside the weights, while a 14B Wan model samples; within 4 % of twelve sizes."""
RESERVE_GIB = 1.5
"""For the driver, ComfyUI and what the allocator cannot use."""
SMALLEST_PART_GIB = 2.0
"""Of the weights that must be there while the rest comes from the machine's memory (ComfyUI's dynamic offload)."""
