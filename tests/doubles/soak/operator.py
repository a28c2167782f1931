"""Somebody who rents, renders and destroys, with the product's own hands and a Pulumi state in memory."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.doubles.soak.bucket import ACCESS, PLACE
from videogen.clouds import Machine, WorkerSpec
from videogen.comfyui_source import ComfyuiSource
from videogen.errors import CloudUnknown, Interrupted, NotReady, VideogenError
from videogen.gpu import Offer
from videogen.lease import LeaseTerms, RentTerms
from videogen.money import Cap
from videogen.rent import Renter
from videogen.secret import Secret
from videogen.stops import Stops
from videogen.watch import Watch

if TYPE_CHECKING:
    from tests.doubles.soak.drill import Drill, Hands

OFFERS = {
    "phase-a": (
        Offer(gpu="L40S", dollars_per_hour=Decimal("1.40")),
        Offer(gpu="A100-80GB", dollars_per_hour=Decimal("2.20")),
    ),
    "phase-c": (
        Offer(gpu="H100-80GB", dollars_per_hour=Decimal("4.40")),
        Offer(gpu="A100-80GB", dollars_per_hour=Decimal("2.20")),
    ),
}
LOOK = 5.0


class Operator:
    """`state`: stack → name → machine, as Pulumi remembers it."""

    def __init__(self, drill: Drill, name: str) -> None:
        self.drill, self.name = drill, name
        self.state: dict[str, dict[str, Machine]] = {}
        self.month = Decimal(1_000_000)
        """The cap of the next `up`'s month."""
        self.killed_after: int | None = None
        """So many acts of the next program until it is killed."""
        self.stopped_after: int | None = None
        """So many waits of the next `up` until Ctrl-C."""
        self.runs = 0
        self.holds: set[str] = set()

    def works(self, stack: str) -> None:
        """`up`, a batch, `destroy`; what is killed or fails leaves what it leaves."""
        if stack in self.holds:
            return  # the stack is locked
        self.runs += 1
        self.holds.add(stack)
        self._works(stack)
        self.holds.discard(stack)

    def _works(self, stack: str) -> None:
        if self._program(lambda hands: self._up(hands, stack)) and not self._program(
            lambda hands: self._batch(hands, stack)
        ):
            return  # nobody is there to destroy it
        if self.drill.random.random() < 0.9:
            self._program(lambda hands: self._destroy(hands, stack))

    def _program(self, acts: Callable[[Hands], None]) -> bool:
        """Whether it came to its end."""
        hands = self.drill.hands(self.name)
        hands.life.left, self.killed_after = self.killed_after, None
        with self.drill.contained(hands):
            acts(hands)
            return True
        return False

    def _up(self, hands: Hands, stack: str) -> None:
        known = self.state.setdefault(stack, {})
        renter = Renter(hands.cloud, hands.books, f"pulumi of {self.name}", hands.pace)
        for name, machine in list(known.items()):  # refresh
            if renter.look(machine) is None:
                hands.life.act()
                del known[name]
        if known:
            return
        stopped_after, self.stopped_after = self.stopped_after, None

        def prove(machine: Machine, alive: Callable[[], bool]) -> str:
            deadline = hands.pace.now() + 5 * 60
            while True:
                worker = self.drill.workers.get(machine.id)
                if worker and worker.ready is not None:
                    return "ready"
                if not alive():
                    raise NotReady("it died")
                if hands.cancelled.is_set():
                    raise Interrupted("stopped while it booted")
                if hands.pace.now() >= deadline:
                    raise NotReady("not ready in time")
                hands.pace.wait(hands.cancelled, LOOK)

        if stopped_after is not None:
            hands.stop_after(stopped_after)
        machine, _ = renter.rent(self._spec(stack), prove, hands.cancelled, self.drill.said.append)
        hands.life.act()
        known[machine.name] = machine

    def _spec(self, stack: str) -> WorkerSpec:
        total = self.drill.random.choice((20, 45, 90))
        month, self.month = self.month, Decimal(1_000_000)
        return WorkerSpec(
            stack=stack,
            slot="1",
            phase="a" if stack == "phase-a" else "c",
            offers=OFFERS[stack],
            places=self.drill.random.choice(((), ("EU-RO-1",), ("EU-RO-1", "US-KS-2"))),
            image="ghcr.io/us/worker:1",
            volume_gb=0,
            container_disk_gb=20,
            lease=LeaseTerms(total=total, idle=self.drill.random.choice((5, 15)), boot=5),
            cap=Cap(run=Decimal(8), month=month),
            manifest="d" * 64,
            store=PLACE,
            access=ACCESS,
            worker_access=ACCESS,
            token=Secret("the-token"),
            comfyui=ComfyuiSource(),
            rent=RentTerms(creates=self.drill.random.choice((1, 3, 6)), wait=self.drill.random.choice((0, 4))),
            run=f"{self.name}-{self.runs}",
        )

    def _batch(self, hands: Hands, stack: str) -> None:
        """Renders for a while, under the watch of `videogen run`."""
        stops = Stops()
        watch = Watch(
            f"{self.name}-{self.runs}", stack, Cap(run=Decimal(8), month=Decimal(1_000_000)), Decimal(5), cloud=hands.cloud,
            books=hands.books, clock=self.drill.clock, stops=stops, say=self.drill.said.append,
        )  # fmt: skip
        until = hands.pace.now() + self.drill.random.uniform(60, 2400)
        watch.look()
        while hands.pace.now() < until and not stops.asked.is_set():
            hands.pace.sleep(30)
            watch.count()
            living = [self.drill.workers.get(machine.id) for machine in self.state[stack].values()]
            if not any(living):
                break
            for worker in living:
                if worker and worker.runs(self.drill.clock()):
                    worker.busy(self.drill.clock())

    def _destroy(self, hands: Hands, stack: str) -> None:
        """As `infra.provider` does it: what the state knows, then what it does not know."""
        known = self.state.get(stack, {})
        renter = Renter(hands.cloud, hands.books, f"pulumi of {self.name}", hands.pace)
        failed: list[VideogenError] = []
        for name, machine in list(known.items()):
            try:
                renter.end(machine, "destroyed")
            except CloudUnknown as error:
                failed.append(error)
                continue
            hands.life.act()
            del known[name]
        if failed:
            raise failed[0]
        for machine in hands.cloud.machines(stack):
            renter.end(machine, "left behind, unknown to the state")
        for record in hands.books.open_rents():
            if record.stack == stack:
                renter.closed(record)
