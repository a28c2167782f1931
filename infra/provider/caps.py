"""Holds a phase's caps against its worst case and what the month has cost."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from infra.provider.wanted import WantedPhase
from videogen.errors import Stopped, StoreError
from videogen.forecast import Forecast, forecast
from videogen.receipts import Receipts
from videogen.spending import Spent, so_far

_APART = timedelta(minutes=5)
"""So far the clock here and the cloud's, which says when a machine was started, may be apart."""


def expected(wanted: WantedPhase, receipts: Receipts) -> Forecast:
    """The forecast with the month's cost; raises `StoreError` when nobody knows it for sure."""
    return _forecast(wanted, _month(receipts))


def require_money(wanted: WantedPhase, receipts: Receipts, began: datetime) -> None:
    """Raises `Stopped` when a cap does not bear the worst case, `StoreError` when that is not known.

    What has been spent since `began` on machines of the stack that did not get ready counts as the run's, whether the
    bill has come or not, with the models that each may have loaded. Asks nobody for a phase that sends no bill.
    """
    if not forecast(wanted.plan(), None).bills:
        return
    try:
        spent = _month(receipts)
    except StoreError as error:
        raise StoreError(
            f"what the month has cost is not known, so nothing is rented: {error.message}",
            error.hint or "the books of what is rented are in the store",
        ) from error
    found = _forecast(wanted, spent)
    unbilled = [rent.unbilled for rent in spent.open_rents if rent.unbilled]
    failed = [
        one
        for one in (*spent.receipts, *unbilled)
        if one.stack == wanted.stack and one.started >= began - _APART and one.id
    ]
    traffic = found.traffic / wanted.workers * len(failed)
    if reason := found.refusal(sum((one.dollars for one in failed), traffic)):
        raise Stopped(f"nothing more is rented: {reason}", "fewer workers, a shorter lease, or a higher cap")


def _month(receipts: Receipts) -> Spent:
    spent = receipts.month(datetime.now(UTC))
    if spent.faults:
        raise StoreError("; ".join(map(str, spent.faults)))
    return spent


def _forecast(wanted: WantedPhase, spent: Spent) -> Forecast:
    """The stack's own living machines are left out of the month: the worst case has each, for its whole lease."""
    own = (rent for rent in spent.open_rents if rent.stack == wanted.stack and not rent.unbilled)
    living = sum((so_far(rent, spent.now) for rent in own), Decimal(0))
    return forecast(wanted.plan(), spent.dollars - living)
