"""A local cloud whose workers only live, and a RunPod in quick time; nothing of either is left afterwards."""

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.runpod import Clock, FakeRunpod, fake_runpod
from tests.doubles.s3_server import S3Server
from videogen import process, receipts, tag
from videogen.clouds import Machine, WorkerSpec
from videogen.clouds.local import LocalCloud
from videogen.clouds.runpod import RunpodCloud
from videogen.comfyui_source import ComfyuiSource
from videogen.ending import BILL_SETTLED
from videogen.gpu import Offer
from videogen.lease import LeaseTerms
from videogen.money import Cap, Receipt
from videogen.pace import Pace
from videogen.receipts import Receipts
from videogen.rent import Prove, Renter
from videogen.runpod_api import RunpodApi
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess
from videogen.store import Store as StoreClient
from videogen.store import receipt_key

IMAGES = Path(__file__).parent.parent / "doubles" / "images"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A stack's folder; every process started in it is ended."""
    yield tmp_path / "dev"
    for one in process.processes(tmp_path / "dev" / "processes"):
        one.end(grace_seconds=0)


@pytest.fixture
def cloud(state: Path) -> LocalCloud:
    """A cloud on that folder."""
    return LocalCloud(IMAGES, state)


@pytest.fixture
def spec() -> WorkerSpec:
    """A worker of slot 1."""
    return WorkerSpec(
        stack="dev",
        slot="1",
        phase="a",
        offers=(),
        places=(),
        image="quiet",
        volume_gb=0,
        container_disk_gb=20,
        lease=LeaseTerms(total=60, idle=30, boot=1),
        cap=Cap(run=Decimal(10), month=Decimal(100)),
        manifest="d" * 64,
        store=Store(endpoint="http://127.0.0.1:1", region="us-east-1", models="models", outputs="outputs"),
        access=StoreAccess(key=Secret("operator-key"), secret=Secret("operator-secret")),
        worker_access=StoreAccess(key=Secret("the-key"), secret=Secret("the-secret")),
        token=Secret("the-token"),
        comfyui=ComfyuiSource(),
    )


_numbers = itertools.count(1)

OFFERS = (
    Offer(gpu="H100-80GB", dollars_per_hour=Decimal("4.40")),
    Offer(gpu="A100-80GB", dollars_per_hour=Decimal("2.20")),
)


@dataclass
class Quick:
    """RunPod and a store of one owner, by a clock that moves only while somebody waits."""

    fake: FakeRunpod
    spec: WorkerSpec
    store: StoreClient
    books: Receipts
    cloud: RunpodCloud
    pace: Pace
    said: list[str] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)
    waits: list[float] = field(default_factory=list)
    on_wait: Callable[[], None] = lambda: None

    @property
    def renter(self) -> Renter:
        """Rents in a test's name."""
        return Renter(self.cloud, self.books, "test", self.pace)

    def rent(self, prove: Prove[str] = lambda _machine, _alive: "ready") -> Machine:
        """A machine for the spec."""
        return self.renter.rent(self.spec, prove, self.cancelled, self.said.append)[0]

    def wants(self, **other: Any) -> None:
        """Replaces parts of the spec."""
        self.spec = dataclasses.replace(self.spec, **other)

    def tagged(self, name: str) -> str:
        """What RunPod calls it."""
        return tag.tagged(tag.owner(self.spec.store), name)

    @property
    def receipts(self) -> dict[str, Receipt]:
        """Those in the bucket."""
        prefix = receipt_key("").removesuffix(".json")
        keys = [one.key for one in self.store.list(self.store.outputs, prefix)]
        found = [receipts.parse(self.store.get_bytes(self.store.outputs, key)) for key in keys]
        return {one.machine: one for one in found}

    @property
    def paid(self) -> Decimal:
        """The sum of the receipts."""
        return sum((one.dollars for one in self.receipts.values()), Decimal(0))

    def settle(self) -> None:
        """Hours later the bill is whole, and what waited for it is closed."""
        if waiting := [rent for rent in self.books.open_rents() if rent.unbilled]:
            self.fake.clock.advance(BILL_SETTLED.total_seconds())
            assert all(self.renter.closed(rent) for rent in waiting)

    def creates(self) -> int:
        """How often a pod was ordered."""
        return sum(method == "POST" and path == "/v2/pods" for method, path, _ in self.fake.calls)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Waits in no time."""
        self.waits.append(seconds)
        self.fake.clock.advance(seconds)
        self.on_wait()
        return event.is_set()


@pytest.fixture(scope="module")
def bucket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A store for the tests of a module."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def quick(bucket_server: S3Server, tmp_path: Path, spec: WorkerSpec) -> Iterator[Quick]:
    """A cloud and books of this test's own, and a worker that shall be a pod."""
    place = bucket_server.place.model_copy(update={"outputs": f"outputs-{next(_numbers)}"})
    store = StoreClient(place, bucket_server.access, patience_seconds=1)
    store.ensure_buckets()
    with fake_runpod(clock=Clock.quick()) as fake:
        clock: Callable[[], datetime] = fake.clock
        made: list[Quick] = []

        def wait(event: threading.Event, seconds: float) -> bool:
            return made[0].wait(event, seconds)

        pace = Pace(clock, lambda: clock().timestamp(), wait)
        api = RunpodApi(fake.url, Secret(fake.key), pace=pace, answer_seconds=0.5)
        cloud = RunpodCloud(api, place, proxy=fake.proxy, pace=pace)
        wanted = dataclasses.replace(
            spec, stack="phase-c", phase="c", store=place, image="ghcr.io/us/worker:1", offers=OFFERS
        )
        made.append(Quick(fake, wanted, store, Receipts(tmp_path / "books", store), cloud, pace))
        yield made[0]
