"""The GPUs that can be asked for, by one name for all clouds."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field

from videogen.document import Schema
from videogen.money import Dollars

Gpu = Literal["RTX4090", "L40S", "A100-40GB", "A100-80GB", "H100-80GB", "H200-141GB"]

RUNPOD: Mapping[Gpu, tuple[str, ...]] = {
    "RTX4090": ("NVIDIA GeForce RTX 4090",),
    "L40S": ("NVIDIA L40S",),
    "A100-40GB": (),
    "A100-80GB": ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe"),
    "H100-80GB": ("NVIDIA H100 80GB HBM3", "NVIDIA H100 NVL", "NVIDIA H100 PCIe"),
    "H200-141GB": ("NVIDIA H200",),
}
"""RunPod's own names of each, fastest first; none: RunPod does not rent it out.

https://docs.runpod.io/references/gpu-types
"""


class Offer(Schema):
    """A GPU that will do, and the most that an hour of it may cost."""

    gpu: Gpu
    dollars_per_hour: Annotated[Dollars, Field(gt=0)]


def rentable(cloud: str | None, offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Those that a cloud rents out at all; one list may serve more than one cloud."""
    return tuple(offer for offer in offers if cloud == "runpod" and RUNPOD[offer.gpu])
