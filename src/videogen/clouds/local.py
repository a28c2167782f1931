"""Workers on this machine: the image's own entrypoint as a process tree, with a folder for its disk."""

import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from videogen import port, process, project
from videogen.clouds import Candidate, Ended, Machine, Volume, WorkerSpec
from videogen.clouds.environment import environment
from videogen.errors import CloudError, CloudUnknown, ProcessError
from videogen.process import Process
from videogen.worker_environment import WorkerEnvironment

NAME = "local"
GPU = "this machine"

_GRACE_SECONDS = 20.0
_DRAIN_SECONDS = 8.0
_END_SECONDS = 40.0

_choosing = threading.Lock()
"""Who chooses ports sees those of all who chose before, which stand in their records."""


class LocalCloud:
    """A `videogen.clouds.Cloud` whose machines cost nothing.

    `images` is a folder with one folder an image, `state` that of the one stack that it knows.
    """

    name = NAME
    account = ""

    def __init__(self, images: Path, state: Path) -> None:
        self._images = images
        self._state = state
        self._home = state / "processes"

    def candidates(self, _spec: WorkerSpec, /) -> tuple[Candidate, ...]:
        """This machine, for nothing."""
        return (Candidate(GPU, None, Decimal(0), Decimal(0)),)

    def machines(self, stack: str | None = None) -> tuple[Machine, ...]:
        """Every worker process that was started for the stack and not ended here."""
        found = [machine for one in self._all() if (machine := _machine(one))]
        return tuple(machine for machine in found if stack in (None, machine.stack))

    def get(self, name: str, _known: Machine | None = None, /) -> Machine | None:
        """The worker process of that name, alive or not."""
        found = self._find(name)
        return _described(found) if found else None

    def billed(self, _machine: Machine, /) -> Decimal | None:
        """Nothing: nobody sends a bill."""
        return None

    def volumes(self) -> tuple[Volume, ...]:
        """None: disks of this machine cost nothing."""
        return ()

    def strangers(self) -> tuple[str, ...]:
        """None: only this stack looks into its folder."""
        return ()

    def create(self, spec: WorkerSpec, _candidate: Candidate, name: str) -> Machine:
        """Starts a worker on the disk of its slot; raises `CloudError` while another one uses that disk."""
        for machine in self.machines(spec.stack):
            if machine.slot == spec.slot and machine.state == "running":
                raise CloudError(f"{machine.name} still runs on the disk of slot {spec.slot}")
        disk = self._state / "disks" / spec.slot
        try:
            disk.mkdir(parents=True, exist_ok=True)
            with _choosing:
                taken = {number for one in self._all() for number in one.record.ports.values()}
                ports = port.free(["comfyui", "agent"], taken)
                started = process.start(
                    self._home,
                    name,
                    [sys.executable, str(self._images / spec.image / "entrypoint.py")],
                    environment=process.base_environment() | _environment(spec, name, disk, ports).variables(),
                    folder=disk,
                    ports=ports,
                    about={"role": "worker", "stack": spec.stack, "slot": spec.slot, "phase": spec.phase},
                )
        except (OSError, ProcessError) as error:
            raise CloudError(f"{name}: {error}") from error
        return _described(started)

    def end(self, name: str, *, why: str, by: str, known: Machine | None = None) -> Ended | None:  # noqa: ARG002
        """Ends the worker's process tree; its log moves to the stack's `logs` folder."""
        found = self._find(name)
        if found is None:
            return None
        machine = _described(found)
        ended = datetime.now(UTC) if found.alive else _last_word(found)
        try:
            if found.alive:
                with found.log.open("a") as log:
                    log.write(f"ended by {by}: {why}\n")
                found.end(_GRACE_SECONDS, _END_SECONDS)
                ended = datetime.now(UTC)
            kept = found.forget(self._state / "logs")
        except ProcessError as error:
            raise CloudUnknown(f"{name} is not proven gone: {error.message}", error.hint) from error
        return Ended(machine, ended, str(kept))

    def _find(self, name: str) -> Process | None:
        try:
            return process.find(self._home, name)
        except ProcessError as error:
            raise CloudUnknown(f"whether {name} runs is not known: {error.message}", error.hint) from error

    def _all(self) -> tuple[Process, ...]:
        try:
            return process.processes(self._home)
        except (ProcessError, OSError) as error:
            raise CloudUnknown(f"which workers run here is not known: {error}") from error


def here(stack: str) -> LocalCloud:
    """The local cloud of a stack of this checkout; `here(stack).machines(stack)` lists also what no state knows."""
    return LocalCloud(project.root() / "images", project.state(stack))


def _machine(found: Process) -> Machine | None:
    return _described(found) if found.record.about.get("role") == "worker" else None


def _described(found: Process) -> Machine:
    about, ports = found.record.about, found.record.ports
    return Machine(
        name=found.name,
        cloud=NAME,
        stack=about["stack"],
        slot=about["slot"],
        phase=about["phase"],
        gpu=GPU,
        dollars_per_hour=Decimal(0),
        started=found.record.started,
        state="running" if found.leader_alive else "exited",
        url=f"http://127.0.0.1:{ports['comfyui']}",
        agent=f"http://127.0.0.1:{ports['agent']}",
        log=str(found.log),
    )


def _last_word(found: Process) -> datetime:
    """When a dead process last wrote to its log: the nearest that is known to its end."""
    try:
        return datetime.fromtimestamp(found.log.stat().st_mtime, UTC)
    except FileNotFoundError:
        return found.record.started


def _environment(spec: WorkerSpec, name: str, disk: Path, ports: dict[str, int]) -> WorkerEnvironment:
    source = spec.comfyui
    return environment(
        spec,
        name,
        disk,
        comfyui_port=ports["comfyui"],
        agent_port=ports["agent"],
        comfyui_dir=Path(source.folder) if source.folder else None,
        comfyui_python=Path(source.python) if source.python else None,
        comfyui_custom_nodes=Path(source.custom_nodes) if source.custom_nodes else None,
        drain_seconds=_DRAIN_SECONDS,
        log_ship_seconds=0,  # its log is on this machine already
    )
