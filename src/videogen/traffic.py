"""What it takes to bring bytes to a worker: seconds at a speed, and dollars that a store asks for them."""

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

CENT = Decimal("0.01")


@dataclass(frozen=True)
class StorePrice:
    """What a store asks for each GB that leaves it."""

    name: str
    dollars_per_gb: Decimal
    source: str
    """Where the number is from, and when it was looked up."""

    def dollars(self, size: int) -> Decimal:
        """For so many bytes, rounded up to the cent; a free allowance of the month is not taken off."""
        return (self.dollars_per_gb * size / 10**9).quantize(CENT, ROUND_UP)


AWS_S3 = StorePrice(
    "AWS S3", Decimal("0.09"), "aws.amazon.com/s3/pricing, 2026-11-20: $0.09/GB to 10 TB a month, the first 100 GB free"
)
NO_EGRESS_COST = StorePrice(
    "a store without egress cost", Decimal(0), "developers.cloudflare.com/r2/pricing, 2026-11-20: egress $0"
)
PRICES = (AWS_S3, NO_EGRESS_COST)


def seconds(size: int, gigabit_per_second: float) -> float:
    """How long so many bytes take at a speed in Gbit/s, were it held all the time."""
    return size * 8 / (gigabit_per_second * 10**9)
