"""What costs money now, by the books and by the clouds. A cloud that does not answer is said, not hidden."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from videogen.background import within
from videogen.clouds import Cloud, Machine, Volume
from videogen.errors import VideogenError
from videogen.money import cost
from videogen.spending import Spent, so_far

ANSWER_SECONDS = 15.0
"""For all that one cloud is asked; who must know asks for longer than who wants to see."""


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
    asked = {name: _ask(name, make) for name, make in clouds.items()}
    heard = {name for name, answer in asked.items() if answer.machines is not None}
    machines = {machine.name: machine for answer in asked.values() for machine in answer.machines or ()}
    volumes = [volume for answer in asked.values() for volume in answer.volumes]
    unknown = [answer.unknown for answer in asked.values() if answer.unknown]
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
        if rent.machine not in machines and not rent.unbilled
    ]
    return Living(tuple(sorted(found, key=lambda one: (one.since, one.machine))), tuple(volumes), tuple(unknown))


@dataclass
class _Answer:
    """What one cloud said, as far as it got."""

    machines: tuple[Machine, ...] | None = None
    volumes: tuple[Volume, ...] = ()
    unknown: str = ""


def _ask(name: str, make: Callable[[], Cloud]) -> _Answer:
    got = _Answer()

    def ask() -> None:
        try:
            cloud = make()
            got.machines = cloud.machines()
            got.volumes = cloud.volumes()
        except VideogenError as error:
            got.unknown = error.message

    in_time = within(ANSWER_SECONDS, ask, f"cost of {name}")
    found = _Answer(got.machines, got.volumes, got.unknown if in_time else f"no answer within {ANSWER_SECONDS:g} s")
    what = "lives" if found.machines is None else "lasts"
    found.unknown = found.unknown and f"{name}: what {what} there is not known: {found.unknown}"
    return found


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
