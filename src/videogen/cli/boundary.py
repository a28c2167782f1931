"""`videogen boundary`: what each GPU held, and where its memory ended."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from videogen import history
from videogen.boundary import Observation
from videogen.boundary_store import BoundaryStore, observations
from videogen.cli.options import AsJson, OutputsFile, Stack, read_store
from videogen.console import Console, counted, table
from videogen.errors import InputError
from videogen.ledger import Ledger
from videogen.store import Store

_WORDS = {(True,): "works", (False,): "memory ends", (False, True): "memory ends now and then"}


def boundary(
    gpu: Annotated[str | None, typer.Option("--gpu", "-g", help="Only this GPU.")] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", "-w", help="Only this workflow.")] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Try as asked again, as after another program filled the GPU's memory.")
    ] = False,
    stack: Stack = None,
    file: OutputsFile = None,
    as_json: AsJson = False,
) -> None:
    """Show which sizes each GPU held, and on which rung of the ladder; with a stack, what its bucket knows, too."""
    if forget and gpu is None and workflow is None:
        raise InputError.of("--forget", "does not say what", "--gpu and --workflow say it")
    known = {one.digest: one for one in history.boundary()}
    store: Store | None = None
    if stack or file:
        outputs = read_store(stack, file)
        store = Store(outputs.store, outputs.store_access)
        known.update((one.digest, one) for one in observations(store, gpu))
    wanted = [one for one in known.values() if gpu in (None, one.gpu) and workflow in (None, one.workflow)]
    rows = _rows(wanted)
    shown = table("GPU", "workflow", "size", "frames", "precision", "rung", "", "peak", numbers=("frames", "peak"))
    for row in rows:
        peak = f"{row['peak_gib']} GiB" if row["peak_gib"] is not None else "–"
        size = f"{row['width']}×{row['height']}"
        cells = (row["gpu"], row["workflow"], size, str(row["frames"]), row["precision"], row["rung"] or "as asked")
        shown.add_row(*cells, row["memory"], peak)
    console = Console(as_json)
    console.data(rows, shown if rows else None)
    if forget:
        _forget(wanted, store)
        elsewhere = "" if store else ", here; with --stack in its bucket, too"
        console.say(f"{counted(len(rows), 'shape')} forgotten{elsewhere}")
        return
    console.say(f"{counted(len(rows), 'shape')} known" if rows else "nothing is known yet: finished jobs tell it")


def _forget(wanted: Sequence[Observation], store: Store | None) -> None:
    """Out of the bucket first: from there it would come back."""
    if store:
        for one in wanted:
            store.delete(store.outputs, one.key)
    for path in history.ledgers():
        with Ledger.open(path) as ledger:
            BoundaryStore(ledger.file).forget(one.digest for one in wanted)


def _rows(known: Iterable[Observation]) -> list[dict[str, Any]]:
    """One for each shape and rung, whatever was seen of it."""
    grouped: dict[tuple[object, ...], list[Observation]] = {}
    for one in known:
        key = (one.gpu, one.workflow, one.width, one.height, one.frames, one.precision, one.rung)
        grouped.setdefault(key, []).append(one)
    names = ("gpu", "workflow", "width", "height", "frames", "precision", "rung")
    return [
        {
            **dict(zip(names, key, strict=True)),
            "memory": _WORDS[tuple(sorted({one.works for one in seen}))],
            "peak_gib": max((one.peak_gib for one in seen if one.peak_gib is not None), default=None),
        }
        for key, seen in sorted(grouped.items(), key=lambda item: [str(part).zfill(6) for part in item[0]])
    ]
