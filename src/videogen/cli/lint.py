"""`videogen lint`: batches and workflows are checked on this machine, before anything is rented."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from videogen import declared, linting, node_recordings, project, stack_terms
from videogen.batch import Job
from videogen.cli.manifest_options import ManifestFile, manifest_path, phase_name, stack_setting, stack_settings
from videogen.cli.options import AsJson
from videogen.cli.plan import rental
from videogen.console import Console, counted, table
from videogen.errors import InputError
from videogen.lint import Offers
from videogen.linting import Linted, Rules
from videogen.manifest import PhaseName


def lint(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="BATCH|WORKFLOW…", help="Batch files, or folders of workflows/.")
    ] = None,
    workflows: Annotated[bool, typer.Option("--workflows", help="All workflows of the checkout.")] = False,
    stack: Annotated[
        str, typer.Option("--stack", "-s", help="Stack whose file says phase and models; Pulumi is not asked.")
    ] = "dev",
    phase: Annotated[str | None, typer.Option("--phase", "-p", help="a, b or c.  [default: the stack's, or a]")] = None,
    manifest: ManifestFile = None,
    object_info: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A server's own /object_info.  [default: as recorded for the image's pin]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check batches and workflows: keys, values, nodes, links, models, inputs, memory, cost. All findings at once."""
    if not paths and not workflows:
        raise InputError.of("lint", "what?", "videogen lint batches/demo.yaml, or --workflows")
    wanted = phase_name(phase or stack_setting(stack, "phase") or "a")
    rules = _rules(stack, wanted, manifest, object_info)
    linted = [_linted(path, rules) for path in paths or ()]
    if workflows:
        linted += [linting.lint_workflow(name, rules) for name in project.workflow_names()]
    console = Console(as_json)
    _show(console, linted, rules)
    wrong = sum(one.count("error") for one in linted)
    if wrong:
        raise typer.Exit(InputError.exit_code)


def _rules(stack: str, phase: PhaseName, manifest: Path | None, object_info: Path | None) -> Rules:
    project.read(project.root() / f"Pulumi.{stack}.yaml")
    recording = node_recordings.of_server(object_info) if object_info else node_recordings.recorded()
    models = project.read_manifest(manifest_path(manifest, stack))
    # A stack that rents nothing is held against what its phase would rent.
    rents = stack if stack_settings(stack).get("gpus") else f"phase-{phase}"
    rented = stack_terms.parse(stack_settings(rents), f"Pulumi.{rents}.yaml")
    real = project.read_manifest(manifest_path(None, rents)).select(phase)
    sizes = {one.name: size for one in real.models if (size := one.expected_bytes)}
    offers = Offers(f"Pulumi.{rents}.yaml", rented, rental(rented, real, declared.store_endpoint(rents)))
    return Rules(phase, models, recording, offers, sizes)


def _linted(path: Path, rules: Rules) -> Linted:
    folder = path.parent if path.name in ("workflow.yaml", "graph.json") else path
    if folder.is_dir():
        if folder.resolve().name not in project.workflow_names() and any(folder.glob("*.yaml")):
            raise InputError.of(str(path), "is a folder of files", f"each by its name: `videogen lint {path}/*.yaml`")
        return linting.lint_workflow(folder.resolve().name, rules)
    return linting.lint_batch(path, rules)


def _show(console: Console, linted: list[Linted], rules: Rules) -> None:
    document = {
        "phase": rules.phase,
        "node_schemas": rules.recording.about,
        "linted": [
            {
                "name": one.name,
                "workflow": one.workflow,
                "findings": [found.document() for found in one.findings],
                "jobs": [{"id": job.id, "parameters": job.parameters, "models": job.models} for job in one.jobs],
            }
            for one in linted
        ],
    }
    shown = table("job", "parameters")
    for one in linted:
        for row in _videos(one.jobs):
            shown.add_row(*row)
    console.data(document, shown if shown.row_count else None)
    for one in linted:
        for found in one.findings:
            console.finding(found.severity, f"{found.place}: {found.message}", found.help)
    console.say(f"node classes: {rules.recording.about}")
    for one in linted:
        counts = ((one.count("error"), "error"), (one.count("warning"), "warning"))
        faults = ", ".join(counted(number, word) for number, word in counts if number)
        jobs = f"{counted(len(one.jobs), 'job')} for phase {rules.phase}, " if one.jobs else ""
        if one.seeds:
            console.say(f"{one.name}: {one.seeds}")
        console.say(f"{one.name}: {jobs}{faults or 'no faults'}")


def _videos(jobs: tuple[Job, ...]) -> Iterator[tuple[str, str]]:
    """`(id, what tells it from the others)` of each job; the jobs of a chain's video are one row, by its last one."""
    chains: dict[str, list[Job]] = {}
    for job in jobs:
        if job.step:
            chains.setdefault(job.group, []).append(job)
        else:
            yield job.id, job.label
    for group, made in chains.items():
        steps = ", ".join(f"{step} ×{times}" for step, times in Counter(job.step for job in made).items())
        yield made[-1].id, f"{group} · {steps}"
