"""A pod of the fake cloud: its life by the clock, its price, how the API shows it."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

from tests.doubles.runpod.dollars import charged, whole

Status = Literal["PROVISIONING", "STARTING", "RUNNING", "EXITED", "TERMINATED"]
ACTIONS: dict[Status, tuple[str, ...]] = {
    "PROVISIONING": ("stop", "terminate"),
    "STARTING": ("stop", "terminate"),
    "RUNNING": ("stop", "restart", "terminate"),
    "EXITED": ("start", "terminate"),
    "TERMINATED": (),
}


def identifier(length: int = 14) -> str:
    """In RunPod's manner."""
    return "".join(secrets.choice("0123456789abcdefghijklmnopqrstuvwxyz") for _ in range(length))


@dataclass
class Pod:
    """A pod, also after its end. `shown`: what the API tells of its configuration."""

    name: str
    env: dict[str, str]
    shown: dict[str, Any]
    gpu: str
    count: int
    place: str
    tier: str
    created: datetime
    dollars_per_hour: Decimal
    provisioning: timedelta
    starting: timedelta
    planted: bool = False
    """Somebody else's: it came by no call of the API."""
    id: str = field(default_factory=identifier)
    key: str = field(default_factory=lambda: f"rpa_pod_{identifier(32)}")
    """What it may end itself with."""
    stuck: Status | None = None
    late_price: bool = False
    """It names no price while it is provisioned."""
    prices: list[tuple[datetime, Decimal]] = field(default_factory=list)
    """Later prices, in order."""
    gone_at: datetime | None = None
    """When its host will take it away."""
    exit_at: datetime | None = None
    began: datetime | None = None
    """When it was created or started again."""
    stops: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    """From when until when it was stopped."""
    ended: datetime | None = None
    zombie: bool = False
    """It was deleted and lives on."""
    reads_left: int | None = None
    """A zombie's; nothing: for ever."""
    locked: bool = False
    life: int = 0
    """How often it was restarted or started again."""
    public_ports: dict[int, int] = field(default_factory=dict)
    """Port of the container → port of the machine that runs it."""

    def settle(self, now: datetime) -> None:
        """What has come over it meanwhile."""
        if self.gone_at and self.gone_at <= now and not self.ended:
            self.ended = self.gone_at
        if self.exit_at and self.exit_at <= now and not self.ended:
            self.stops.append((self.exit_at, None))
            self.exit_at = None

    @property
    def running_from(self) -> datetime:
        """When its container is healthy, if nothing is wrong with it."""
        return (self.began or self.created) + self.provisioning + self.starting

    @property
    def stopped(self) -> bool:
        """Whether it is stopped now."""
        return bool(self.stops) and self.stops[-1][1] is None

    def status(self, now: datetime) -> Status:
        """Where it is in its life."""
        if self.ended:
            return "TERMINATED"
        if self.stopped:
            return "EXITED"
        began = self.began or self.created
        if now < began + self.provisioning or self.stuck == "PROVISIONING":
            return "PROVISIONING"
        if now < self.running_from or self.stuck == "STARTING":
            return "STARTING"
        return "RUNNING"

    def price(self, now: datetime) -> Decimal:
        """Dollars an hour while it is not stopped."""
        return next((price for since, price in reversed(self.prices) if since <= now), self.dollars_per_hour)

    def dollars(self, begin: datetime, end: datetime) -> Decimal:
        """What its compute costs between two moments, stops left out."""
        last = self.ended or end
        cuts = {begin, end, *(since for since, _ in self.prices)}
        cuts |= {moment for stop in self.stops for moment in stop if moment}
        total = Decimal(0)
        inside = sorted(moment for moment in cuts if begin <= moment <= end)
        for left, right in pairwise(max(self.created, min(moment, last)) for moment in inside):
            if left < right and not any(
                since <= left and (until is None or left < until) for since, until in self.stops
            ):
                total += charged(left, right, self.price(left))
        return total

    def exposed(self, *kinds: str) -> list[int]:
        """The ports of its container that the world may reach, of these kinds or any."""
        pairs = (port.split("/") for port in self.shown["ports"])
        return [int(number) for number, kind in pairs if kind in (kinds or ("http", "tcp"))]

    def body(self, now: datetime) -> dict[str, Any]:
        """As the API shows it."""
        status = self.status(now)
        running = status == "RUNNING"
        since = self.running_from
        # HTTP ports are reached by the proxy's name, TCP ports by a public address
        ports: list[dict[str, Any]] = [
            {"private": inner, "type": kind, "ip": None, "public": None}
            | ({"ip": "127.0.0.1", "public": self.public_ports.get(inner)} if kind == "tcp" else {})
            for kind in ("http", "tcp")
            for inner in self.exposed(kind)
        ]
        unpriced = ("EXITED", "PROVISIONING") if self.late_price else ("EXITED",)
        runtime = {
            "uptime": int((now - since).total_seconds()),
            "gpus": [{"util": 0, "memoryUtil": 0}] * self.count,
            "cpu": {"util": 1},
            "memory": {"util": 1},
            "ports": ports,
        }
        return {
            "id": self.id,
            "name": self.name,
            **self.shown,
            "env": self.env,
            "status": status,
            "actions": list(ACTIONS[status]),
            "gpu": {"id": self.gpu, "count": self.count},
            "cloud": self.tier,
            "dataCenterId": self.place,
            "cudaVersion": "12.8",
            "ssh": {"proxy": None, "direct": None},
            "template": None,
            "cost": 0.0 if status in unpriced else float(self.price(now)),
            "locked": self.locked,
            "runtime": runtime if running else None,
            "createdAt": _told(self.created),
            "startedAt": _told(since) if running else None,
        }


def _told(moment: datetime) -> str:
    return whole(moment).strftime("%Y-%m-%dT%H:%M:%SZ")
