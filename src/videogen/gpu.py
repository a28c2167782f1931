"""The GPUs that can be asked for, by one name for all clouds."""

from typing import Annotated, Literal

from pydantic import Field

from videogen.document import Schema
from videogen.money import Dollars

Gpu = Literal["RTX4090", "L40S", "A100-40GB", "A100-80GB", "H100-80GB", "H200-141GB"]


class Offer(Schema):
    """A GPU that will do, and the most that an hour of it may cost."""

    gpu: Gpu
    dollars_per_hour: Annotated[Dollars, Field(gt=0)]
