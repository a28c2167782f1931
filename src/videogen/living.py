"""What costs money now, by the books and by the clouds. A cloud that does not answer is said, not hidden."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from videogen.clouds import Cloud, Machine, Volume
from videogen.errors import CloudError, VideogenError
from videogen.money import cost
from videogen.spending import Spent, so_far


@dataclass(frozen=True)
class Rented:
    """A machine, or a rent whose machine its cloud does not show."""

    machine: str
    cloud: str
    stack: str
    phase: str
    gpu: str
    since: datetime
    dollars_per_hour: Decimal
    """The cloud's price; the most that was accepted, where the cloud does not show the machine."""
    dollars: Decimal
    """Until now."""
    state: Literal["running", "exited", "not in its cloud's list", "unknown"]
    in_books: bool
    """Whether an open rent says that it may be there."""


@dataclass(frozen=True)
class Living:
    """All that is rented. `unknown` says, cloud by cloud, what could not be found out."""

    machines: tuple[Rented, ...]
    volumes: tuple[Volume, ...]
    unknown: tuple[str, ...]

    @property
    def dollars_per_hour(self) -> Decimal:
        """Of all machines, whatever their state: what exited may still cost."""
        return sum((one.dollars_per_hour for one in self.machines), Decimal(0))

    @property
    def dollars_per_month(self) -> Decimal:
        """Of what lasts."""
        return sum((one.dollars_per_month for one in self.volumes), Decimal(0))

    @property
    def outside(self) -> Decimal:
        """Dollars until now of machines that no open rent knows, and that a month's sum therefore lacks."""
        return sum((one.dollars for one in self.machines if not one.in_books), Decimal(0))


def place(cloud: str, stack: str) -> str:
    """What is asked about a stack's machines: this machine knows those of each stack by itself."""
    return f"{cloud} ({stack})" if cloud == "local" else cloud


def living(spent: Spent, clouds: Mapping[str, Callable[[], Cloud]]) -> Living:
    """What is rented now, by the open rents and by the clouds of those places, each of which is asked once."""
    machines: dict[str, Machine] = {}
    volumes: list[Volume] = []
    unknown: list[str] = []
    heard: set[str] = set()
    for name, make in clouds.items():
        try:
            cloud = make()
            machines |= {machine.name: machine for machine in cloud.machines()}
        except VideogenError as error:
            unknown.append(f"{name}: what lives there is not known: {error.message}")
            continue
        heard.add(name)
        try:
            volumes += cloud.volumes()
        except CloudError as error:
            unknown.append(f"{name}: what lasts there is not known: {error.message}")
    rents = {rent.machine: rent for rent in spent.open_rents}
    found = [_seen(machine, spent.now, machine.name in rents) for machine in machines.values()]
    found += [
        Rented(
            rent.machine,
            rent.cloud,
            rent.stack,
            rent.phase,
            rent.gpu,
            rent.rented,
            rent.dollars_per_hour,
            so_far(rent, spent.now),
            "not in its cloud's list" if place(rent.cloud, rent.stack) in heard else "unknown",
            in_books=True,
        )
        for rent in spent.open_rents
        if rent.machine not in machines
    ]
    return Living(tuple(sorted(found, key=lambda one: (one.since, one.machine))), tuple(volumes), tuple(unknown))


def _seen(machine: Machine, now: datetime, in_books: bool) -> Rented:
    dollars = cost(machine.dollars_per_hour, max(0.0, (now - machine.started).total_seconds()))
    return Rented(
        machine.name,
        machine.cloud,
        machine.stack,
        machine.phase,
        machine.gpu,
        machine.started,
        machine.dollars_per_hour,
        dollars,
        machine.state,
        in_books,
    )
