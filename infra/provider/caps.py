"""Holds a phase's caps against its worst case and what the month has cost."""

from datetime import UTC, datetime
from decimal import Decimal

from infra.provider.wanted import WantedPhase
from videogen.errors import Stopped, StoreError
from videogen.forecast import Forecast, forecast
from videogen.receipts import Receipts
from videogen.spending import so_far


def expected(wanted: WantedPhase, receipts: Receipts) -> Forecast:
    """The forecast with the month's cost; raises `StoreError` when nobody knows it for sure.

    The stack's own living machines are left out of the month: the worst case has each of them, for its whole lease.
    """
    spent = receipts.month(datetime.now(UTC))
    if spent.faults:
        raise StoreError("; ".join(map(str, spent.faults)))
    living = sum((so_far(rent, spent.now) for rent in spent.open_rents if rent.stack == wanted.stack), Decimal(0))
    return forecast(wanted.plan(), spent.dollars - living)


def require_money(wanted: WantedPhase, receipts: Receipts) -> None:
    """Raises `Stopped` when a cap does not bear the worst case, `StoreError` when that is not known.

    Asks nobody for a phase that sends no bill.
    """
    if not forecast(wanted.plan(), None).bills:
        return
    try:
        reason = expected(wanted, receipts).refusal()
    except StoreError as error:
        raise StoreError(
            f"what the month has cost is not known, so nothing is rented: {error.message}",
            error.hint or "the books of what is rented are in the store",
        ) from error
    if reason:
        raise Stopped(f"nothing is rented: {reason}", "fewer workers, a shorter lease, or a higher cap")
