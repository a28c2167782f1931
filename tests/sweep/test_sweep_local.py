"""`videogen sweep` on this machine, as a process: workers that only live, and a Pulumi that says what its state is."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.doubles import pulumi_double
from tests.doubles.runpod import FakeRunpod, fake_runpod
from videogen import places, process, project
from videogen.clouds import Candidate, Machine, WorkerSpec
from videogen.clouds.local import LocalCloud
from videogen.comfyui_source import ComfyuiSource
from videogen.disk import written
from videogen.lease import LeaseTerms
from videogen.money import Cap
from videogen.rent_record import RentRecord
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess, StoreOutputs

ROOT = project.root()
IMAGES = ROOT / "tests" / "doubles" / "images"
KEYS = StoreAccess(key=Secret("k"), secret=Secret("s"))


@dataclass
class House:
    """A checkout with stack `dev`, whose foundation is down."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state" / "dev"

    def worker(self, slot: str, minutes: float, lease: float = 60) -> Machine:
        """A worker that was started so long ago, and its record on the disk."""
        spec = WorkerSpec(
            stack="dev",
            slot=slot,
            phase="a",
            offers=(),
            places=(),
            image="quiet",
            volume_gb=0,
            container_disk_gb=1,
            lease=LeaseTerms(total=lease, idle=30, boot=1),
            cap=Cap(run=Decimal(0), month=Decimal(0)),
            manifest="d" * 64,
            store=Store(endpoint="http://127.0.0.1:1", region="us-east-1", models="models", outputs="outputs"),
            access=KEYS,
            worker_access=KEYS,
            token=Secret("token"),
            comfyui=ComfyuiSource(),
        )
        cloud = LocalCloud(IMAGES, self.state)
        machine = cloud.create(spec, Candidate("this machine", None, Decimal(0)), f"dev-{slot}-aa")
        started = datetime.now(UTC) - timedelta(minutes=minutes)
        path = next(self.state.glob(f"processes/{machine.name}/process.json"))
        path.write_text(json.dumps(json.loads(path.read_text()) | {"started": started.isoformat()}))
        record = RentRecord(
            machine=machine.name,
            cloud="local",
            owner="0" * 8,
            stack="dev",
            slot=slot,
            phase="a",
            gpu="this machine",
            dollars_per_hour=Decimal(0),
            rented=started,
            lease_minutes=lease,
            boot_minutes=1,
            cap=spec.cap,
        )
        (self.state / "rented").mkdir(exist_ok=True)
        with written(self.state / "rented" / f"{machine.name}.json") as file:
            file.write(record.model_dump_json(by_alias=True).encode())
        return machine

    def known(self, *names: str) -> None:
        """What Pulumi's state has."""
        resources = [{"type": "videogen:index:GpuWorker", "id": name, "outputs": {}} for name in names]
        (self.folder / "pulumi" / "state.json").write_text(json.dumps({"deployment": {"resources": resources}}))

    def sweep(self, *words: str, pulumi: bool = True, fake: FakeRunpod | None = None) -> tuple[int, Any, str]:
        """Exit code, document and talk of `videogen sweep --json`."""
        path = f"{self.folder / 'pulumi' / 'bin'}:" if pulumi else ""
        environment = os.environ | {
            "PATH": f"{path}{Path(sys.executable).parent}:/usr/bin:/bin",
            "VIDEOGEN_PROJECT": str(self.folder / "checkout"),
            "VIDEOGEN_STATE": str(self.folder / "state"),
        }
        environment.pop("RUNPOD_API_KEY", None)
        environment |= fake.environment if fake else {}
        done = subprocess.run(
            [sys.executable, "-m", "videogen.cli", "sweep", "--json", *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    def alive(self) -> list[str]:
        return [one.name for one in process.processes(self.state / "processes") if one.alive]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house; every process started in it is ended."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("images", "Pulumi.yaml", "models_manifest.yaml"):
        (checkout / name).symlink_to(ROOT / name)
    for path in ROOT.glob("Pulumi.?*.yaml"):
        (checkout / path.name).write_text(path.read_text())
    folder = tmp_path / "pulumi"
    pulumi_double.install(folder)
    (folder / "outputs.json").write_text("{}")
    made = House(tmp_path)
    yield made
    for one in process.processes(made.state / "processes"):
        one.end(grace_seconds=0)


def fates(document: Any) -> dict[str, str]:
    return {one["machine"]: one["fate"] for one in document["findings"]}


def test_workers_of_this_machine_are_swept(house: House) -> None:
    """One that its stack knows lives; one whose lease is over and one that no stack knows are ended, with receipts."""
    house.known(house.worker("1", 30).name, house.worker("2", 63).name)
    house.worker("3", 30)
    dry, said, _ = house.sweep("--stack", "dev", "--dry-run")
    assert fates(said) == {"dev-1-aa": "lives", "dev-2-aa": "to be ended", "dev-3-aa": "to be ended"}
    assert dry == 1
    assert len(house.alive()) == 3
    code, said, err = house.sweep("--stack", "dev")

    assert code == 0, err
    assert fates(said) == {"dev-1-aa": "lives", "dev-2-aa": "ended", "dev-3-aa": "ended"}
    assert house.alive() == ["dev-1-aa"]
    receipts = {path.stem: json.loads(path.read_text()) for path in (house.state / "receipts").glob("*.json")}
    assert {name: one["why"] for name, one in receipts.items()} == {
        "dev-2-aa": "its lease of 60 minutes is over",
        "dev-3-aa": "no stack knows it",
    }
    assert {one["ended_by"] for one in receipts.values()} == {"sweeper"}


def test_without_pulumi_the_lease_still_counts(house: House) -> None:
    """Which stack knows what cannot be said: an alarm for each machine; a lease that is over ends its machine."""
    house.worker("1", 30)
    house.worker("2", 63)
    code, said, _ = house.sweep("--stack", "dev", pulumi=False)

    assert (code, said["right"]) == (1, False)
    assert fates(said) == {"dev-1-aa": "lives", "dev-2-aa": "ended"}
    assert any("whether stack dev knows dev-1-aa is not known" in alarm for alarm in said["alarms"])


def test_everything_of_a_checkout_that_never_rented(house: House) -> None:
    """`--all` on a master without a key of RunPod: what was never used is left out and said; that is no alarm."""
    code, said, err = house.sweep("--all")

    assert code == 0, err
    assert said["findings"] == []
    assert [words.split(":")[0] for words in said["left_out"]] == [f"runpod (phase-{name})" for name in "abc"]


def test_with_a_key_nothing_is_left_out_unasked(house: House) -> None:
    """No store is known, so nobody knows whose a machine is: one that lives is an alarm, and so is no answer."""
    with fake_runpod() as fake:
        code, said, err = house.sweep("--all", fake=fake)
        assert (code, said["alarms"]) == (0, []), err

        fake.plant("videogen-0123abcd-phase-c-1-aa")
        code, said, _ = house.sweep("--all", fake=fake)
        assert (code, said["right"]) == (1, False)
        (alarm,) = said["alarms"]
        assert "videogen-0123abcd-phase-c-1-aa" in alarm
        assert "nothing here knows whose it is" in alarm

        fake.fault("refuse", on="list", status=401)
        code, said, _ = house.sweep("--all", fake=fake)
        assert code == 1
        assert "which machines live is not known" in said["alarms"][0]


def test_a_stack_that_is_named_and_cannot_be_looked_at(house: House) -> None:
    """Whoever names a stack wants to know: no store, no answer, exit code 1."""
    code, said, _ = house.sweep("--stack", "phase-c")

    assert code == 1
    assert "cannot be looked at" in said["alarms"][0]


def test_stacks_of_one_owner_are_looked_at_together(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One place for all phases that share a store, with their foundation, whose volumes are declared there."""
    monkeypatch.setenv("VIDEOGEN_PROJECT", str(house.folder / "checkout"))
    monkeypatch.setenv("VIDEOGEN_STATE", str(house.folder / "state"))
    store = Store(endpoint="http://127.0.0.1:1", region="us-east-1", models="models", outputs="outputs")
    asked: list[str] = []

    def choose(cloud: str, stack: str, _: Store) -> LocalCloud:
        asked.append(f"{cloud} for {stack}")
        return LocalCloud(IMAGES, house.state)

    outputs = StoreOutputs(store=store, storeAccess=KEYS)
    for name in ("phase-a", "phase-c"):
        (house.folder / "state" / name / "receipts").mkdir(parents=True)
    found = places.places(("dev", "phase-a", "phase-c", "prod"), (), outputs, choose, every=True)

    assert asked == ["local for dev", "runpod for phase-a"]
    assert [(place.name, stacks) for place, stacks in found.found] == [
        ("local (dev)", ("dev",)),
        ("runpod", ("phase-a", "phase-c", "prod")),
    ]
    assert [place.whole for place, _ in found.found] == [False, True]
    assert [len(place.others) for place, _ in found.found] == [0, 1]  # the folder of phase-c


def test_which_stacks_must_be_said(house: House) -> None:
    """Neither --stack nor --all is an error of the user's."""
    code, _, err = house.sweep()

    assert code == 2
    assert "name stacks, or --all" in err
