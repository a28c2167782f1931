"""`videogen submit`: a batch on the workers of a stack."""

import asyncio
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from videogen import manifest, project
from videogen import submit as service
from videogen.cli.bars import BatchBars
from videogen.cli.options import AsJson, OutputsFile, Stack, read_outputs
from videogen.console import Console, counted, duration
from videogen.errors import Interrupted
from videogen.ledger import Ledger
from videogen.ledger_rows import JobRow
from videogen.planned import planned
from videogen.stack_outputs import StackOutputs
from videogen.store import Store, manifest_key
from videogen.submission import Plan, Result


def submit(
    batch: Annotated[Path, typer.Argument(help="The batch file.")],
    stack: Stack = None,
    file: OutputsFile = None,
    again: Annotated[bool, typer.Option("--again", help="Render anew what is done already.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try failed jobs again.")] = False,
    to: Annotated[Path | None, typer.Option(help="Folder for videos and contact sheet.  [default: outputs/]")] = None,
    as_json: AsJson = False,
) -> None:
    """Render a batch on a stack's workers. Stopped or killed, it goes on where it was."""
    console = Console(as_json)
    outputs = read_outputs(stack, file)
    store = Store(outputs.store, outputs.store_access)
    text = store.get_bytes(store.models, manifest_key(outputs.manifest)).decode()
    models = manifest.parse(text, f"manifest {outputs.manifest[:12]}")
    gpus = [worker.gpu for worker in outputs.workers]
    wanted = planned(batch, outputs.phase, models, gpus, again=again, retry_failed=retry_failed, folder=to)
    plan, workflow = wanted.plan, wanted.plan.workflow.name
    for words in wanted.warnings:
        console.warn(words)
    if workflow not in outputs.workflows:
        console.warn(f"stack {outputs.stack} was not proven ready for workflow {workflow}")
    ledger_path = project.ledger(outputs.stack)
    ledger_path.parent.mkdir(parents=True, exist_ok=True)
    with Ledger.open(ledger_path) as ledger, BatchBars(console) as bars:
        result = asyncio.run(_submit(plan, outputs, store, ledger, bars))
        flawed = {row.id: _flaws(ledger, row) for row in result.jobs}
    jobs = [{**asdict(row), "path": result.videos.get(row.id), "suspicious": flawed[row.id]} for row in result.jobs]
    sheet = str(result.sheet) if result.sheet else None
    summary = {"batch": result.batch, "done": result.done, "failed": result.failed, "open": result.open}
    console.data(
        {**summary, "seconds": round(result.seconds, 3), "jobs": jobs, "contact_sheet": sheet, "lost": result.lost}
    )
    for row in result.jobs:
        for flaw in flawed[row.id]:
            console.warn(f"{row.label}: {flaw}")
    if result.sheet:
        console.say(f"contact sheet: {project.shown(result.sheet)}")
    console.say(f"Finished {counted(result.done - result.before, 'job')} in {duration(result.seconds)}" + _rest(result))
    if result.failed:
        raise typer.Exit(1)


async def _submit(plan: Plan, outputs: StackOutputs, store: Store, ledger: Ledger, bars: BatchBars) -> Result:
    """Runs the batch; the first signal asks it to stop, the second one does not ask."""
    stop = asyncio.Event()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def on_signal() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        return await service.submit(plan, outputs.workers, outputs.tokens, store, ledger, listener=bars, stop=stop)
    except asyncio.CancelledError:
        raise Interrupted("stopped at once", "submit the batch again to go on") from None


def _flaws(ledger: Ledger, job: JobRow) -> list[str]:
    """What the check of a done job's files found; they were kept."""
    return [str(flaw) for output in ledger.done_outputs(job.batch, job.id) for flaw in output.flaws]


def _rest(result: Result) -> str:
    words = [(result.before, "done before"), (result.failed, "failed"), (result.open, "open")]
    said = ", ".join(f"{count} {word}" for count, word in words if count)
    return f" ({said})" if said else ""
