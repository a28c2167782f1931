"""What a batch's workers cost beside their work: boot, models on their way, and the time until they are gone."""

from dataclasses import dataclass
from decimal import Decimal

from videogen.money import cost
from videogen.planner.estimate import Seconds
from videogen.traffic import StorePrice, seconds

BOOT_SECONDS = Seconds(180, 60, 600)
"""Machine and image, without models. Assumed: nobody measured it; a host that has the image starts within a minute."""
MODELS_GBIT = Seconds(2, 5, 0.5)
"""Gbit/s at which models come from the store. Assumed: from a good host to a poor one."""
TAIL_SECONDS = 60.0
"""Between the last job and the end of the workers, when the stack is destroyed at once; assumed."""


@dataclass(frozen=True)
class Terms:
    """Under which terms workers are rented."""

    workers: int
    idle_minutes: float
    """After which a worker without work ends itself."""
    boot: Seconds
    """From the order to the first job, models included."""
    boot_basis: str
    model_bytes: int
    """That each worker fetches."""
    egress: StorePrice | None
    """What the store asks for them; nothing where nobody knows."""
    kept: bool = False
    """A volume keeps the models from one boot to the next."""

    @property
    def most_traffic(self) -> Decimal:
        """Dollars for the models of every worker, once."""
        return self.egress.dollars(self.model_bytes * self.workers) if self.egress else Decimal(0)


@dataclass(frozen=True)
class Dollars:
    """An amount between the best and the worst that is believed."""

    likely: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True)
class Bill:
    """What the batch costs in all."""

    boot: Seconds
    tail: Seconds
    """After the last job of the workers, each of them."""
    traffic: Dollars
    dollars: Dollars
    """Workers and traffic."""


def assumed_boot(model_bytes: int, *, kept: bool) -> tuple[Seconds, str]:
    """How long a boot takes where this project has seen none, and on what that stands."""
    fetch = Seconds(*(0.0 if kept else seconds(model_bytes, speed) for speed in _speeds()))
    said = "models on the volume" if kept else f"{model_bytes / 1e9:.0f} GB of models at {MODELS_GBIT.likely:g} Gbit/s"
    return BOOT_SECONDS + fetch, f"assumed: machine and image {BOOT_SECONDS.likely / 60:g} min, {said}"


def bill(terms: Terms, dollars_per_hour: Decimal, rented: Seconds) -> Bill:
    """What workers at that price cost that are needed for so long: all of them live until the last one is done."""
    tail = Seconds(TAIL_SECONDS, 0, max(TAIL_SECONDS, terms.idle_minutes * 60))
    egress = terms.most_traffic
    often = Decimal(0) if terms.kept else egress
    traffic = Dollars(often, often, egress)
    alive = terms.boot + rented + tail
    rent = [cost(dollars_per_hour, terms.workers * one) for one in (alive.likely, alive.low, alive.high)]
    dollars = Dollars(rent[0] + traffic.likely, rent[1] + traffic.low, rent[2] + traffic.high)
    return Bill(terms.boot, tail, traffic, dollars)


def _speeds() -> tuple[float, float, float]:
    return MODELS_GBIT.likely, MODELS_GBIT.low, MODELS_GBIT.high
