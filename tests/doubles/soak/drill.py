"""The drill: who lives in it, how its time passes, and what happens in it by chance."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.doubles.runpod import Clock, FakeRunpod
from tests.doubles.runpod.schemas import CreateVolume
from tests.doubles.soak.bucket import PLACE, Bucket, Client
from tests.doubles.soak.mortal import Killed, Life, MortalApi
from tests.doubles.soak.operator import Operator
from tests.doubles.soak.strikes import STRIKES
from tests.doubles.soak.worker import Worker
from videogen import receipts, tag
from videogen.clouds.runpod import RunpodCloud
from videogen.errors import VideogenError
from videogen.money import Receipt
from videogen.pace import Pace
from videogen.pulumi_stack import StackState
from videogen.receipts import Receipts
from videogen.sweep import Place, Swept, sweep

TICK = 20.0
"""Seconds from one look of the workers at their clocks to the next."""
SWEEP_SECONDS = 1200.0


@dataclass
class Hands:
    """What one program works with while it lives."""

    life: Life
    store: Client
    books: Receipts
    cloud: RunpodCloud
    pace: Pace
    cancelled: threading.Event = field(default_factory=threading.Event)
    waits: int | None = None
    """So many until Ctrl-C."""

    def stop_after(self, waits: int) -> None:
        """Ctrl-C after so many waits."""
        self.waits = waits

    def waited(self) -> None:
        """One more."""
        if self.waits is not None:
            self.waits -= 1
            if self.waits <= 0:
                self.cancelled.set()


class Drill:
    """One account, one bucket, two operators of whom each has Pulumi states of his own, one sweeper."""

    def __init__(self, seed: int, fake: FakeRunpod, folder: Path) -> None:
        assert fake.clock.is_quick
        self.random, self.fake, self.folder = random.Random(seed), fake, folder
        self.clock: Clock = fake.clock
        self.bucket = Bucket(self.clock)
        self._store, self._api = Client(self.bucket), MortalApi(fake.url, fake.key)
        self.workers: dict[str, Worker] = {}
        self.operators = [Operator(self, name) for name in ("first", "second")]
        self.struck: dict[str, int] = {}
        """Kind of fault → how often it was let loose."""
        self.said: list[str] = []
        self.swept: list[Swept] = []
        self.unreadable = 0
        """So many questions for a stack's state fail."""
        self.next_agent_dead = 0
        self._next_sweep = self.clock().timestamp() + SWEEP_SECONDS
        self._deep = False
        self._met = 0
        self.meanwhile: list[Callable[[], None]] = []
        """What somebody else does as soon as time passes."""
        name = tag.tagged(tag.owner(PLACE), "models")
        volume = {"name": name, "size": 100, "dataCenter": "EU-RO-1", "type": "STANDARD"}
        with fake.account.lock:  # it vouches that the key sees the account
            fake.account.create_volume(CreateVolume.model_validate(volume))

    def __enter__(self) -> "Drill":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._api.close()

    def hands(self, name: str) -> Hands:
        """A new program of somebody, alive."""
        life = Life()
        store = self._store.of(life)

        def wait(event: threading.Event, seconds: float) -> bool:
            life.act()
            self.passes(seconds)
            hands.waited()
            return event.is_set()

        pace = Pace(self.clock, lambda: self.clock().timestamp(), wait)
        api = self._api.of(life, pace)
        cloud = RunpodCloud(api, PLACE, proxy=self.fake.proxy, worker_api=self.fake.url, pace=pace)
        hands = Hands(life, store, Receipts(self.folder / name, store), cloud, pace)
        return hands

    # time

    def passes(self, seconds: float) -> None:
        """Time goes on, and with it everything that does not wait for whoever waits."""
        end = self.clock().timestamp() + seconds
        while (left := end - self.clock().timestamp()) > 0:
            self.clock.advance(min(left, TICK))
            self._tick()

    def _tick(self) -> None:
        now = self.clock()
        self._meet()
        for worker in list(self.workers.values()):
            if worker.pod.ended:
                del self.workers[worker.pod.id]
            else:
                worker.step(now)
        if self._deep:
            return
        self._deep = True
        try:
            if self.meanwhile:
                self.meanwhile.pop()()
            if now.timestamp() >= self._next_sweep:
                self._next_sweep = now.timestamp() + SWEEP_SECONDS
                self.sweep(self.random.choice((None, None, None, self.random.randrange(40))))
        finally:
            self._deep = False

    def _meet(self) -> None:
        """Every pod that has come to be gets its worker."""
        with self.fake.account.lock:
            new = [pod for pod in list(self.fake.account.pods.values())[self._met :] if not pod.planted]
            self._met = len(self.fake.account.pods)
        for pod in new:
            worker = Worker(pod, self.bucket, self.fake.url, self.random.uniform(30, 200))
            if self.next_agent_dead:
                self.next_agent_dead -= 1
                worker.agent_dead = True
            self.workers[pod.id] = worker

    # what happens

    def run(self, faults: int) -> None:
        """Until so many faults were let loose."""
        while sum(self.struck.values()) < faults:
            for _ in range(self.random.randint(2, 5)):
                self._strike()
            operator = self.random.choice(self.operators)
            operator.works(self.random.choice(("phase-a", "phase-c")))
            self.passes(self.random.choice((0, 60, 600, 3600)))
            if self.random.random() < 0.5:
                self.heal()

    def _strike(self) -> None:
        name, strike = self.random.choice(STRIKES)
        self.struck[name] = self.struck.get(name, 0) + 1
        strike(self)

    def heal(self) -> None:
        """Nothing that is in force stays in force; what was done is done."""
        self.fake.heal()
        self.bucket.down = self.unreadable = self.next_agent_dead = 0
        for gpu in self.fake.catalog.gpus:
            self.fake.stock(gpu, 10)

    def settle(self) -> None:
        """All is well again, and the sweeper comes as he always does, for a day and a bit."""
        self.heal()
        self.meanwhile.clear()
        self.passes(3 * 3600)
        for seconds in (0, 3600, 26 * 3600):
            self.clock.advance(seconds)
            self.sweep(None)

    def sweep(self, until: int | None) -> None:
        """The sweeper, who is killed after so many acts."""
        hands = self.hands("sweeper")
        hands.life.left = until
        place = Place("runpod", hands.cloud, "runpod", hands.books, hands.store)
        with self.contained(hands):
            self.swept.append(sweep(place, ("phase-a", "phase-c"), self._state, dry_run=False, clock=self.clock))

    def _state(self, stack: str) -> StackState | None:
        """What the states know; both backends, as far as somebody can read them."""
        if self.unreadable:
            self.unreadable -= 1
            raise VideogenError("the backend does not answer")
        known = self.operators[0].state.get(stack, {})
        return StackState({name: {"id": machine.id} for name, machine in known.items()}, frozenset())

    @contextmanager
    def contained(self, hands: Hands) -> Iterator[None]:
        """Whoever is killed takes nobody with him; whoever fails says why."""
        try:
            yield
        except VideogenError as error:
            self.said.append(f"{type(error).__name__}: {error.message}")
        except Killed:
            assert hands.life.dead
            self.said.append("killed")
        finally:
            hands.life.dead = True

    # what is left

    def receipts(self) -> dict[str, Receipt]:
        """Machine → its receipt, of the bucket."""
        found, faults = receipts.stored(self.hands("auditor").store)
        assert faults == ()
        return {one.machine: one for one in found}

    def open_rents(self) -> list[str]:
        """Machines of which the bucket does not know what became of them."""
        return [rent.machine for rent in self.hands("auditor").books.open_rents()]

    @staticmethod
    def name(called: str) -> str:
        """Our name of a pod that RunPod calls so."""
        return tag.untagged(tag.owner(PLACE), called) or called
