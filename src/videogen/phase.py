"""A phase of work: explore, pre-production, production. One code base, three sets of limits.

`workflows/phases/*.yaml` says what may be generated; what is rented is in the stack files.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from videogen.document import Schema
from videogen.errors import Fault
from videogen.manifest import PhaseName

Size = Annotated[str, Field(pattern=r"^[1-9][0-9]*x[1-9][0-9]*$")]


class Range(Schema):
    """Least and most, both allowed."""

    minimum: float
    maximum: float


class Policy(Schema):
    """The values that a batch may use without saying that it leaves the policy."""

    sizes: tuple[Size, ...]
    length: Range
    steps: Range
    cfg: Range
    denoise: Range
    samplers: tuple[str, ...]

    @property
    def ranges(self) -> dict[str, Range]:
        """Parameter → the numbers that it may have."""
        return {"steps": self.steps, "cfg": self.cfg, "denoise": self.denoise, "length": self.length}


class Seeds(Schema):
    """Which seeds are drawn where neither batch nor character names one."""

    values: Annotated[tuple[int, ...], Field(min_length=1)]
    """Each makes a job."""
    fixed: bool = False
    """Others leave the policy: what is compared is drawn from the same noise."""


class Phase(Schema):
    """One phase's generation limits."""

    phase: PhaseName
    name: str
    policy: Policy
    segments: Annotated[int, Field(ge=1)] | None = None
    """Frames a segment of a long video, where the batch does not say.  [default: as the workflow says]"""
    seeds: Seeds | None = None
    """None: as the workflow says."""

    def faults(self, parameters: Mapping[str, object], leaves: frozenset[str], address: str) -> Iterator[Fault]:
        """What in a job's parameters is outside the policy and not named in `leaves`."""
        policy = self.policy
        for name, allowed in policy.ranges.items():
            value = parameters.get(name)
            if (
                isinstance(value, int | float)
                and name not in leaves
                and not allowed.minimum <= value <= allowed.maximum
            ):
                yield self._fault(address, name, f"{value:g}", f"{allowed.minimum:g} to {allowed.maximum:g}")
        sampler = parameters.get("sampler")
        if sampler is not None and "sampler" not in leaves and sampler not in policy.samplers:
            yield self._fault(address, "sampler", str(sampler), ", ".join(policy.samplers))
        if "width" in parameters and "height" in parameters and "size" not in leaves:
            size = f"{parameters['width']}x{parameters['height']}"
            if size not in policy.sizes:
                yield self._fault(address, "size", size, ", ".join(policy.sizes))
        seed = parameters.get("seed")
        held = self.seeds is not None and self.seeds.fixed and "seed" not in leaves
        if self.seeds and held and seed is not None and seed not in self.seeds.values:
            yield self._fault(address, "seed", str(seed), ", ".join(str(one) for one in self.seeds.values))

    def _fault(self, address: str, name: str, value: str, allowed: str) -> Fault:
        message = f"{value} is outside the policy of phase {self.phase} ({allowed})"
        return Fault(f"{address}/{name}", message, f"to leave the policy on purpose: `leave_policy: [{name}]`")
