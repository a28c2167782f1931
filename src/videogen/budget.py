"""What one run of a stack may cost, in the worst case, and how long its workers may live for that.

One truth for who plans, lints, rents and runs: a cap holds even when every worker costs what it may at most, loads its
models once, and nobody is left to watch it.
"""

from dataclasses import dataclass
from decimal import Decimal

from videogen.lease import LeaseTerms
from videogen.money import Cap, worst_case


@dataclass(frozen=True)
class Budget:
    """The terms of one run."""

    cap: Cap
    workers: int
    dollars_per_hour: Decimal
    """The most that an hour of one worker may cost; 0 where nothing is billed."""
    lease: LeaseTerms
    traffic: Decimal
    """Dollars for the models of all workers on their way to them."""

    @property
    def worst(self) -> Decimal:
        """Dollars for all workers' whole leases, and the traffic."""
        return worst_case(self.workers, self.dollars_per_hour, self.lease.total) + self.traffic

    @property
    def rent(self) -> Decimal:
        """Dollars that the cap of a run leaves beside the traffic."""
        return max(self.cap.run - self.traffic, Decimal(0))

    @property
    def paid_minutes(self) -> float:
        """How long the workers may live: their lease, no longer than the cap of a run pays at the highest price."""
        hourly = self.workers * self.dollars_per_hour
        return min(self.lease.total, int(self.rent * 60 / hourly)) if hourly else self.lease.total

    @property
    def pays_work(self) -> bool:
        """Whether something is left of that time when a boot took as long as it may."""
        return self.paid_minutes == self.lease.total or self.paid_minutes > self.lease.boot

    @property
    def terms(self) -> LeaseTerms:
        """The lease, no longer than is paid for."""
        if self.paid_minutes == self.lease.total:
            return self.lease
        minutes = self.paid_minutes
        return LeaseTerms(total=minutes, idle=min(self.lease.idle, minutes), boot=self.lease.boot)
