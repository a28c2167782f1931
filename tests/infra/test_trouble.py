"""What goes wrong in an `up` leaves no process, and the next `up` is as if it had not happened."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.clouds.test_process import pid_of
from tests.infra.conftest import Checkout, soon
from videogen import manifest
from videogen.process import Process


@pytest.fixture(autouse=True)
def _one_worker(checkout: Checkout) -> Iterator[None]:
    """One worker on a fresh disk; nothing runs before or after, whatever the state remembers."""
    checkout.set("dev", "workers", "1")
    yield
    if checkout.living("worker"):
        done = checkout.pulumi("destroy", "--yes", "--skip-preview")
        assert done.returncode == 0, done.stdout
    assert checkout.living("worker") + checkout.living("store") == []
    shutil.rmtree(checkout.state / "dev" / "disks", ignore_errors=True)


@pytest.mark.parametrize("plugin_too", [False, True], ids=["engine", "engine and plugin"])
def test_a_killed_engine_leaves_at_most_what_the_next_up_ends(checkout: Checkout, plugin_too: bool) -> None:
    """`kill -9` between the worker's start and the state's write: after the next `up` exactly one worker lives."""
    running = checkout.begin("up", "--yes", "--skip-preview")
    assert soon(lambda: checkout.living("worker"))
    (left,) = checkout.living("worker")
    plugins = {child for child in _children(running.pid) if b"infra.provider" in _command(child)}
    hosts = _children(running.pid) - plugins  # Pulumi's own do not notice when their engine is killed
    hosts |= {child for host in hosts for child in _children(host)}
    assert plugins
    running.kill()
    for one in hosts | plugins if plugin_too else hosts:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    if plugin_too:
        assert left.alive
    running.communicate(timeout=30)
    assert soon(lambda: not any(Path(f"/proc/{plugin}").exists() for plugin in plugins))
    if not plugin_too:
        assert checkout.living("worker") == []
    checkout.pulumi("cancel", "--yes")
    checkout.up()

    (worker,) = checkout.living("worker")
    assert worker.name == checkout.outputs()["workers"][0]["name"] != left.name
    assert left.name in checkout.receipts()


@pytest.mark.parametrize("trouble", ["Ctrl-C", "a worker dies"])
def test_a_failure_ends_what_the_same_up_made(checkout: Checkout, trouble: str) -> None:
    """One worker is in the state, the other one boots: both are ended with receipts, the store too, and `up` says so."""
    checkout.set("dev", "workers", "2")
    running = checkout.begin("up", "--yes", "--skip-preview")
    second = _worker(checkout, "2")
    _signal(second, signal.SIGSTOP)
    first = _worker(checkout, "1")
    state = checkout.backend / ".pulumi" / "stacks" / "videogen" / "dev.json"
    assert soon(lambda: state.is_file() and first.name in state.read_text())
    if trouble == "Ctrl-C":
        os.killpg(running.pid, signal.SIGINT)
        _signal(second, signal.SIGCONT)
    else:
        _signal(second, signal.SIGKILL)
    said, _ = running.communicate(timeout=30)

    assert running.returncode != 0
    assert checkout.living("worker") + checkout.living("store") == []
    assert f"{second.name} is ended" in said
    assert f"{first.name} is ended, because this run did not succeed" in said
    assert "the store is ended, because this run did not succeed" in said
    assert checkout.receipts().keys() >= {first.name, second.name}


def test_a_worker_more_that_fails_leaves_the_others_alone(checkout: Checkout) -> None:
    """What an earlier `up` made outlives the failure of a later one."""
    checkout.up()
    (first,), (store,) = checkout.living("worker"), checkout.living("store")
    checkout.set("dev", "workers", "2")
    running = checkout.begin("up", "--yes", "--skip-preview")
    _signal(_worker(checkout, "2"), signal.SIGKILL)
    running.communicate(timeout=30)

    assert running.returncode != 0
    assert [one.name for one in checkout.living("worker") + checkout.living("store")] == [first.name, store.name]


def test_destroy_ends_a_worker_that_the_state_does_not_know(checkout: Checkout) -> None:
    """`kill -9` to the plugin while a worker boots: `destroy` ends the worker, with a receipt, and says so."""
    running = checkout.begin("up", "--yes", "--skip-preview")
    left = _worker(checkout, "1")
    _kill_plugin(running.pid)
    running.communicate(timeout=30)
    assert running.returncode != 0
    assert left.alive
    done = checkout.pulumi("destroy", "--yes", "--skip-preview")

    assert done.returncode == 0, done.stdout
    assert f"{left.name} was unknown to the state, and is ended" in done.stdout
    assert checkout.living("worker") + checkout.living("store") == []
    assert left.name in checkout.receipts()


def test_destroy_ends_a_store_that_the_state_does_not_know(checkout: Checkout) -> None:
    """`kill -9` to the plugin while the very first store is filled: `destroy` ends the store."""
    checkout.pulumi("destroy", "--yes", "--skip-preview")
    running = checkout.begin("up", "--yes", "--skip-preview")
    assert soon(lambda: checkout.living("store"))
    _kill_plugin(running.pid)
    running.communicate(timeout=30)
    assert running.returncode != 0
    assert checkout.living("store")
    done = checkout.pulumi("destroy", "--yes", "--skip-preview")

    assert done.returncode == 0, done.stdout
    assert "a store was unknown to the state, and is ended" in done.stdout
    assert checkout.living("store") == []


def _kill_plugin(engine: int) -> None:
    plugins = [child for child in _children(engine) if b"infra.provider" in _command(child)]
    assert plugins
    for plugin in plugins:
        os.kill(plugin, signal.SIGKILL)


def _worker(checkout: Checkout, slot: str) -> Process:
    """The living worker of a slot, which comes soon; it has its pid, so it outlives who starts it."""

    def found() -> list[Process]:
        workers = [one for one in checkout.living("worker") if f"dev-{slot}-" in one.name]
        return [one for one in workers if (one.folder / "pid").exists() and (one.folder / "pid").read_text()]

    assert soon(found)
    return found()[0]


def _signal(worker: Process, number: signal.Signals) -> None:
    """A signal to a worker's whole process group."""
    os.killpg(pid_of(worker.folder), number)


def _children(parent: int) -> set[int]:
    tasks = Path(f"/proc/{parent}/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


def _command(number: int) -> bytes:
    return Path(f"/proc/{number}/cmdline").read_bytes()


def test_a_worker_that_cannot_boot_fails_the_up(checkout: Checkout) -> None:
    """Wrong bytes in the store: `up` says the worker's own reason and where its log is, and no process is left."""
    models = manifest.parse((checkout.folder / "models_manifest.dev.yaml").read_text(), "manifest")
    wrong = models.named("uni3c")
    assert wrong.sha256 is not None
    assert wrong.size is not None
    stored = checkout.state / "dev" / "store" / "videogen-models" / "models" / "sha256" / wrong.sha256
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_bytes(b"x" * wrong.size)
    done = checkout.pulumi("up", "--yes", "--skip-preview")
    stored.unlink()

    assert done.returncode != 0
    assert "uni3c" in done.stdout
    assert "its log: " in done.stdout
    assert Path(done.stdout.partition("its log: ")[2].split()[0]).is_file()
    assert "Traceback" not in done.stdout
    assert checkout.living("worker") + checkout.living("store") == []
