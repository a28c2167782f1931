"""A worker's life from its first to its last second: boot, work until the lease is over, end.

What it needs stands in the environment (`videogen.worker_environment`); its agent says how far it is. It reads top to
bottom: environment, gateway and sshd (rented workers only), what to render, ComfyUI, models, gate, work, end.

Exit codes, with none of its processes left behind:

    0   it ended as asked, or its lease was over
    1   the boot failed, ComfyUI, gateway or sshd died too often, the disk is full
    2   the environment or the manifest is wrong
    3   it may not live: its lease was over before it started, or it was started too often

After a failure its agent still says why for some seconds. Where an exit would only start the container again, and cost
on, it does not exit before somebody stops it, and a second life begins where the first one was.
"""

import os

from videogen.termination import Termination

if __name__ == "__main__":
    termination = Termination()  # first of all: what follows takes half a second, in which a signal must not be lost

import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from videogen import (
    accounts,
    agent,
    comfyui_command,
    gateway,
    manifest,
    model_paths,
    port,
    process_group,
    redaction,
    repository,
    ssh_server,
    worker_environment,
    worker_log,
)
from videogen.background import every
from videogen.boot_report import ModelsProgress
from videogen.child import Child
from videogen.disk import require_free, spell_bytes, written
from videogen.errors import DiskFull, InputError, NotReady, ProcessError, VideogenError, WorkerError
from videogen.gateway import GatewaySettings
from videogen.life_signs import BEAT_SECONDS, LifeSigns
from videogen.local_comfyui import LocalComfyui
from videogen.log_shipping import LogShipping
from videogen.machine_end import end_machine
from videogen.manifest import Manifest
from videogen.read_ahead import ReadAhead
from videogen.redaction import Redaction
from videogen.rent_record import Heartbeat
from videogen.repository import Repository
from videogen.sampling import Sampler
from videogen.ssh_server import SshSettings
from videogen.status_board import StatusBoard, process_started
from videogen.sync_events import Fetched, Moved, SyncEvent, line
from videogen.worker_disk import WorkerDisk
from videogen.worker_environment import WorkerEnvironment
from videogen.worker_lease import Moment, WorkerLease

LOOK_SECONDS = 1.0
SAMPLE_SECONDS = 5.0
KEEP_SECONDS = 60.0
GRACE_SECONDS = 8.0
"""For a program to end by itself."""
FETCH_SECONDS = 3.0
"""A prompt that ended during the drain: its output is fetched meanwhile."""
LAST_LOGS_SECONDS = 3.0
DOOR_SECONDS = 20.0

log = logging.getLogger(__name__)


def main(termination: Termination) -> int:
    """Lives the worker's life; the exit code."""
    injected = redaction.of_environment(os.environ)
    worker_log.start(Redaction(injected))
    exits_bill = worker_environment.exits_bill(os.environ)
    try:
        settings = worker_environment.read(os.environ)
    except InputError as error:
        log.error("%s", error)
        return end_machine("its environment is wrong", error.exit_code, termination, exits_bill=exits_bill)
    board = StatusBoard(settings.worker, settings.manifest, settings.lease, process_started())
    termination.tell(board.signal)
    process_group.lead(settings.held)
    hidden = Redaction((*injected, *settings.secrets))
    worker_log.start(hidden)
    logs = None
    if seconds := settings.log_ship_seconds:
        logs = LogShipping(settings.store, settings.store_access, settings.worker, hidden)
        worker_log.hear(logs.take, hidden)
        every(seconds, logs.ship, board.stop, "logs", first=seconds)
    if exits_bill:  # whoever pays for it looks whether it lives
        signs = LifeSigns(settings.store, settings.store_access, settings.worker)
        every(BEAT_SECONDS, lambda: signs.beat(heartbeat(settings.worker, board)), board.stop, "heartbeat", first=0)
    try:
        with agent.serving(board, settings.agent_port, settings.token, hidden), ExitStack() as doors:
            with ExitStack() as records:
                try:
                    live(settings, board, logs, doors, records, exits_bill=exits_bill)
                except VideogenError as error:
                    board.fail(error)
            ship_last(logs, board)
            if board.error:
                board.linger(settings.linger_seconds)
    except ProcessError as error:
        board.fail(error)
    why, code = (board.error.message, board.error.exit_code) if board.error else (board.why or "nothing to do", 0)
    return end_machine(why, code, termination, exits_bill=exits_bill)


def live(
    settings: WorkerEnvironment,
    board: StatusBoard,
    logs: LogShipping | None,
    doors: ExitStack,
    records: ExitStack,
    *,
    exits_bill: bool,
) -> None:
    """Returns when the worker shall end; raises when it cannot go on.

    What must be written then is left to `records`; what must stay open until it was told why, to `doors`.
    """
    rented = settings.gateway_port is not None
    who = accounts.accounts(rented=rented)
    with board.step("folders"):
        disk = WorkerDisk(settings.workspace, volume=settings.volume)
        cache = disk.root / "cache"
        accounts.hand_over((disk.root / name for name in ("input", "outputs", "temp", "user")), who.comfyui)
    with board.step("lease"):
        lease = WorkerLease.begin(disk.root, settings.worker, Moment.now(), goes_on=exits_bill)
        if logs is not None:
            logs.boot = lease.boots
        board.lived = lambda: lease.lived(Moment.now())
        records.callback(finish_lease, lease, board)
    keep_watch(settings, board, lease, disk)
    if settings.repository:
        with board.step("repository") as say:
            say(check_out(settings, disk, board))
    children: list[Child] = []
    if settings.gateway_port is not None:  # before all that can fail for others' reasons: it lets the agent say so
        with board.step("gateway"):
            gate = gateway_settings(settings, settings.gateway_port, doors)
            gateway.prepare(gate, who.gateway)
            door = Child(
                "gateway",
                gateway.command(gate),
                folder=gate.run,
                environment=gateway.environment(),
                log=cache / "gateway.log",
                held=settings.held,
                user=who.gateway,
            )
            doors.callback(end, door, board)
            children.append(door)
            wait_open(door, gate.port, board)
    if rented and settings.ssh_public_keys:
        with board.step("sshd") as say:
            shell = ssh_settings(settings, who.comfyui, doors)
            say(ssh_server.prepare(shell))
            door = Child(
                "sshd",
                ssh_server.command(shell),
                folder=shell.run,
                environment=ssh_server.environment(),
                log=cache / "sshd.log",
                held=settings.held,
            )
            doors.callback(end, door, board)
            children.append(door)
            wait_open(door, shell.port, board)
    with board.step("manifest"):
        asked = (settings.manifest, settings.store, settings.store_access, board.stop)
        reading = ThreadPoolExecutor(1).submit(disk.manifest_text, *asked)  # a silent store is waited for in minutes
        wait_until(reading.done, children, board)
        wanted = manifest.parse(reading.result(), "manifest").select(settings.phase)
    with board.step("model paths"):
        paths_file = disk.root / model_paths.NAME
        paths = model_paths.render(wanted, disk.models, settings.comfyui_custom_nodes)
        with written(paths_file) as file:
            file.write(paths.encode())
    with board.step("ComfyUI starts"):
        if not port.is_free(settings.comfyui_port):
            hint = "another ComfyUI on this machine? end it, or choose another port"
            raise ProcessError(f"ComfyUI: port {settings.comfyui_port} of 127.0.0.1 is taken", hint)
        comfyui = Child(
            "ComfyUI",
            comfyui_command.command(settings, paths_file),
            folder=disk.root,
            environment=comfyui_command.environment(os.environ, accounts.home(who.comfyui) if who.comfyui else None),
            log=disk.comfyui_log,
            held=settings.held,
            user=who.comfyui,
        )
        children.append(comfyui)
    if logs is not None:
        for child in children:
            logs.follow(child.name, child.log)
    try:
        answering = LocalComfyui(settings.comfyui_port)
        syncing = ThreadPoolExecutor(1).submit(sync_models, settings, wanted, disk, board)
        with board.step("ComfyUI answers"):
            wait_until(answering.answers, children, board)
            comfyui.proven = True
        wait_until(syncing.done, children, board)
        syncing.result()
        with board.step("ComfyUI lists the models"):
            wait_until(answering.answers, children, board)
            wrong = model_paths.differences(wanted, disk.models, answering.folder_paths())
            if wrong := wrong or answering.unlisted(wanted):
                raise NotReady("; ".join(wrong), f"ComfyUI was given {paths_file}; its log: {disk.comfyui_log}")
        require_free(disk.root, floor_bytes(settings))
        board.ready()
        work(children, answering, board)
        if not board.error:
            drain(answering, board, settings.drain_seconds)
    finally:
        ship_last(logs, board)
        end(comfyui, board)


def check_out(settings: WorkerEnvironment, disk: WorkerDisk, board: StatusBoard) -> str:
    """Brings the repository's checkout to its ref, and has workflows read from there; the commit."""
    place = disk.root / "repos" / "video-gen"
    commit = repository.check_out(
        Repository(
            settings.repository, settings.repository_ref, settings.repository_key, update=settings.repository_update
        ),
        place,
        known_hosts=disk.root / "cache" / "known_hosts",
        deadline=time.monotonic() + settings.boot_minutes * 60,
        stop=board.stop,
    )
    os.environ["VIDEOGEN_PROJECT"] = str(place)  # where `videogen.project` looks first
    return commit


def gateway_settings(settings: WorkerEnvironment, public_port: int, doors: ExitStack) -> GatewaySettings:
    """What the gateway shall be; its files, among them secrets, vanish with it."""
    return GatewaySettings(
        port=public_port,
        comfyui_port=settings.comfyui_port,
        agent_port=settings.agent_port,
        token=settings.token,
        run=run_folder("gateway", doors),
        upload_limit_mb=settings.upload_limit_mb,
        certificate=settings.tls_certificate,
        key=settings.tls_key,
    )


def ssh_settings(settings: WorkerEnvironment, user: str | None, doors: ExitStack) -> SshSettings:
    """What sshd shall be; raises `ProcessError` for anybody but root, as whom alone it can let others in."""
    if user is None:
        raise ProcessError("sshd: only root can let people log in", "is it our image? else give no public keys")
    return SshSettings(
        port=settings.ssh_port,
        comfyui_port=settings.comfyui_port,
        agent_port=settings.agent_port,
        public_keys=settings.ssh_public_keys,
        run=run_folder("sshd", doors),
        user=user,
    )


def run_folder(name: str, doors: ExitStack) -> Path:
    """A folder that vanishes at the end; not in `/tmp`, since sshd trusts no key below a folder that all may write."""
    folder = "/run" if os.geteuid() == 0 else None
    return Path(doors.enter_context(tempfile.TemporaryDirectory(prefix=f"videogen-{name}-", dir=folder)))


def sync_models(settings: WorkerEnvironment, wanted: Manifest, disk: WorkerDisk, board: StatusBoard) -> None:
    """Brings the models folder in line with the manifest while ComfyUI starts."""
    with board.step("models") as say:
        from videogen.store import Store  # its import takes a third of a second, in which ComfyUI starts
        from videogen.sync import sync

        def tell(event: SyncEvent) -> None:
            events.write(f"{line(event)}\n")
            if isinstance(event, Moved):
                board.moved(ModelsProgress(**asdict(event)))
                done, total, rate = map(spell_bytes, (event.done_bytes, event.total_bytes, event.bytes_per_second))
                left = "" if event.eta_seconds is None else f", {event.eta_seconds:.0f} s to go"
                say(f"{event.file}: {done} of {total}, {rate}/s{left}")
            if isinstance(event, Fetched):
                ahead.add(disk.models / event.file)

        ahead = ReadAhead(board.stop)  # the first job then finds its models in memory
        store = Store(settings.store, settings.store_access)
        allowed = settings.boot_minutes * 60
        with disk.sync_log.open("w", encoding="utf-8", buffering=1) as events:
            done = sync(
                wanted,
                disk.models,
                store,
                stop=board.stop,
                deadline_seconds=allowed,
                tell=tell,
                floor_bytes_per_second=settings.store.floor_mbit * 125_000,
                floor_window_seconds=settings.floor_seconds,
                overflow=disk.overflow,
                shared=disk.shared,
            )
        counts = f"{len(done.present)} present, {len(done.verified)} verified, {len(done.fetched)} fetched"
        say(f"{counts} ({spell_bytes(done.fetched_bytes)}), {len(done.foreign)} foreign")


def work(children: Sequence[Child], answering: LocalComfyui, board: StatusBoard) -> None:
    """Keeps everything running until the worker shall end."""
    while not board.stop.wait(LOOK_SECONDS):
        if tend(children, board):
            with board.step("ComfyUI answers again"):
                wait_until(answering.answers, children, board)
            board.ready()
        board.queue(answering.queue_remaining())
        if why := board.over():
            board.end(why)


def wait_until(done: Callable[[], bool], children: Sequence[Child], board: StatusBoard) -> None:
    """Waits as long as the lease allows, and keeps everything running meanwhile."""
    while not done():
        board.check()
        tend(children, board)
        board.stop.wait(0.02)


def tend(children: Sequence[Child], board: StatusBoard) -> bool:
    """Starts again what died; whether anything did. What ComfyUI had in its queue is lost, and its clients see that."""
    died = [child for child in children if child.tend()]
    for child in died:
        board.restarting(child.name)
    return bool(died)


def wait_open(door: Child, number: int, board: StatusBoard) -> None:
    """Returns when the program listens; raises `ProcessError` when it dies first, or does not in time."""
    if not port.wait_open(number, DOOR_SECONDS, lambda: not door.tend() and not board.stop.is_set()):
        board.check()
        raise ProcessError(f"{door.name}: nobody listens on port {number} after {DOOR_SECONDS:g} s", f"see {door.log}")
    door.proven = True


def keep_watch(settings: WorkerEnvironment, board: StatusBoard, lease: WorkerLease, disk: WorkerDisk) -> None:
    """Takes samples, holds the disk to its floor, and keeps the lease's record; on threads, since disks may hang."""
    sampler, began = Sampler(disk.root), time.monotonic()

    def look() -> None:
        try:
            sample = sampler.take(time.monotonic() - began)
        except OSError as error:
            log.warning("no sample: %s", error)
            return
        board.sampled(sample)
        if sample.disk_free < floor_bytes(settings):
            free, floor = spell_bytes(sample.disk_free), spell_bytes(floor_bytes(settings))
            board.fail(DiskFull(f"{disk.root}: {free} free, the floor is {floor}", "take a larger disk, or free space"))

    def keep() -> None:
        try:
            lease.keep(Moment.now())
        except VideogenError as error:
            log.warning("the lease's record cannot be written: %s", error)

    every(SAMPLE_SECONDS, look, board.stop, "samples", first=0)
    every(KEEP_SECONDS, keep, board.stop, "lease", first=KEEP_SECONDS)


def floor_bytes(settings: WorkerEnvironment) -> int:
    """What must stay free for outputs."""
    return int(settings.disk_floor_gb * 1e9)


def drain(answering: LocalComfyui, board: StatusBoard, seconds: float) -> None:
    """Lets the prompts that run end, and be fetched, as long as allowed; those that wait are returned at once.

    One that is not done by then ends with ComfyUI: its client sees a worker that is lost, and gives it to another one.
    An interrupt would look as if a person had cancelled it.
    """
    deadline = time.monotonic() + seconds
    try:
        mine, waiting = answering.prompts()
        answering.drop(waiting)
        while mine and not board.hurry.is_set() and time.monotonic() < deadline:
            board.hurry.wait(0.1)
            if not mine & answering.prompts()[0]:
                mine.clear()
                board.hurry.wait(min(FETCH_SECONDS, deadline - time.monotonic()))
    except WorkerError as error:
        log.warning("its queue is not known: %s", error)
        return
    log.info("returned: %d prompts that waited, %d that ran", len(waiting), len(mine))


def end(child: Child, board: StatusBoard) -> None:
    """Ends a program, politely until there is a hurry."""
    child.end(GRACE_SECONDS, board.hurry)


def heartbeat(worker: str, board: StatusBoard) -> Heartbeat:
    """What the bucket may know of a worker that lives."""
    now = board.status()
    return Heartbeat(
        machine=worker, state=now.state, idle_seconds=now.idle_seconds, lease_seconds_left=now.lease_seconds_left
    )


def ship_last(logs: LogShipping | None, board: StatusBoard) -> None:
    """What was said goes to the bucket, until there is a hurry."""
    if logs is not None:
        logs.finish(LAST_LOGS_SECONDS, board.hurry)


def finish_lease(lease: WorkerLease, board: StatusBoard) -> None:
    """Writes down that the lease is over; a signal alone says nothing of it: machines are moved and started again."""
    if board.error or not board.signalled.is_set():
        try:
            lease.finish(board.error.message if board.error else board.why or "", Moment.now())
        except VideogenError as error:
            log.warning("the end of the lease cannot be written down: %s", error)


if __name__ == "__main__":
    code = 1
    try:
        code = main(termination)
    except BaseException:
        log.critical("a fault of this program", exc_info=True)
        bills = worker_environment.exits_bill(os.environ)
        code = end_machine("a fault of this program", code, termination, exits_bill=bills)
        raise
    finally:
        logging.shutdown()
        os._exit(code)  # not `sys.exit`: that waits for threads, and one may wait for a store that is silent
