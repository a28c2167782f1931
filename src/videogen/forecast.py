"""What an `up` of a stack will rent, why, and the most that it can cost, before anything is created.

`pulumi preview` shows it, the plugin refuses by it, a pipeline writes it into a pull request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from urllib.parse import urlsplit

from videogen.gpu import Gpu, Offer, rentable
from videogen.money import CENT, Cap, worst_case
from videogen.traffic import AWS_S3, NO_EGRESS_COST, StorePrice


@dataclass(frozen=True)
class Plan:
    """What a stack wishes for, as far as it costs money."""

    phase: str
    workflows: Sequence[str]
    cloud: str
    workers: int
    gpus: Sequence[Offer]
    places: Sequence[str]
    lease_minutes: float
    cap: Cap
    model_bytes: int
    """What each worker loads from the store, if it has nothing yet."""
    store_endpoint: str | None
    """Empty: AWS; nothing: not known yet, because the store does not exist."""


@dataclass(frozen=True)
class Forecast:
    """The outcome of a plan; dollars."""

    plan: Plan
    gpus: tuple[Offer, ...]
    """Those that the cloud rents out."""
    left_out: tuple[Gpu, ...]
    """Those that it does not."""
    rent: Decimal
    """Each worker at the highest price that is allowed, for its whole lease."""
    traffic: Decimal
    """Each worker's models, once from the store."""
    month: Decimal | None
    """What this month has cost so far, without the stack's own machines that live; nothing: not known."""

    @property
    def bills(self) -> bool:
        """Whether anything here can cost money."""
        return bool(self.gpus) or self.traffic > 0

    @property
    def worst(self) -> Decimal:
        """The most that the run can cost, if each worker's first machine gets ready; for one that does not, a new one
        is created only while the sum stays within the cap."""
        return self.rent + self.traffic

    def refusal(self, spent: Decimal = Decimal(0)) -> str | None:
        """Why this may not be rented, or nothing; `spent` is what the run has cost already, and the month with it.

        A month that is not known refuses nothing here.
        """
        most = self.worst + spent
        already = f" after ${_cents(spent)} for machines that did not get ready" if spent else ""
        if most > self.plan.cap.run:
            return f"{self._reckoned()}{already}, the cap of a run is ${self.plan.cap.run}"
        if self.month is not None and self.worst + self.month > self.plan.cap.month:
            so_far = f"the month has cost ${_cents(self.month)} so far, its cap is ${self.plan.cap.month}"
            return f"{self._reckoned()}{already}, {so_far}"
        return None

    def words(self) -> tuple[str, ...]:
        """The same for a person: what and why, at which price, the worst case, the month."""
        plan = self.plan
        machines = f"{plan.workers} worker{'s' if plan.workers > 1 else ''}"
        why = f"phase {plan.phase}: {machines} on {plan.cloud}, for {', '.join(plan.workflows)}"
        if not self.bills:
            return (f"{why}; at most {plan.lease_minutes:g} minutes; no bill",)
        offers = ", ".join(f"{offer.gpu} up to ${offer.dollars_per_hour:.2f}/h" for offer in self.gpus)
        where = f"in {' or '.join(plan.places)}" if plan.places else "in any place"
        left_out = f"; never {', '.join(self.left_out)}, which {plan.cloud} does not rent out" if self.left_out else ""
        month = "not known" if self.month is None else f"${_cents(self.month)}, without this"
        return (
            why,
            f"GPU: {offers}, {where}{left_out}",
            f"worst case: {self._reckoned()}; the cap of a run is ${plan.cap.run}",
            f"month to date: {month}; the cap of a month is ${plan.cap.month}",
        )

    def _reckoned(self) -> str:
        """The worst case and its parts."""
        plan = self.plan
        dearest = max((offer.dollars_per_hour for offer in self.gpus), default=Decimal(0))
        rent = f"{plan.workers} x {plan.lease_minutes:g} minutes at ${dearest:.2f}/h is ${self.rent}"
        size = f"{plan.workers} x {plan.model_bytes / 1e9:.1f} GB of models"
        if plan.store_endpoint is None:
            return f"${self.worst} ({rent}; {size} from a store that is not there yet)"
        if not self.traffic:
            return f"${self.worst} ({rent}; {size} from a store that is not known to charge for them)"
        return f"${self.worst} ({rent}; {size} from AWS at ${AWS_S3.dollars_per_gb}/GB is ${self.traffic})"


def forecast(plan: Plan, month: Decimal | None) -> Forecast:
    """What a plan can cost; `month` is what the month has cost without the stack's own living machines, if known."""
    offers = rentable(plan.cloud, plan.gpus)
    dearest = max((offer.dollars_per_hour for offer in offers), default=Decimal(0))
    return Forecast(
        plan,
        offers,
        tuple(offer.gpu for offer in plan.gpus if offer not in offers),
        worst_case(plan.workers, dearest, plan.lease_minutes),
        traffic(plan.cloud, plan.workers, plan.model_bytes, plan.store_endpoint),
        month,
    )


def traffic(cloud: str, workers: int, model_bytes: int, store_endpoint: str | None) -> Decimal:
    """Dollars for the models of each worker, once from the store; as far as the store is known to charge."""
    price = store_price(cloud, store_endpoint)
    return price.dollars(workers * model_bytes) if price else Decimal(0)


def store_price(cloud: str, store_endpoint: str | None) -> StorePrice | None:
    """What the store asks for what leaves it; nothing on this machine, and where nobody knows which store it is."""
    if cloud == "local" or store_endpoint is None:
        return None
    return AWS_S3 if _is_aws(store_endpoint) else NO_EGRESS_COST


def _is_aws(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return not endpoint or host == "amazonaws.com" or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _cents(dollars: Decimal) -> Decimal:
    return dollars.quantize(CENT, ROUND_CEILING)
