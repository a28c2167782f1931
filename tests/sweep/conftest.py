"""An owner who rents on a fake RunPod, with books in a real store; time is real, and the past is made."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.doubles.runpod import Clock, FakeRunpod, fake_runpod
from tests.doubles.s3_server import S3Server
from videogen import tag
from videogen.clouds.runpod import RunpodCloud
from videogen.money import Cap
from videogen.pulumi_stack import StackState
from videogen.receipts import Receipts
from videogen.rent_record import Heartbeat, RentRecord
from videogen.runpod_api import RunpodApi
from videogen.secret import Secret
from videogen.store import Store, heartbeat_key, rent_record_key
from videogen.sweep import Finding, Place, Swept, sweep

STACK = "phase-c"
H100 = "NVIDIA H100 80GB HBM3"


@dataclass
class Owner:
    """Who rented, and what Pulumi's state of `phase-c` says of it."""

    folder: Path
    fake: FakeRunpod
    s3: S3Server
    store: Store
    cloud: RunpodCloud
    books: Receipts
    others: tuple[Receipts, ...] = ()
    state: StackState | Exception | None = field(default_factory=lambda: StackState({}, frozenset()))

    def rented(
        self,
        name: str,
        minutes: float,
        *,
        pod: bool = True,
        known: bool = True,
        named: bool = False,
        lease: float = 60,
        run: str = "",
        cap: int = 50,
    ) -> RentRecord:
        """A rent of so many minutes ago, with its pod and a heartbeat of just now.

        `known`: to its stack's state. `named`: its id is in the books though the stack does not know it.
        """
        record = RentRecord(
            machine=name,
            cloud="runpod",
            owner=tag.owner(self.s3.place),
            stack=STACK,
            slot="1",
            phase="c",
            run=run,
            gpu="H100-80GB",
            dollars_per_hour=Decimal("4.40"),
            rented=datetime.now(UTC) - timedelta(minutes=minutes),
            lease_minutes=lease,
            boot_minutes=5,
            cap=Cap(run=Decimal(cap), month=Decimal(100)),
        )
        self.books.open(record)
        age(self.s3.file("outputs", rent_record_key(name)), minutes)
        made = self.planted(tag.tagged(record.owner, name), name, minutes, lease) if pod else ""
        if pod:
            self.beat(name)
        if made and (known or named):
            record = record.model_copy(update={"id": made, "dollars_per_hour": Decimal("3.99")})
            self.books.open(record)
        if known and isinstance(self.state, StackState):
            self.state = StackState({**self.state.workers, name: {"id": made}}, self.state.ids)
        return record

    def planted(self, name: str, worker: str, minutes: float, lease: float = 60) -> str:
        """A pod that was created so many minutes ago; its id."""
        self.fake.clock.advance(-minutes * 60)
        env = {"VIDEOGEN_WORKER": worker, "VIDEOGEN_PHASE": "c", "VIDEOGEN_LEASE_MINUTES": str(lease)}
        pod = self.fake.plant(name, env, gpu=H100)
        self.fake.clock.advance(minutes * 60)
        return pod.id

    def beat(self, name: str, minutes: float = 0) -> None:
        """A heartbeat of so many minutes ago, by the store's clock."""
        heartbeat = Heartbeat(machine=name, state="ready", idle_seconds=0, lease_seconds_left=60)
        data = heartbeat.model_dump_json(by_alias=True).encode()
        self.store.put_bytes(self.store.outputs, heartbeat_key(name), data)
        age(self.s3.file("outputs", heartbeat_key(name)), minutes)

    def sweep(self, *, dry_run: bool = False) -> Swept:
        """What a sweep finds and does."""
        place = Place("runpod", self.cloud, "runpod", self.books, self.store, others=self.others)
        return sweep(place, (STACK,), self.known, dry_run=dry_run)

    def known(self, stack: str) -> StackState | None:
        """The state of a stack."""
        assert stack == STACK
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def alive(self) -> list[str]:
        """Names of what costs."""
        return [pod.name for pod in self.fake.alive()]


@pytest.fixture
def owner(tmp_path: Path, s3: S3Server) -> Iterator[Owner]:
    """An owner without anything yet but a volume, which vouches that the key sees the account."""
    with fake_runpod(clock=Clock()) as fake:
        store = s3.store(patience_seconds=1)
        api = RunpodApi(fake.url, Secret(fake.key), patience_seconds=1)
        owner = Owner(tmp_path, fake, s3, store, RunpodCloud(api, s3.place), Receipts(tmp_path / STACK, store))
        yield owner


def age(path: Path, minutes: float) -> None:
    """Makes an object of the store so old."""
    then = datetime.now(UTC).timestamp() - minutes * 60
    os.utime(path, (then, then))


def fates(swept: Swept) -> dict[str, str]:
    """Machine → what became of it."""
    return {finding.machine: finding.fate for finding in swept.findings}


def found(swept: Swept, name: str) -> Finding:
    """What was found of a machine."""
    return next(finding for finding in swept.findings if finding.machine == name)
