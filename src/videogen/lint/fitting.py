"""Whether a batch fits into a GPU of its phase, and its price into the cap. Says what `videogen plan` shows in full."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from videogen.batch import Job, Limits
from videogen.budget import Budget
from videogen.gpu import rentable
from videogen.job_forecast import Forecast, Known, best, forecasts, within
from videogen.lint.finding import Finding
from videogen.planner import speed
from videogen.planner.estimate import estimate
from videogen.planner.jobs import works
from videogen.planner.rental import Terms
from videogen.planner.work import Clip
from videogen.stack_terms import StackTerms
from videogen.workflow import Workflow


@dataclass(frozen=True)
class Offers:
    """What a stack may rent, and under which terms."""

    address: str
    """Its file."""
    rented: StackTerms
    terms: Terms

    @property
    def budget(self) -> Budget:
        """What a run of it may cost; the highest price is that of a GPU that its cloud rents out."""
        prices = [offer.dollars_per_hour for offer in rentable(self.rented.cloud, self.rented.gpus)]
        dearest, lease = max(prices, default=Decimal(0)), self.rented.lease
        return Budget(self.rented.cap, self.terms.workers, dearest, lease, self.terms.most_traffic)


def fitting(
    jobs: Sequence[Job],
    workflow: Workflow,
    limits: Limits,
    offers: Offers,
    sizes: Mapping[str, int],
    address: str,
    known: Known | None = None,
    inputs: Mapping[str, Clip] | None = None,
) -> Iterator[Finding]:
    """Jobs that no GPU holds, or only with weights that come and go; a batch that is too dear, or a job too slow.

    `sizes` has the bytes of each model file by the name that the graphs use, `inputs` the batch's own videos by their
    names on a worker, `known` what this project has seen.
    """
    prices = {offer.gpu: offer.dollars_per_hour for offer in rentable(offers.rented.cloud, offers.rented.gpus)}
    found = forecasts(jobs, workflow, prices, sizes, offers.terms, prices, known, inputs)
    if not found or all(job.post for job in jobs):
        return
    yield from _memory(found, address)
    for name in sorted({name for one in found for name in one.unknown}):
        yield Finding(address, "the forecast leaves this out: how long it takes is not known", "warning", node=name)
    cheapest, _ = best(found)
    if cheapest is None:
        return
    yield from _money(cheapest, offers, address)
    asked = works(jobs, inputs)
    each = [estimate(one, cheapest.gpu, sizes) for one in {asked[job.id] for job in jobs if not job.post}]
    minutes = max(one.seconds.likely for one in each) / 60
    if minutes > limits.job_minutes:
        message = f"a job takes about {minutes:.0f} minutes on {cheapest.gpu} and is ended after {limits.job_minutes:g}"
        hint = f"limits: {{job_minutes: {minutes * 1.5:.0f}}}"
        yield Finding(address, message, "warning", value=round(minutes), allowed=f"{limits.job_minutes:g}", hint=hint)


def _money(cheapest: Forecast, offers: Offers, address: str) -> Iterator[Finding]:
    """The cap holds whatever comes: it ends the workers. So the batch has to be done before."""
    budget, cap = offers.budget, offers.budget.cap.run
    fits = within(cheapest, budget)
    if fits == "yes":
        return
    took, dollars = cheapest.paid, cheapest.bill.dollars
    likely = f"about {took.likely / 60:.0f} minutes and ${dollars.likely:.2f}"
    message = (
        f"on {cheapest.gpu}, the cheapest, it takes {likely}, at worst {took.high / 60:.0f} and ${dollars.high:.2f}"
    )
    short = budget.paid_minutes < budget.lease.total
    why = f"what the cap of ${cap} a run pays at up to ${budget.dollars_per_hour:.2f}/h" if short else "the lease"
    message += f"; workers may live {budget.paid_minutes:g} minutes, {why}"
    yield Finding(
        address,
        message,
        "error" if fits == "no" else "warning",
        value=f"{took.likely / 60:.0f} to {took.high / 60:.0f} minutes",
        allowed=f"{budget.paid_minutes:g} minutes ({offers.address})",
        hint="fewer jobs, or shorter or smaller videos; `videogen plan` shows the sum",
    )


def _memory(found: Sequence[Forecast], address: str) -> Iterator[Finding]:
    have = ", ".join(f"{one.gpu} {speed.GPUS[one.gpu].memory_gib:.0f}" for one in found)
    largest = max(found, key=lambda one: one.memory_gib)
    needed = f"needs about {largest.memory_gib:.0f} GiB"
    if not any(one.possible for one in found):
        cuts = next((one.cut for one in found if one.cut), ())
        hint = f"rungs of its ladder that fit: {', '.join(cuts)}" if cuts else "fewer frames, or a smaller size"
        message = f"{needed}: no GPU of the phase holds it, not even with weights that come and go"
        yield Finding(address, message, value=largest.memory_gib, allowed=f"GiB: {have}", hint=hint)
    elif all(one.fit != "fits" for one in found):
        message = f"{needed}: weights come and go during each step, which takes up to twice as long"
        hint = "a smaller variant of the models"
        yield Finding(address, message, "warning", value=largest.memory_gib, allowed=f"GiB: {have}", hint=hint)
    if all(one.begins for one in found):
        rungs = sorted({rung for one in found for rung in one.begins})
        message = f"memory ended here before on every GPU of the phase: jobs begin on {', '.join(rungs)}"
        yield Finding(address, message, "warning", hint="`videogen boundary` shows where")
