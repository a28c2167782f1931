"""`videogen outputs`: the finished files of a batch."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from videogen import project
from videogen.cli.options import AsJson, OutputsFile, Stack, named_stack, read_store
from videogen.cli.records import ended, ledger_of
from videogen.console import Console, gigabytes, table
from videogen.document import did_you_mean
from videogen.errors import InputError, WrongHash
from videogen.ledger_rows import JobRow, OutputRow
from videogen.store import Store
from videogen.success import success

app = typer.Typer(help="List, fetch and judge the finished files of a batch.", no_args_is_help=True)

BatchName = Annotated[str | None, typer.Argument(help="The batch's name.  [default: every batch]")]

Steps = Annotated[bool, typer.Option("--steps", help="Also what the earlier steps of chains made.")]


@app.command("list")
def list_outputs(
    batch: BatchName = None,
    stack: Stack = None,
    file: OutputsFile = None,
    steps: Steps = False,
    as_json: AsJson = False,
) -> None:
    """List finished files: job, size, place in the bucket, place on this machine."""
    rows = _done(named_stack(stack, file), batch, steps)
    shown = table("batch", "job", "label", "file", "size", "suspicious", "in the bucket", "here", numbers=("size",))
    for name, job, row in rows:
        path = _place(name, row)
        here = project.shown(path) if path.exists() else "–"
        label = job.group if job.step and not steps else job.label
        shown.add_row(name, job.id, label, row.name, gigabytes(row.size), _flaws(row), row.key, here)
    found = [
        {
            "batch": name,
            "job": job.id,
            "label": job.label,
            "video": job.group,
            "step": job.step,
            "file": row.name,
            "bytes": row.size,
            "sha256": row.sha256,
            "flaws": [asdict(flaw) for flaw in row.flaws],
            "key": row.key,
            "path": str(path) if (path := _place(name, row)).exists() else None,
        }
        for name, job, row in rows
    ]
    Console(as_json).data(found, shown)


@app.command()
def fetch(
    batch: BatchName = None,
    stack: Stack = None,
    file: OutputsFile = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write to.  [default: outputs/]")] = None,
    steps: Steps = False,
    as_json: AsJson = False,
) -> None:
    """Bring finished files here from the bucket; what is here already, byte for byte, stays."""
    rows = _done(named_stack(stack, file), batch, steps)
    outputs = read_store(stack, file)
    store = Store(outputs.store, outputs.store_access)
    console = Console(as_json)
    fetched: list[dict[str, object]] = []
    for name, job, row in rows:
        target = to / name / row.path.name if to else _place(name, row)
        here = target.exists() and _sha256(target) == row.sha256
        if not here:
            console.say(f"{row.key} → {project.shown(target.resolve())} …")
            target.parent.mkdir(parents=True, exist_ok=True)
            store.get_file(store.outputs, row.key, target)
            if (got := _sha256(target)) != row.sha256:
                target.unlink()
                raise WrongHash(f"{row.key}: the bucket's bytes have SHA-256 {got}, the job wrote {row.sha256}")
        fetched.append({"batch": name, "job": job.id, "path": str(target), "bytes": row.size, "fetched": not here})
    console.data(fetched)
    new = sum(1 for one in fetched if one["fetched"])
    console.say(f"{new} fetched, {len(fetched) - new} were here already")


@app.command()
def report(batch: BatchName = None, stack: Stack = None, file: OutputsFile = None, as_json: AsJson = False) -> None:
    """Show how often each batch succeeds, GPU against GPU, and what went wrong."""
    rows = success(ended(named_stack(stack, file), batch))
    numbers = ("jobs", "done", "attempts", "good", "±", "at first", "suspicious", "seconds")
    shown = table("batch", "GPU", *numbers, "failures", numbers=numbers)
    for row in rows:
        shown.add_row(
            *(row.batch, row.gpu, str(row.jobs), str(row.done), str(row.attempts), f"{row.rate:.0%}"),
            *(f"{row.margin:.0%}", f"{row.first / row.jobs:.0%}", str(row.suspicious)),
            "–" if row.seconds is None else f"{row.seconds:.1f}",
            ", ".join(f"{number}× {kind}" for kind, number in row.failures.items()) or "–",
        )
    found = [{**asdict(row), "rate": round(row.rate, 4), "margin": round(row.margin, 4)} for row in rows]
    Console(as_json).data(found, shown)
    if len({row.gpu for row in rows}) > 1:
        Console(as_json).say(
            "GPUs differ for certain only where their shares are further apart than both margins (±) together"
        )


def _flaws(row: OutputRow) -> str:
    return "; ".join(str(flaw) for flaw in row.flaws) or "–"


def _done(stack: str, batch: str | None, steps: bool) -> list[tuple[str, JobRow, OutputRow]]:
    """`(batch, job, file)` of each finished file; `steps` takes those that only other jobs want as well."""
    with ledger_of(stack) as ledger:
        known = ledger.batches()
        if batch is not None and batch not in known:
            raise InputError.of(batch, "no such batch was submitted", did_you_mean(batch, known))
        names = [batch] if batch else known
        jobs = [(name, job) for name in names for job in ledger.jobs(name) if job.final or steps]
        return [(name, job, row) for name, job in jobs for row in ledger.done_outputs(name, job.id)]


def _place(batch: str, row: OutputRow) -> Path:
    """Where it was, or below outputs/ where that folder is gone: perhaps the project moved."""
    if row.path.parent.is_dir():
        return row.path
    folder = row.path.parent.name
    return project.root() / "outputs" / batch / ("" if folder == batch else folder) / row.path.name


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
