"""The local cloud keeps the promises of `videogen.clouds`."""

import dataclasses
import os
import signal
from pathlib import Path

import pytest

from tests.clouds.test_process import pid_of, soon
from videogen import worker_environment
from videogen.clouds import WorkerSpec
from videogen.clouds.local import LocalCloud
from videogen.errors import CloudError, CloudUnknown


def test_a_created_machine_is_listed_with_its_tag(cloud: LocalCloud, spec: WorkerSpec) -> None:
    """What was created is in the list of its stack, and in no other."""
    made = cloud.create(spec, cloud.candidates(spec)[0], "dev-1-a")

    assert cloud.machines("dev") == (made,)
    assert cloud.machines("other") == ()
    assert (made.slot, made.state, made.url != made.agent) == ("1", "running", True)


def test_the_worker_gets_its_environment_and_nothing_of_ours(
    cloud: LocalCloud, spec: WorkerSpec, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has its own settings, not those of whoever starts it; no secret is on its command line."""
    monkeypatch.setenv("VIDEOGEN_MANIFEST", "mine.yaml")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "account")
    store = spec.store.model_copy(update={"checksums": "none", "floor_mbit": 80.0})
    made = cloud.create(dataclasses.replace(spec, store=store), cloud.candidates(spec)[0], "dev-1-a")
    assert soon((state / "disks" / "1" / "ready").exists)
    pid = str(pid_of(state / "processes" / made.name))
    environment = dict(
        item.split("=", 1) for item in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in item
    )

    assert environment["VIDEOGEN_MANIFEST"] == "d" * 64
    assert worker_environment.read(environment).store == store
    assert environment["VIDEOGEN_TOKEN"] == "the-token"
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert "the-token" not in Path(f"/proc/{pid}/cmdline").read_text()
    assert "the-token" not in (state / "processes" / made.name / "process.json").read_text()


def test_a_killed_worker_has_exited(cloud: LocalCloud, spec: WorkerSpec, state: Path) -> None:
    """A machine whose worker was killed is still listed, as exited, until it is ended."""
    made = cloud.create(spec, cloud.candidates(spec)[0], "dev-1-a")
    assert soon((state / "disks" / "1" / "ready").exists)
    os.killpg(pid_of(state / "processes" / made.name), signal.SIGKILL)

    assert soon(lambda: cloud.machines("dev")[0].state == "exited")
    ended = cloud.end(made.name, why="found ended", by="test")
    assert ended is not None
    assert cloud.machines("dev") == ()
    assert cloud.get(made.name) is None
    assert cloud.end(made.name, why="again", by="test") is None


def test_a_worker_whose_child_is_left_has_exited(cloud: LocalCloud, spec: WorkerSpec, state: Path) -> None:
    """A worker whose entrypoint died does nothing any more, even if a child of it lives; its end reaches the child."""
    made = cloud.create(spec, cloud.candidates(spec)[0], "dev-1-a")
    assert soon((state / "disks" / "1" / "ready").exists)
    os.kill(pid_of(state / "processes" / made.name), signal.SIGKILL)

    assert soon(lambda: cloud.machines("dev")[0].state == "exited")
    cloud.end(made.name, why="found ended", by="test")
    child = Path("/proc") / (state / "disks" / "1" / "child").read_text()
    assert soon(lambda: not child.exists() or "Z" in (child / "stat").read_text().split()[2])


def test_two_workers_never_share_a_disk(cloud: LocalCloud, spec: WorkerSpec) -> None:
    """While a worker runs on a slot's disk, a second one is refused; another slot is fine."""
    cloud.create(spec, cloud.candidates(spec)[0], "dev-1-a")

    with pytest.raises(CloudError, match="dev-1-a still runs on the disk of slot 1"):
        cloud.create(spec, cloud.candidates(spec)[0], "dev-1-b")
    cloud.create(dataclasses.replace(spec, slot="2"), cloud.candidates(spec)[0], "dev-2-a")
    assert len(cloud.machines("dev")) == 2


def test_the_log_says_who_ended_it_and_why(cloud: LocalCloud, spec: WorkerSpec) -> None:
    """After the end the log is kept, with the reason as its last words."""
    ended = cloud.end(cloud.create(spec, cloud.candidates(spec)[0], "dev-1-a").name, why="destroyed", by="pulumi")

    assert ended is not None
    assert "ended by pulumi: destroyed" in Path(ended.log).read_text()


def test_a_record_that_cannot_be_read_is_unknown(cloud: LocalCloud, spec: WorkerSpec, state: Path) -> None:
    """An odd record makes the whole list unknown, never shorter, and its machine unknown, never gone."""
    cloud.create(spec, cloud.candidates(spec)[0], "dev-1-a")
    record = state / "processes" / "dev-1-a" / "process.json"
    text = record.read_text()
    record.write_text("not json")

    with pytest.raises(CloudUnknown):
        cloud.machines("dev")
    with pytest.raises(CloudUnknown):
        cloud.get("dev-1-a")
    with pytest.raises(CloudUnknown):
        cloud.end("dev-1-a", why="destroyed", by="test")
    record.write_text(text)


def test_an_odd_record_stops_no_end_of_another(cloud: LocalCloud, spec: WorkerSpec, state: Path) -> None:
    """A machine is ended whatever the records of others say."""
    cloud.create(spec, cloud.candidates(spec)[0], "dev-1-a")
    odd = state / "processes" / "odd"
    odd.mkdir()
    (odd / "process.json").write_text("not json")

    assert cloud.end("dev-1-a", why="destroyed", by="test") is not None
    assert cloud.get("dev-1-a") is None
    (odd / "process.json").unlink()
