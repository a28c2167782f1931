"""What the fake cloud charges, by its own clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.doubles.runpod.account import Account, StoredVolume
from tests.doubles.runpod.dollars import MONTH_HOURS, charged, whole
from tests.doubles.runpod.pod import Pod
from tests.doubles.runpod.problem import Problem

BUCKETS = ("hour", "day", "week", "month", "year")
CHEAP_GB = 1000
"""Beyond so many gigabytes a network volume is cheaper."""


@dataclass(frozen=True)
class PodBill:
    """What one pod cost until now or until its end."""

    id: str
    name: str
    created: datetime
    ended: datetime | None
    seconds: int
    dollars: Decimal
    planted: bool


@dataclass(frozen=True)
class Bill:
    """Of all pods that ever were."""

    pods: tuple[PodBill, ...]

    @property
    def total(self) -> Decimal:
        """Dollars for the pods that came by the API; those of others are left out."""
        return sum((pod.dollars for pod in self.pods if not pod.planted), Decimal(0))

    def of(self, name: str) -> Decimal:
        """Dollars for the pods whose name has this part."""
        return sum((pod.dollars for pod in self.pods if name in pod.name), Decimal(0))


def bill(account: Account) -> Bill:
    """As of now."""
    now = account.settle()
    return Bill(tuple(_pod_bill(pod, now) for pod in account.pods.values()))


def _pod_bill(pod: Pod, now: datetime) -> PodBill:
    end = pod.ended or now
    seconds = int((whole(end) - whole(pod.created)).total_seconds())
    return PodBill(pod.id, pod.name, pod.created, pod.ended, seconds, pod.dollars(pod.created, end), pod.planted)


def volume_dollars(volume: StoredVolume, begin: datetime, end: datetime) -> Decimal:
    """For what was stored between two moments: $0.07 a GB and month to 1 TB, $0.05 above."""
    end = min(end, volume.ended or end)
    begin = max(begin, volume.created)
    total, since = Decimal(0), volume.created
    for until, size in [*volume.growth, (end, volume.size)]:
        month = min(size, CHEAP_GB) * Decimal("0.07") + max(size - CHEAP_GB, 0) * Decimal("0.05")
        left, right = max(since, begin), min(until, end)
        total += charged(left, right, month / MONTH_HOURS) if left < right else 0
        since = until
    return total


def pod_records(account: Account, query: dict[str, str]) -> dict[str, Any]:
    """The answer of `/billing/pods`."""
    now = account.settle()
    begin, end, size = _window(query, now)
    only = query.get("podId")
    pods = []
    for pod in account.pods.values():
        late = account.faults.due("late-bill", "billing", gpu=pod.gpu, name=pod.name)
        hidden = late is not None and (pod.ended is None or now < pod.ended + timedelta(seconds=late.seconds))
        if only in (None, pod.id) and not hidden:
            pods.append(pod)

    def amounts(dollars: Decimal) -> dict[str, float]:
        return {"totalAmount": float(dollars), "gpuAmount": float(dollars), "cpuAmount": 0.0, "diskAmount": 0.0}

    records, total = [], Decimal(0)
    half = account.faults.due("half-bill", "billing")
    known = now - timedelta(seconds=half.seconds) if half else now
    for left, right in _buckets(begin, min(end, known), size):
        for pod in pods:
            if dollars := pod.dollars(left, min(right, known)):
                total += dollars
                records.append({**_range(left, right), "podId": pod.id, **amounts(dollars)})
    unique = len({record["podId"] for record in records})
    asked = {**_range(begin, end), "bucketSize": size, "podId": only}
    metadata = {"query": asked, "recordCount": len(records), "uniquePodCount": unique, "totals": amounts(total)}
    return {"records": records, "metadata": metadata}


def volume_records(account: Account, query: dict[str, str]) -> dict[str, Any]:
    """The answer of `/billing/network-volumes`."""
    now = account.settle()
    begin, end, size = _window(query, now)
    only = query.get("networkVolumeId")
    volumes = [volume for volume in account.volumes.values() if only in (None, volume.id)]

    def amounts(dollars: Decimal) -> dict[str, float]:
        return {"totalAmount": float(dollars), "standardAmount": float(dollars), "highPerformanceAmount": 0.0}

    records, total = [], Decimal(0)
    for left, right in _buckets(begin, end, size):
        for volume in volumes:
            if dollars := volume_dollars(volume, left, min(right, now)):
                total += dollars
                records.append({**_range(left, right), "networkVolumeId": volume.id, **amounts(dollars)})
    unique = len({record["networkVolumeId"] for record in records})
    asked = {**_range(begin, end), "bucketSize": size, "networkVolumeId": only}
    metadata = {"query": asked, "recordCount": len(records), "uniqueNetworkVolumeCount": unique}
    return {"records": records, "metadata": {**metadata, "totals": amounts(total)}}


def _window(query: dict[str, str], now: datetime) -> tuple[datetime, datetime, str]:
    size = query.get("bucketSize", "day")
    if size not in BUCKETS:
        raise Problem(422, errors=[f"bucketSize: should be one of {', '.join(BUCKETS)}"])
    if "lastN" in query:
        if "startTime" in query or "endTime" in query:
            raise Problem(400, "lastN and startTime/endTime are mutually exclusive")
        if not query["lastN"].isdigit() or not int(query["lastN"]):
            raise Problem(422, errors=["lastN: should be a whole number from 1"])
        begin = _floor(now, size)
        for _ in range(int(query["lastN"]) - 1):
            begin = _floor(begin - timedelta(seconds=1), size)
        return begin, _next(_floor(now, size), size), size
    begin = _moment(query, "startTime", now - timedelta(days=30))
    end = _moment(query, "endTime", now)
    floor = _floor(end, size)
    return _floor(begin, size), floor if floor == end else _next(floor, size), size


def _moment(query: dict[str, str], name: str, default: datetime) -> datetime:
    if name not in query:
        return default
    try:
        moment = datetime.fromisoformat(query[name])
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Problem(422, errors=[f"{name}: should be a date-time with a zone"])
    return moment


def _buckets(begin: datetime, end: datetime, size: str) -> Iterator[tuple[datetime, datetime]]:
    while begin < end:
        yield begin, (begin := _next(begin, size))


def _floor(moment: datetime, size: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    if size == "hour":
        return hour
    if size == "week":
        return day - timedelta(days=day.weekday())
    return day if size == "day" else day.replace(day=1) if size == "month" else day.replace(month=1, day=1)


def _next(begin: datetime, size: str) -> datetime:
    days = {"hour": 1 / 24, "day": 1, "week": 7, "month": 31, "year": 366}[size]
    return _floor(begin + timedelta(days=days), size) if size in ("month", "year") else begin + timedelta(days=days)


def _range(begin: datetime, end: datetime) -> dict[str, str]:
    return {"startTime": begin.isoformat().replace("+00:00", "Z"), "endTime": end.isoformat().replace("+00:00", "Z")}
