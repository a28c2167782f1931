"""`videogen run`: a batch on rented workers, which are gone at the end."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from videogen import project
from videogen import run as service
from videogen.cli.bars import BatchBars
from videogen.cli.options import AsJson
from videogen.clouds.choose import choose
from videogen.console import Console, counted, duration, table
from videogen.errors import InputError, Interrupted
from videogen.money import CENT
from videogen.run import Outcome
from videogen.run_order import RunOrder, order
from videogen.stops import Stops
from videogen.termination import Termination


def run(
    batch: Annotated[Path, typer.Argument(help="The batch file.")],
    stack: Annotated[str, typer.Option("--stack", "-s", help="Pulumi stack that rents the workers.")],
    cap: Annotated[
        str | None, typer.Option(help="The most that this run may cost, in dollars.  [default: the stack's cap]")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Render anew what is done already.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try failed jobs again.")] = False,
    to: Annotated[Path | None, typer.Option(help="Folder for videos and contact sheet.  [default: outputs/]")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Rent workers, render a batch on them, and end them, whatever happens in between: up, submit, destroy.

    Run it again to go on with open jobs. Ctrl-C stops the batch and ends the workers; a second one waits for nothing.
    """
    console = Console(as_json)
    say = _unbreakable(console.say)
    wanted = order(batch, stack, cap=_dollars(cap) if cap else None, again=again, retry_failed=retry_failed, folder=to)
    say(_ahead(wanted))
    if wanted.bills and not yes:
        _ask()
    stops = Stops()
    Termination((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)).tell(lambda name: _came(stops, name))
    with BatchBars(console) as bars:
        outcome = service.run(wanted, choose, listener=bars, say=say, stops=stops)
    _tell(console, wanted, outcome)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


def _came(stops: Stops, name: str) -> None:
    if name == "SIGHUP":  # the terminal is gone, and each word to it would be an error
        silence = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            if stream.isatty():
                os.dup2(silence, stream.fileno())
    stops.signal(name)


def _unbreakable(say: Callable[[str], None]) -> Callable[[str], None]:
    """Nobody may listen any more when machines are ended; Rich leaves the program when a pipe breaks."""

    def said(words: str) -> None:
        with suppress(OSError, SystemExit):
            say(words)

    return said


def _dollars(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or found <= 0:
        raise InputError.of("--cap", f"{text!r} is no sum of dollars", "--cap 8")
    return found


def _ahead(wanted: RunOrder) -> str:
    jobs = f"run {wanted.id}: {counted(len(wanted.plan.jobs), 'job')} of {wanted.plan.batch} on stack {wanted.stack}"
    if not wanted.bills or wanted.lease is None:
        return f"{jobs}; no bill"
    workers = counted(wanted.declared.workers, "worker")
    lease = f"{workers} for at most {wanted.lease.total:g} minutes at up to ${wanted.declared.dearest}/h"
    return f"{jobs}; {lease}: at most ${wanted.worst} (cap ${wanted.cap.run})"


def _ask() -> None:
    """Goes on only after a yes."""
    if not sys.stdin.isatty():
        raise InputError.of("--yes", "is needed where nobody can be asked", "the sum is said above")
    if not typer.confirm("Rent?", default=False, err=True):
        raise Interrupted("nothing was rented")


def _tell(console: Console, wanted: RunOrder, outcome: Outcome) -> None:
    say = _unbreakable(console.say)
    result = outcome.result
    per_second = outcome.dollars / outcome.video_seconds if wanted.bills and outcome.video_seconds else None
    counts = {"done": result.done, "failed": result.failed, "open": result.open} if result else {}
    document = {
        "run": outcome.run,
        "batch": wanted.plan.batch,
        "stack": wanted.stack,
        **counts,
        "exit_code": outcome.exit_code,
        "error": outcome.error.message if outcome.error else None,
        "unproven": outcome.unproven.message if outcome.unproven else None,
        "seconds": round(outcome.seconds, 3),
        "receipts": [receipt.model_dump(mode="json") for receipt in outcome.receipts],
        "dollars": str(outcome.dollars),
        "video_seconds": str(outcome.video_seconds),
        "dollars_per_video_second": str(per_second.quantize(Decimal("0.0001"))) if per_second is not None else None,
        "contact_sheet": str(result.sheet) if result and result.sheet else None,
        "log": str(outcome.log),
    }
    shown = table("receipt of", "GPU", "time", "$/h", "$", "why it ended", numbers=("time", "$/h", "$"))
    for one in outcome.receipts:
        price, paid = str(one.dollars_per_hour), str(one.dollars.quantize(CENT))
        shown.add_row(one.machine, one.gpu, duration(one.seconds), price, paid, one.why)
    with suppress(OSError, SystemExit):
        console.data(document, shown if outcome.receipts else None)
        for error in (outcome.error, outcome.unproven):
            if error:
                console.error(error)
    if result and result.sheet:
        say(f"contact sheet: {project.shown(result.sheet)}")
    if not result:
        return
    each = f", ${per_second.quantize(Decimal('0.0001'))} a second of video" if per_second is not None else ""
    rest = [(result.before, "done before"), (result.failed, "failed"), (result.open, "open")]
    left = ", ".join(f"{count} {word}" for count, word in rest if count)
    finished = f"Finished {counted(result.done - result.before, 'job')} in {duration(outcome.seconds)}"
    say(f"{finished}{f' ({left})' if left else ''}: ${outcome.dollars.quantize(CENT)}{each}")
