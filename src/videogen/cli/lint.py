"""`videogen lint`: a batch is checked on this machine, before anything is rented."""

from pathlib import Path
from typing import Annotated, cast

import typer

from videogen import prepare, project
from videogen.cli.options import AsJson
from videogen.console import Console, counted, table
from videogen.errors import InputError
from videogen.manifest import PhaseName


def lint(
    batch: Annotated[Path, typer.Argument(help="The batch file.")],
    phase: Annotated[str, typer.Option("--phase", "-p", help="a, b or c.")] = "a",
    manifest: Annotated[
        Path | None, typer.Option(help="Models to check against.  [default: models_manifest.yaml]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a batch: its keys, values, workflow, models and input files. All faults at once."""
    if phase not in ("a", "b", "c"):
        raise InputError.of("--phase", f"{phase!r} is not a phase", "one of: a, b, c")
    models = project.read_manifest(manifest or project.root() / "models_manifest.yaml")
    found = prepare.prepare(batch, cast("PhaseName", phase), models)
    shown = table("job", "parameters")
    for job in found.jobs:
        shown.add_row(job.id, job.label)
    jobs = [{"id": job.id, "parameters": job.parameters, "models": job.models} for job in found.jobs]
    console = Console(as_json)
    console.data({"batch": found.batch.name, "workflow": found.workflow.name, "phase": phase, "jobs": jobs}, shown)
    console.say(f"{project.shown(batch.resolve())}: {counted(len(jobs), 'job')}, no faults")
