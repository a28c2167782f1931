"""`videogen lint`: a batch is checked on this machine, before anything is rented."""

from pathlib import Path
from typing import Annotated

import typer

from videogen import prepare, project
from videogen.cli.manifest_options import ManifestFile, manifest_path, phase_name, stack_setting
from videogen.cli.options import AsJson
from videogen.console import Console, counted, table


def lint(
    batch: Annotated[Path, typer.Argument(help="The batch file.")],
    stack: Annotated[
        str, typer.Option("--stack", "-s", help="Stack whose file says phase and models; Pulumi is not asked.")
    ] = "dev",
    phase: Annotated[str | None, typer.Option("--phase", "-p", help="a, b or c.  [default: the stack's, or a]")] = None,
    manifest: ManifestFile = None,
    as_json: AsJson = False,
) -> None:
    """Check a batch: its keys, values, workflow, models and input files. All faults at once."""
    project.read(project.root() / f"Pulumi.{stack}.yaml")
    wanted = phase_name(phase or stack_setting(stack, "phase") or "a")
    found = prepare.prepare(batch, wanted, project.read_manifest(manifest_path(manifest, stack)))
    shown = table("job", "parameters")
    for job in found.jobs:
        shown.add_row(job.id, job.label)
    jobs = [{"id": job.id, "parameters": job.parameters, "models": job.models} for job in found.jobs]
    console = Console(as_json)
    console.data({"batch": found.batch.name, "workflow": found.workflow.name, "phase": wanted, "jobs": jobs}, shown)
    where = project.shown(batch.resolve())
    console.say(f"{where}: {counted(len(jobs), 'job')} for phase {wanted}, no faults")
