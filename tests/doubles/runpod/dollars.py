"""Money of the fake cloud, exact."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator

Dollars = Annotated[Decimal, BeforeValidator(lambda value: Decimal(str(value)))]
HOUR = 3600
MONTH_HOURS = 730


def whole(moment: datetime) -> datetime:
    """The second that a moment lies in: the API tells whole seconds, and so does it bill."""
    return moment.replace(microsecond=0)


def charged(begin: datetime, end: datetime, an_hour: Decimal) -> Decimal:
    """Dollars from second to second."""
    seconds = Decimal(int((whole(end) - whole(begin)).total_seconds()))
    return an_hour * max(seconds, Decimal(0)) / HOUR
