"""A worker's life from its first to its last second: boot, work until the lease is over, end.

What it needs stands in the environment (`videogen.worker_environment`); its agent says how far it is.

Exit codes: 0 it ended as asked, or its lease was over; 1 the boot failed, or ComfyUI died too often; 2 the environment
or the manifest is wrong. After a failure the agent still says why for some seconds. No process of it stays behind.
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from videogen import agent, comfyui_command, manifest, model_paths, port, process_group, worker_environment, worker_log
from videogen.boot_report import ModelsProgress
from videogen.child import Child
from videogen.disk import spell_bytes, written
from videogen.errors import InputError, NotReady, ProcessError, VideogenError
from videogen.local_comfyui import LocalComfyui
from videogen.manifest import Manifest
from videogen.read_ahead import ReadAhead
from videogen.status_board import StatusBoard, process_started
from videogen.sync_events import Fetched, Moved, SyncEvent, line
from videogen.termination import on_termination
from videogen.worker_disk import WorkerDisk
from videogen.worker_environment import WorkerEnvironment

LOOK_SECONDS = 1.0
GRACE_SECONDS = 8.0


def main() -> int:
    """Lives the worker's life; the exit code."""
    worker_log.start()
    try:
        settings = worker_environment.read(os.environ)
    except InputError as error:
        logging.getLogger(__name__).error("%s", error)
        return error.exit_code
    board = StatusBoard(settings.worker, settings.manifest, settings.lease, process_started())
    process_group.lead(settings.held)
    on_termination(board.end)
    try:
        with agent.serving(board, settings.agent_port, settings.token):
            try:
                live(settings, board)
            except VideogenError as error:
                board.fail(error)
            if board.error:
                board.linger(settings.linger_seconds)
    except ProcessError as error:
        board.fail(error)
    return board.error.exit_code if board.error else 0


def live(settings: WorkerEnvironment, board: StatusBoard) -> None:
    """Returns when the worker shall end; raises when it cannot go on."""
    with board.step("folders"):
        disk = WorkerDisk(settings.workspace, volume=settings.volume)
    with board.step("manifest"):
        text = disk.manifest_text(settings.manifest, settings.store, settings.store_access, board.stop)
        wanted = manifest.parse(text, "manifest").select(settings.phase)
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
            environment=comfyui_command.environment(os.environ),
            log=disk.comfyui_log,
            held=settings.held,
        )
    try:
        answering = LocalComfyui(settings.comfyui_port)
        syncing = ThreadPoolExecutor(1).submit(sync_models, settings, wanted, disk, board)
        with board.step("ComfyUI answers"):
            wait_until(answering.answers, comfyui, board)
            comfyui.proven = True
        wait_until(syncing.done, comfyui, board)
        syncing.result()
        with board.step("ComfyUI lists the models"):
            wait_until(answering.answers, comfyui, board)
            wrong = model_paths.differences(wanted, disk.models, answering.folder_paths())
            if wrong := wrong or answering.unlisted(wanted):
                raise NotReady("; ".join(wrong), f"ComfyUI was given {paths_file}; its log: {disk.comfyui_log}")
        board.ready()
        work(comfyui, answering, board)
    finally:
        comfyui.end(GRACE_SECONDS)


def sync_models(settings: WorkerEnvironment, wanted: Manifest, disk: WorkerDisk, board: StatusBoard) -> None:
    """Brings the models folder in line with the manifest while ComfyUI starts."""
    with board.step("models") as say:
        from videogen.store import Store  # its import takes a third of a second, in which ComfyUI starts
        from videogen.sync import sync

        def tell(event: SyncEvent) -> None:
            log.write(f"{line(event)}\n")
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
        with disk.sync_log.open("w", encoding="utf-8", buffering=1) as log:
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


def work(comfyui: Child, answering: LocalComfyui, board: StatusBoard) -> None:
    """Keeps ComfyUI running until the worker shall end."""
    while not board.stop.wait(LOOK_SECONDS):
        if comfyui.tend():
            board.restarting(comfyui.restarts)
            with board.step("ComfyUI answers again"):
                wait_until(answering.answers, comfyui, board)
            board.ready()
        board.queue(answering.queue_remaining())
        if why := board.over():
            board.end(why)


def wait_until(done: Callable[[], bool], comfyui: Child, board: StatusBoard) -> None:
    """Waits as long as the lease allows, and keeps ComfyUI running meanwhile."""
    while not done():
        board.check()
        if comfyui.tend():
            board.restarting(comfyui.restarts)
        board.stop.wait(0.02)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    os._exit(code)  # not `sys.exit`: that waits for threads, and one may wait for a store that is silent
