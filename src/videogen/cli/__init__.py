"""Turns a batch file into finished videos on GPUs that are rented only while they work.

Exit codes: 0 done; 1 failed, or some jobs did; 2 what you wrote is wrong; 3 stopped by a cap or a signal.
"""

import signal
import sys
from types import FrameType

import typer

from videogen.cli import (
    boundary,
    check,
    cost,
    doctor,
    failures,
    lint,
    models,
    outputs,
    phase_document,
    plan,
    run,
    status,
    submit,
    sweep,
    workflow,
)
from videogen.console import Console
from videogen.errors import Interrupted, VideogenError

app = typer.Typer(
    name="videogen", help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
CHECK = "Before: is everything right?"
MAKE = "Make videos"
LOOK = "Afterwards: what came out, what did it cost?"
app.command("doctor", rich_help_panel=CHECK)(doctor.doctor)
app.command("lint", rich_help_panel=CHECK)(lint.lint)
workflow.app.command("document")(phase_document.document)
app.add_typer(workflow.app, name="workflow", rich_help_panel=CHECK)
app.add_typer(models.app, name="models", rich_help_panel=CHECK)
app.command("plan", rich_help_panel=CHECK)(plan.plan)
app.command("run", rich_help_panel=MAKE)(run.run)
app.command("submit", rich_help_panel=MAKE)(submit.submit)
app.command("status", rich_help_panel=LOOK)(status.status)
app.command("cost", rich_help_panel=LOOK)(cost.cost)
app.command("sweep", rich_help_panel=LOOK)(sweep.sweep_verb)
app.command("boundary", rich_help_panel=LOOK)(boundary.boundary)
app.add_typer(outputs.app, name="outputs", rich_help_panel=LOOK)
app.command("check", rich_help_panel=LOOK)(check.check)
app.command("failures", rich_help_panel=LOOK)(failures.failures)


def main() -> None:
    """Runs the command line; every error of ours becomes one clear message and its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        app()
    except VideogenError as error:
        Console().error(error)
        sys.exit(error.exit_code)
    except _Signal as caught:
        Console().error(Interrupted(f"stopped by {caught}"))
        sys.exit(Interrupted.exit_code)


class _Signal(BaseException):
    """No `Exception`: a library that tries again after every error must not try again after Ctrl-C."""


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise _Signal(signal.Signals(number).name)
