"""A worker's life from its first to its last second: boot, work until the lease is over, end.

What it needs stands in the environment (`videogen.worker_environment`); its agent says how far it is. It reads top to
bottom: environment, gateway and sshd (rented workers only), disk, lease, what to render, ComfyUI, models, gate, work,
end.

Exit codes, with none of its processes left behind:

    0   it ended as asked, or its lease was over
    1   the boot failed, ComfyUI, gateway or sshd died too often, the disk is full
    2   the environment or the manifest is wrong
    3   it may not live: its lease was over before it started, or it was started too often

After a failure its agent still says why for some seconds. Where an exit would only start the container again, and cost
on, it does not exit before somebody stops it, and a second life begins where the first one was.
"""

from videogen.termination import Termination

if __name__ == "__main__":
    termination = Termination()  # first of all: what follows takes half a second, in which a signal must not be lost

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from videogen import (
    accounts,
    agent,
    comfyui_command,
    doors,
    gateway,
    lease_keeping,
    manifest,
    model_paths,
    pod_end,
    port,
    process_group,
    redaction,
    repository,
    worker_environment,
    worker_log,
    worker_watch,
)
from videogen.background import every
from videogen.disk import require_free, written
from videogen.drain import drain
from videogen.errors import InputError, NotReady, ProcessError, VideogenError
from videogen.life_signs import BEAT_SECONDS, LifeSigns
from videogen.local_comfyui import LocalComfyui
from videogen.log_shipping import LogShipping
from videogen.machine_end import end_machine
from videogen.programs import Programs
from videogen.redaction import Redaction
from videogen.rent_record import Heartbeat
from videogen.repository import Repository
from videogen.status_board import StatusBoard, process_started
from videogen.worker_disk import WorkerDisk
from videogen.worker_environment import WorkerEnvironment
from videogen.worker_models import sync_models

LOOK_SECONDS = 1.0
LAST_LOGS_SECONDS = 3.0

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
        with agent.serving(board, settings.agent_port, settings.token, hidden), ExitStack() as opened:
            with ExitStack() as records:
                try:
                    live(settings, board, logs, opened, records, exits_bill=exits_bill)
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
    opened: ExitStack,
    records: ExitStack,
    *,
    exits_bill: bool,
) -> None:
    """Returns when the worker shall end; raises when it cannot go on.

    What must be written then is left to `records`; what must stay open until it was told why, to `opened`.
    """
    who = accounts.accounts(rented=settings.gateway_port is not None)
    programs = Programs(board, settings.held, logs)
    # Before all that can fail for other reasons than these two have: they let the agent say why.
    gate = doors.open_gateway(settings, who, programs, board, opened)
    doors.open_sshd(settings, who, programs, board, opened)
    with board.step("folders"):
        disk = WorkerDisk(settings.workspace, volume=settings.volume)
        accounts.hand_over((disk.root / name for name in ("input", "outputs", "temp", "user")), who.comfyui)
    with board.step("lease"):  # without one nothing that costs or matters begins
        lease = lease_keeping.begin(disk.root, settings.worker, board, goes_on=exits_bill)
        records.callback(lease_keeping.finish, lease, board)
        if logs is not None:
            logs.boot = lease.boots
    floor_bytes = int(settings.disk_floor_gb * 1e9)
    worker_watch.watch(disk.root, floor_bytes, board)
    if settings.repository:
        with board.step("repository") as say:
            say(check_out(settings, disk, board))
    with board.step("manifest"):
        asked = (settings.manifest, settings.store, settings.store_access, board.stop)
        reading = ThreadPoolExecutor(1).submit(disk.manifest_text, *asked)  # a silent store is waited for in minutes
        programs.wait_until(reading.done)
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
        comfyui = programs.start(
            "ComfyUI",
            comfyui_command.command(settings, paths_file),
            folder=disk.root,
            environment=comfyui_command.environment(os.environ, accounts.home(who.comfyui) if who.comfyui else None),
            log=disk.comfyui_log,
            user=who.comfyui,
        )
    try:
        answering = LocalComfyui(settings.comfyui_port)
        syncing = ThreadPoolExecutor(1).submit(sync_models, settings, wanted, disk, board)
        with board.step("ComfyUI answers"):
            programs.wait_until(answering.answers)
            comfyui.proven = True
        programs.wait_until(syncing.done)
        syncing.result()
        with board.step("ComfyUI lists the models"):
            programs.wait_until(answering.answers)
            wrong = model_paths.differences(wanted, disk.models, answering.folder_paths())
            if wrong := wrong or answering.unlisted(wanted):
                raise NotReady("; ".join(wrong), f"ComfyUI was given {paths_file}; its log: {disk.comfyui_log}")
        require_free(disk.root, floor_bytes)
        board.ready()
        work(programs, answering, board)
        if gate is not None:
            gateway.refuse_jobs(gate)
        if not board.error:
            drain(answering, board, settings.drain_seconds)
    finally:
        ship_last(logs, board)
        programs.end(comfyui)


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


def work(programs: Programs, answering: LocalComfyui, board: StatusBoard) -> None:
    """Keeps everything running until the worker shall end."""
    while not board.stop.wait(LOOK_SECONDS):
        if programs.tend():
            with board.step("ComfyUI answers again"):
                programs.wait_until(answering.answers)
            board.ready()
        board.queue(answering.queue_remaining())
        if why := board.over():
            board.end(why)


def heartbeat(worker: str, board: StatusBoard) -> Heartbeat:
    """What the bucket may know of a worker that lives."""
    now = board.status()
    return Heartbeat(
        machine=worker,
        id=pod_end.own_id(os.environ),
        state=now.state,
        idle_seconds=now.idle_seconds,
        lease_seconds_left=now.lease_seconds_left,
    )


def ship_last(logs: LogShipping | None, board: StatusBoard) -> None:
    """What was said goes to the bucket, until there is a hurry."""
    if logs is not None:
        logs.finish(LAST_LOGS_SECONDS, board.hurry)


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
