"""`videogen run` on a stack that bills, as a process: a fake RunPod, a real store, a stand-in that renders.

Pulumi is a double here (`tests/run/test_run_dev.py` has the real one), so that each end of a run is played in seconds.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.doubles import pulumi_double, studio
from tests.doubles.rent_by_hand import GPU
from tests.doubles.runpod import Clock, FakeRunpod, fake_runpod
from tests.doubles.s3_server import S3Server
from tests.doubles.standin_process import StandinProcess
from videogen import manifest, project
from videogen.ledger import Ledger
from videogen.ledger_rows import HERE

ROOT = project.root()
MANIFEST = "models_manifest.dev.yaml"
BATCH = """schema: 1
name: walk
workflow: wan22-i2v
fixed: {prompt: a walk, character: who.png, width: 64, height: 64, length: 5, steps: 2, switch_step: 1}
matrix: {seed: [1, 2, 3]}
limits: {attempts: 1}
leave_policy: [size, length, steps]
"""


@dataclass
class Office:
    """A checkout, a cloud, and a worker that waits behind the pod of `phase-c`."""

    folder: Path
    fake: FakeRunpod
    s3: S3Server
    worker: StandinProcess
    environment: dict[str, str]

    @property
    def pulumi(self) -> Path:
        return self.folder / "pulumi"

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "videogen.cli", *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str) -> "subprocess.Popen[str]":
        """`videogen run` of the batch, with JSON."""
        return self.start("run", "walk.yaml", "--stack", "phase-c", "--to", "videos", "--yes", "--json", *words)

    def videogen(self, *words: str) -> tuple[int, str, str]:
        return ended(self.start(*words))

    def rendering(self, running: "subprocess.Popen[str]") -> None:
        """Waits until the worker renders."""
        deadline = time.monotonic() + 30
        while not self.worker.stats()["prompts"] and time.monotonic() < deadline:
            assert running.poll() is None, running.communicate()
            time.sleep(0.05)
        time.sleep(0.5)

    def receipts(self) -> dict[str, Any]:
        folder = self.s3.folder / "outputs" / "receipts"
        return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def ended(running: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    out, err = running.communicate(timeout=60)
    return running.returncode, out, err


@pytest.fixture
def office(tmp_path: Path, s3: S3Server) -> Iterator[Office]:
    """An office in which nothing is rented."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("workflows", "templates", "Pulumi.yaml", "Pulumi.prod.yaml", "models_manifest.yaml", MANIFEST):
        (checkout / name).symlink_to(ROOT / name)
    text = (ROOT / "Pulumi.phase-c.yaml").read_text().replace("models_manifest.yaml", MANIFEST)
    (checkout / "Pulumi.phase-c.yaml").write_text(text)
    (tmp_path / "walk.yaml").write_text(BATCH)
    (tmp_path / "who.png").symlink_to(ROOT / "batches" / "inputs" / "character.png")
    store = s3.store()
    digest = manifest.digest((ROOT / MANIFEST).read_text())
    store.put_bytes(store.models, f"manifests/{digest}.yaml", (ROOT / MANIFEST).read_bytes())
    path = pulumi_double.install(tmp_path / "pulumi")
    with fake_runpod(clock=Clock()) as fake, studio.workers(tmp_path / "workers", 1) as (worker,):
        for verb in ("up", "destroy"):
            order = f"run {sys.executable} -m tests.doubles.rent_by_hand {verb} {tmp_path / 'pulumi'}\n"
            (tmp_path / "pulumi" / verb).write_text(order)
        row = studio.rows([worker.url])[0].model_copy(update={"name": "phase-c-1-aa", "dollars_per_hour": "4.40"})
        outputs = {
            "contract": 1,
            "stack": "phase-c",
            "phase": "c",
            "manifest": digest,
            "workflows": ["wan22-i2v"],
            "store": s3.place.model_dump(),
            "storeAccess": {"key": s3.access.key.reveal(), "secret": s3.access.secret.reveal()},
            "workers": [row.model_dump()],
            "tokens": {row.name: "token"},
        }
        (tmp_path / "pulumi" / "outputs.json").write_text(json.dumps(outputs))
        environment = os.environ | fake.environment | {
            "PATH": f"{path}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "FAKE_RUNPOD_CONTROL": fake.control_token,
            "VIDEOGEN_PROJECT": str(checkout),
            "VIDEOGEN_STATE": str(tmp_path / "state"),
        }  # fmt: skip
        yield Office(tmp_path, fake, s3, worker, environment)


def test_a_run_leaves_videos_and_a_receipt_and_nothing_else(office: Office) -> None:
    """Done, and the receipt says whose run it was and what a second of video cost; the next run rents nothing."""
    code, out, err = ended(office.run())
    said = json.loads(out)
    assert code == 0, err
    assert (said["done"], said["failed"], said["open"]) == (3, 0, 0)
    assert office.fake.alive() == []
    (receipt,) = office.receipts().values()
    assert (receipt["run"], receipt["batch"], receipt["ended_by"]) == (said["run"], "walk", "pulumi")
    assert said["receipts"][0]["machine"] == receipt["machine"]
    assert float(said["dollars_per_video_second"]) > 0
    assert "at most $81.61 (cap $110)" in err
    again, out, err = ended(office.run())

    assert again == 0, err
    assert json.loads(out)["receipts"] == []
    assert pulumi_double.calls(office.pulumi).count("up") == 1


def test_nobody_pays_for_a_machine_while_its_video_is_stitched(office: Office) -> None:
    """The machine is ended when all is drawn; what only this machine does comes after, and rents nothing on its own."""
    chain = (
        BATCH.replace("wan22-i2v", "long-i2v")
        .replace("length: 5", "frames: 21")
        .replace("seed: [1, 2, 3]", "seed: [1]")
    )
    (office.folder / "walk.yaml").write_text(chain)
    code, out, err = ended(office.run())
    said = json.loads(out)
    assert code == 0, err

    assert (said["done"], said["open"], said["video_seconds"]) == (2, 0, "1.312")
    assert office.fake.alive() == []
    (receipt,) = office.receipts().values()
    ledger = office.folder / "state" / "phase-c" / "ledger.sqlite"
    with Ledger.open(ledger, read_only=True) as opened:
        (here,) = (one for one in opened.attempts("walk") if one.worker == HERE)
        assert here.leased > datetime.fromisoformat(receipt["ended"]).timestamp() - 1
        opened_job = here.job
    with sqlite3.connect(ledger) as db:
        db.execute("UPDATE jobs SET state = 'open' WHERE id = ?", (opened_job,))
    code, out, err = ended(office.run())
    assert (code, json.loads(out)["receipts"]) == (0, []), err
    assert pulumi_double.calls(office.pulumi).count("up") == 1


def test_nothing_is_rented_for_a_bad_batch(office: Office) -> None:
    """Exit code 2 before Pulumi is asked for anything."""
    (office.folder / "walk.yaml").write_text(BATCH.replace("seed:", "sede:"))
    code, _, err = ended(office.run())

    assert (code, pulumi_double.calls(office.pulumi)) == (2, [])
    assert "sede" in err


def test_nobody_is_asked_without_a_terminal(office: Office) -> None:
    """A sum and no --yes: the sum is said, and nothing is rented."""
    code, _, err = office.videogen("run", "walk.yaml", "--stack", "phase-c")

    assert (code, pulumi_double.calls(office.pulumi)) == (2, [])
    assert "at most $81.61" in err
    assert "--yes" in err


def test_the_cap_ends_a_run_that_renders(office: Office) -> None:
    """The pod costs more than anybody thought: the batch is stopped, the pod ended, open jobs stay open, exit code 3."""
    office.worker.faults({"name": "slow", "seconds": 30})
    office.fake.price(GPU, "3600")
    code, out, err = ended(office.run("--cap", "12"))
    said = json.loads(out)

    assert code == 3, err
    assert "the cap of a run is reached" in said["error"]
    assert office.fake.alive() == []
    assert list(office.receipts()) == ["phase-c-1-aa"]
    assert float(said["dollars"]) > 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_a_signal_while_it_renders_ends_the_machine(office: Office, name: str) -> None:
    """The batch stops, the machine is ended with its receipt, exit code 3; a run again goes on with what is open."""
    office.worker.faults({"name": "slow", "seconds": 2})
    running = office.run()
    office.rendering(running)
    os.kill(running.pid, getattr(signal, name))
    if name == "SIGINT":
        time.sleep(0.3)
        os.kill(running.pid, signal.SIGINT)  # the second one waits for nothing
    code, out, err = ended(running)

    assert code == 3, err
    assert f"stopped by {name}" in json.loads(out)["error"]
    assert office.fake.alive() == []
    assert list(office.receipts()) == ["phase-c-1-aa"]


def test_a_signal_during_up_ends_what_it_rented(office: Office) -> None:
    """Pulumi is asked to stop, and a destroy follows all the same."""
    up = (office.pulumi / "up").read_text()
    (office.pulumi / "up").write_text(f"{up}sleep 30\n")
    running = office.run()
    deadline = time.monotonic() + 20
    while not office.fake.alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGTERM)
    code, _, err = ended(running)

    assert code == 3, err
    assert office.fake.alive() == []
    assert pulumi_double.calls(office.pulumi)[-1] == "destroy"
    assert list(office.receipts()) == ["phase-c-1-aa"]


def test_a_destroy_that_lies_is_found_out(office: Office) -> None:
    """Pulumi says that all is gone and the pod lives on: the run itself asks the cloud, and ends it."""
    (office.pulumi / "destroy").write_text("sleep 0\n")
    code, _, err = ended(office.run())

    assert code == 0, err
    assert "phase-c-1-aa lives on: it is ended" in err
    assert office.fake.alive() == []
    assert office.receipts()["phase-c-1-aa"]["ended_by"] == "videogen run"


def test_a_machine_that_cannot_be_proven_gone_is_the_worst(office: Office) -> None:
    """All jobs are done, yet the exit code is 1, and the exact command is said."""
    (office.pulumi / "destroy").write_text("sleep 0\n")
    office.fake.fault("refuse", on="delete", status=403)
    code, out, _ = ended(office.run())
    said = json.loads(out)

    assert (code, said["done"]) == (1, 3)
    assert said["unproven"]
    assert len(office.fake.alive()) == 1


def test_two_runs_at_once(office: Office) -> None:
    """The second one refuses at once, and touches nothing of the first."""
    office.worker.faults({"name": "slow", "seconds": 1})
    first = office.run()
    office.rendering(first)
    began = time.monotonic()
    code, _, err = ended(office.run())
    assert time.monotonic() - began < 10
    assert code == 1
    assert f"another run works with stack phase-c (pid {first.pid})" in err
    assert ended(first)[0] == 0


def test_a_killed_run_is_gone_on_with(office: Office) -> None:
    """`kill -9` while it renders: the next run takes the machine as it is, finishes the jobs, and ends it."""
    office.worker.faults({"name": "slow", "seconds": 1})
    running = office.run()
    office.rendering(running)
    running.kill()
    running.communicate()
    assert len(office.fake.alive()) == 1
    (office.pulumi / "up").write_text("sleep 0\n")
    code, out, err = ended(office.run())

    assert code == 0, err
    assert json.loads(out)["done"] == 3
    assert office.fake.alive() == []
    assert len(office.receipts()) == 1


def test_a_killed_run_is_swept(office: Office) -> None:
    """`kill -9`, the worker is silent, nobody comes back: the sweep lets it live while it may, and ends it then."""
    office.worker.faults({"name": "slow", "seconds": 1})
    running = office.run()
    office.rendering(running)
    running.kill()
    running.communicate()
    code, out, _ = office.videogen("sweep", "--stack", "phase-c", "--json")
    assert (code, json.loads(out)["findings"][0]["fate"]) == (0, "lives")
    del office.environment["RUNPOD_API_KEY"]
    code, out, _ = office.videogen("sweep", "--all", "--json")
    assert code == 1, "something may live where it cannot look"
    assert "cannot be asked without a key" in json.loads(out)["alarms"][0]
    office.environment["RUNPOD_API_KEY"] = office.fake.key
    record = office.s3.file("outputs", "rented/phase-c-1-aa.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"boot_minutes": 0.01}))
    pod = office.fake.alive()[0]
    pod.created = pod.created.replace(year=pod.created.year - 1)
    code, out, err = office.videogen("sweep", "--stack", "phase-c", "--json")

    assert code == 0, err
    assert json.loads(out)["findings"][0]["fate"] == "ended"
    assert office.fake.alive() == []
    assert office.receipts()["phase-c-1-aa"]["ended_by"] == "sweeper"


def test_workers_that_another_run_rents_meanwhile_are_not_ended(office: Office) -> None:
    """Another machine's run brings the same stack up between our look and our `up`: it keeps its workers."""
    up = office.pulumi / "up"
    up.write_text(up.read_text().replace("run ", "run env VIDEOGEN_RUN=the-other ", 1))
    code, out, err = ended(office.run())

    assert code == 1
    assert "phase-c-1-aa, which another run has rented meanwhile" in out + err
    assert "destroy" not in pulumi_double.calls(office.pulumi)
    assert (len(office.fake.alive()), office.receipts()) == (1, {})


def test_workers_of_somebody_else_are_not_ended(office: Office) -> None:
    """A stack with workers that a plain `pulumi up` rented is none for a run."""
    workers = [{"type": "videogen:index:GpuWorker", "id": "phase-c-1-zz", "outputs": {}}]
    (office.pulumi / "state.json").write_text(json.dumps({"deployment": {"resources": workers}}))
    code, _, err = ended(office.run())

    assert code == 1
    assert "phase-c-1-zz, which no run of this machine rented" in err
    assert set(pulumi_double.calls(office.pulumi)) <= {"stack export", "stack output"}
