"""A batch file as a plan for `submit` on certain GPUs, in segments that are as short as their memory wants them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from videogen import history, ladder, project
from videogen.manifest import Manifest, PhaseName
from videogen.prepare import prepare
from videogen.submission import Plan


@dataclass(frozen=True)
class Planned:
    """What shall be rendered, and what whoever wants it should know before."""

    plan: Plan
    warnings: tuple[str, ...]


def planned(
    batch: Path,
    phase: PhaseName,
    models: Manifest,
    gpus: Iterable[str],
    *,
    again: bool,
    retry_failed: bool,
    folder: Path | None,
) -> Planned:
    """The plan of a batch file on workers with one of these GPUs; its videos go below `folder`, or to outputs/.

    Raises `InputError` with every fault of the batch.
    """
    found = prepare(batch, phase, models)
    warnings: list[str] = []
    if cuts := ladder.shorter_segments(found.jobs, found.workflow, gpus, history.boundary()):
        found = prepare(batch, phase, models, cuts)
        for step, values in cuts.items():
            said = ", ".join(f"{name} {value}" for name, value in values.items())
            warnings.append(f"step {step}: {said}, in more segments: memory ended before with longer ones")
    if found.unused:
        unused = ", ".join(found.unused)
        warnings.append(f"workflow {found.workflow.name} takes nothing of the character's {unused}")
    plan = Plan(
        batch=found.batch.name,
        workflow=found.workflow,
        jobs=found.jobs,
        limits=found.batch.limits,
        files=found.files,
        folder=(folder or project.root() / "outputs").resolve(),
        retry_failed=retry_failed,
        cuts=cuts,
        again=again,
    )
    return Planned(plan, tuple(warnings))
