"""Whether jobs fit into a GPU of their phase, and their sum into its cap."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from videogen.batch import Job, Limits
from videogen.gpu import Gpu, Offer
from videogen.lint.finding import Finding
from videogen.planner import speed
from videogen.planner.estimate import Estimate, estimate
from videogen.planner.jobs import works
from videogen.planner.work import Clip, Work


@dataclass(frozen=True)
class Offers:
    """What a stack may rent, and for how much in all."""

    address: str
    """Its file."""
    gpus: tuple[Offer, ...]
    cap: Decimal
    """Dollars a run; 0: nothing is billed."""


def fitting(
    jobs: Sequence[Job],
    limits: Limits,
    offers: Offers,
    sizes: Mapping[str, int],
    address: str,
    inputs: Mapping[str, Clip] | None = None,
) -> Iterator[Finding]:
    """Jobs that no GPU of the offers holds, or only with weights that come and go; a batch that is too dear or slow.

    `sizes` has the bytes of each model file by the name that the graphs use, `inputs` the batch's own videos by their
    names on a worker. Post steps need no GPU.
    """
    asked = works(jobs, inputs)
    counted = Counter(asked[job.id] for job in jobs if not job.post)
    if not counted or not offers.gpus:
        return
    per_gpu = {offer.gpu: [estimate(one, offer.gpu, sizes) for one in counted] for offer in offers.gpus}
    yield from _memory(list(counted), per_gpu, address)
    yield from _unknown(counted, address)
    dollars: dict[Gpu, Decimal] = {}
    for offer in offers.gpus:
        found = per_gpu[offer.gpu]
        if all(one.fit != "too large" for one in found):
            each = zip(found, counted.values(), strict=True)
            dollars[offer.gpu] = sum((one.dollars(offer.dollars_per_hour) * n for one, n in each), Decimal(0))
    if not dollars:
        return
    cheapest = min(dollars, key=lambda gpu: dollars[gpu])
    if offers.cap and dollars[cheapest] > offers.cap:
        message = f"about ${dollars[cheapest]:.2f} on {cheapest}, the cheapest, is over the cap of ${offers.cap} a run"
        hint = "fewer jobs, or shorter or smaller videos"
        allowed = f"${offers.cap} ({offers.address})"
        yield Finding(address, message, value=f"${dollars[cheapest]:.2f}", allowed=allowed, hint=hint)
    minutes = max(one.seconds.likely for one in per_gpu[cheapest]) / 60
    if minutes > limits.job_minutes:
        message = f"a job takes about {minutes:.0f} minutes on {cheapest} and is ended after {limits.job_minutes:g}"
        hint = f"limits: {{job_minutes: {minutes * 1.5:.0f}}}"
        yield Finding(address, message, "warning", value=round(minutes), allowed=f"{limits.job_minutes:g}", hint=hint)


def _memory(works: Sequence[Work], per_gpu: Mapping[Gpu, Sequence[Estimate]], address: str) -> Iterator[Finding]:
    largest = max(range(len(works)), key=lambda index: max(found[index].memory_gib for found in per_gpu.values()))
    fits = {gpu: found[largest].fit for gpu, found in per_gpu.items()}
    needed = next(iter(per_gpu.values()))[largest].memory_gib
    said = ", ".join(f"{gpu} {speed.GPUS[found[largest].gpu].memory_gib:.0f}" for gpu, found in per_gpu.items())
    if set(fits.values()) == {"too large"}:
        message = f"needs about {needed:.0f} GiB: no GPU of the phase holds it, not even with weights that come and go"
        yield Finding(address, message, value=needed, allowed=said, hint="fewer frames, or a smaller size")
    elif "fits" not in fits.values():
        message = f"needs about {needed:.0f} GiB: weights come and go during each step, which takes up to twice as long"
        yield Finding(address, message, "warning", value=needed, allowed=said, hint="a smaller variant of the models")


def _unknown(works: Iterable[Work], address: str) -> Iterator[Finding]:
    for name in sorted({name for one in works for name in one.unknown}):
        yield Finding(address, "the estimate leaves this node out", "warning", node=name)
