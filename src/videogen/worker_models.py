"""A worker's models, brought in line with the manifest while its ComfyUI starts."""

from collections.abc import Callable
from dataclasses import asdict

from videogen.boot_report import ModelsProgress
from videogen.disk import spell_bytes
from videogen.manifest import Manifest
from videogen.read_ahead import ReadAhead
from videogen.status_board import StatusBoard
from videogen.sync_events import Fetched, Moved, SyncEvent, line
from videogen.worker_disk import WorkerDisk
from videogen.worker_environment import WorkerEnvironment


def sync_models(settings: WorkerEnvironment, wanted: Manifest, disk: WorkerDisk, board: StatusBoard) -> None:
    """Raises as `sync` does; how far it is stands on the board, each event in the disk's log."""
    with board.step("models") as say:
        from videogen.store import Store  # its import takes a third of a second, in which ComfyUI starts
        from videogen.sync import sync

        ahead = ReadAhead(board.stop)  # the first job then finds its models in memory
        with disk.sync_log.open("w", encoding="utf-8", buffering=1) as events:

            def tell(event: SyncEvent) -> None:
                events.write(f"{line(event)}\n")
                if isinstance(event, Moved):
                    _moved(event, board, say)
                if isinstance(event, Fetched):
                    ahead.add(disk.models / event.file)

            done = sync(
                wanted,
                disk.models,
                Store(settings.store, settings.store_access),
                stop=board.stop,
                deadline_seconds=settings.boot_minutes * 60,
                tell=tell,
                floor_bytes_per_second=settings.store.floor_mbit * 125_000,
                floor_window_seconds=settings.floor_seconds,
                overflow=disk.overflow,
                shared=disk.shared,
            )
        counts = f"{len(done.present)} present, {len(done.verified)} verified, {len(done.fetched)} fetched"
        say(f"{counts} ({spell_bytes(done.fetched_bytes)}), {len(done.foreign)} foreign")


def _moved(event: Moved, board: StatusBoard, say: Callable[[str], None]) -> None:
    board.moved(ModelsProgress(**asdict(event)))
    done, total, rate = map(spell_bytes, (event.done_bytes, event.total_bytes, event.bytes_per_second))
    left = "" if event.eta_seconds is None else f", {event.eta_seconds:.0f} s to go"
    say(f"{event.file}: {done} of {total}, {rate}/s{left}")
