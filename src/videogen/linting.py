"""Lint: reads workflows, batches and their inputs, and says everything that is wrong with them at once. Offline."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from videogen import history, lint, media, prepare, project
from videogen.batch import Job
from videogen.definition import Value
from videogen.document import Document
from videogen.errors import InputError
from videogen.job_forecast import Known
from videogen.lint import Finding, Offers
from videogen.manifest import Manifest, PhaseName
from videogen.node_recordings import Recording
from videogen.planner.work import Clip, Frames
from videogen.prepare import Examined, PreparedBatch
from videogen.workflow import Workflow
from videogen.workflow_import import Draft


@dataclass(frozen=True)
class Rules:
    """What is held against a file."""

    phase: PhaseName
    models: Manifest
    recording: Recording
    offers: Offers
    sizes: Mapping[str, int]
    """Model's name → bytes in the phase, for the estimate."""


@dataclass(frozen=True)
class Linted:
    """What lint says of one batch or workflow."""

    name: str
    findings: tuple[Finding, ...]
    workflow: str = ""
    jobs: tuple[Job, ...] = ()
    """Of a batch without faults."""
    seeds: str | None = None
    """On seeds that the batch did not ask for, where they make several videos of one."""

    def count(self, severity: lint.Severity) -> int:
        """How many findings of that severity."""
        return sum(found.severity == severity for found in self.findings)


def lint_workflow(name: str, rules: Rules) -> Linted:
    """A workflow by its folder's name; raises `InputError` for an unknown one."""
    known = project.workflow_names()
    if name not in known:
        project.read_workflow(name, "workflow")
    return Linted(f"workflows/{name}", _distinct(_workflow(name, rules, {})), name)


def lint_batch(path: Path, rules: Rules) -> Linted:
    """A batch file, its workflow, and the jobs that come of it; a fault of one hides none of another."""
    shown = project.shown(path.resolve())
    try:
        examined = prepare.examine(path, rules.phase, rules.models.as_if_pinned())
    except InputError as error:
        return Linted(shown, tuple(lint.of_faults(error.faults)))
    found, findings = examined.batch, list[Finding]()
    if found.workflow in project.workflow_names():
        findings += _workflow(found.workflow, rules, found.models)
    # What the workflow's own files have wrong is said already, and better.
    said = {one.address.split(":")[0] for one in findings if one.severity == "error"}
    findings += lint.of_faults(fault for fault in examined.faults if fault.address.split(":")[0] not in said)
    jobs, seeds = tuple[Job, ...](), None
    if examined.prepared is not None:
        jobs, seeds = examined.prepared.jobs, examined.prepared.seeds_said(rules.phase)
        findings += _jobs(examined, examined.prepared, rules, findings)
    sound = all(one.severity != "error" for one in findings)
    return Linted(shown, _distinct(findings), found.workflow, jobs if sound else (), seeds)


def lint_draft(made: Draft, recording: Recording, models: Manifest) -> list[Finding]:
    """An imported workflow before it is written; that the manifest lacks models is left to the draft to say."""
    drawn, defined = lint.File(made.graph, "graph.json"), lint.File(made.definition, "workflow.yaml")
    lacks = {one.name: "" for one in made.models if not one.known}
    phase = project.read_phase("a")
    pinned = models.as_if_pinned()
    return list(lint.workflow_findings(made.name, drawn, defined, recording.schemas, pinned, phase, lacks))


def _workflow(name: str, rules: Rules, chosen: Mapping[str, str]) -> Iterator[Finding]:
    folder = project.root() / "workflows" / name
    graph, definition = folder / "graph.json", folder / "workflow.yaml"
    if not graph.exists():
        yield from _chain(name, rules, chosen)
        return
    try:
        drawn, defined = _file(graph), _file(definition)
    except InputError as error:
        yield from lint.of_faults(error.faults)
        return
    phase = project.read_phase(rules.phase)
    newer = rules.recording.newer
    for found in lint.workflow_findings(name, drawn, defined, rules.recording.schemas, rules.models, phase, chosen):
        version = newer.get(str(found.value)) if found.message.startswith("no node class") else None
        # A class that resembles it would be a false hint.
        yield replace(found, hint=f"{version}, which the image pins, has it") if version else found


def _file(path: Path) -> lint.File:
    return lint.File(project.read(path), project.shown(path))


def _chain(name: str, rules: Rules, chosen: Mapping[str, str]) -> Iterator[Finding]:
    try:
        found = project.read_workflow(name)
    except InputError as error:
        yield from lint.of_faults(error.faults)
        return
    drawn = project.root() / "workflows" / name / "workflow.yaml"
    yield from lint.chain_findings(found, Document(project.read(drawn), project.shown(drawn)))
    for step in dict.fromkeys(step.workflow for step in found.definition.chain if step.workflow):
        yield from _workflow(step, rules, chosen)


def _jobs(examined: Examined, prepared: PreparedBatch, rules: Rules, findings: Iterable[Finding]) -> Iterator[Finding]:
    document, recording, wrong = examined.document, rules.recording, False
    said = {(one.node, one.input, one.message) for one in findings}
    faulty = {fault.address.rsplit("/", 1)[-1] for fault in examined.faults} | examined.left_out
    probed: dict[str, lint.Media] = {}
    models = rules.models.select(rules.phase)
    character = prepared.preset.character if prepared.preset else None
    for name, message, hint in lint.idle_slots(prepared.batch, prepared.workflow, character, models):
        yield Finding(_address(document, prepared, name), message, "warning", hint=hint)
    for name, message in lint.doubtful_slots(prepared.batch, prepared.workflow):
        yield Finding(document.address(("models", name)), message, "warning")
    for name, values in prepared.batch.matrix.items():
        if twice := [str(value) for value, count in Counter(values).items() if count > 1]:
            message = f"{', '.join(twice)} stands twice: equal jobs are one"
            yield Finding(document.address(("matrix", name)), message, "warning", hint="each value once")
    yield from _empty(prepared, document)
    if prepared.unused:
        message = f"workflow {prepared.workflow.name} takes nothing of the character's {', '.join(prepared.unused)}"
        yield Finding(document.address(("character",)), message, "warning")
    for job in prepared.jobs:
        doing = prepared.workflow.doing(job.step)
        if not job.post:
            for found in lint.job_findings(job.prompt, recording.schemas, recording.options, document.name):
                parameter = _parameter(found, doing)
                if (found.node, found.input, found.message) in said or parameter in faulty:
                    continue
                wrong = wrong or found.severity == "error"
                yield replace(found, address=_address(document, prepared, parameter)) if parameter else found
        own = {name: value for name, value in job.parameters.items() if name not in examined.left_out}
        yield from _inputs(job, own, doing, prepared, document, probed)
    guessed = {
        prepared.workflow.parameter(name).type for name in examined.left_out & {*prepared.workflow.parameter_names}
    }
    unknown = examined.left_out - {*prepared.workflow.parameter_names}
    if wrong or unknown or guessed & {"integer", "number", "video"} or examined.lacks_models:
        return  # what it would take and cost is not known
    sizes = {one.comfy_name: rules.sizes.get(one.name) or one.expected_bytes for one in models.models}
    clips = {
        file.name: Clip(Frames(seen.width, seen.height, seen.frames), seen.fps or 16)
        for job in prepared.jobs
        for file in job.inputs
        if (seen := probed.get(file.sha256)) is not None
    }
    known = Known(tuple(history.boundary()), tuple(history.finished(sizes)))
    jobs, limits = prepared.jobs, prepared.batch.limits
    yield from lint.fitting(jobs, prepared.workflow, limits, rules.offers, sizes, document.name, known, clips)


def _empty(prepared: PreparedBatch, document: Document) -> Iterator[Finding]:
    """Words that a workflow has no default for, and that are none."""
    wanted = prepared.workflow.definition.parameters
    for name in (one.name for one in wanted if one.type == "text" and one.default is None):
        if any(not str(job.parameters.get(name, "-")).strip() for job in prepared.jobs):
            yield Finding(_address(document, prepared, name), "is empty: nobody knows what will come", "warning")


def _parameter(found: Finding, doing: Workflow) -> str:
    """The parameter that set the value of which the finding speaks; empty where none did."""
    for parameter in doing.definition.parameters:
        if any((one.title, one.input) == (found.node, found.input) for one in parameter.sets):
            return parameter.name
    return ""


def _address(document: Document, prepared: PreparedBatch, parameter: str) -> str:
    """Where in the batch the value of a parameter stands, or in its character's file."""
    said = prepared.batch
    own = prepared.preset
    if own is not None and parameter in own.character.values and parameter not in {*said.fixed, *said.matrix}:
        return own.address(parameter)
    return document.address(("matrix" if parameter in said.matrix else "fixed", parameter))


def _inputs(
    job: Job,
    values: Mapping[str, Value],
    doing: Workflow,
    prepared: PreparedBatch,
    document: Document,
    probed: dict[str, lint.Media],
) -> Iterator[Finding]:
    digests = {file.path: file.sha256 for file in job.inputs}
    rule = doing.definition.segments
    start = job.parameters.get(rule.start, 0) if rule is not None and rule.start is not None else 0
    for parameter in doing.definition.parameters:
        digest = digests.get(str(job.parameters.get(parameter.name))) if parameter.is_file else None
        if digest is None or digest not in prepared.files:
            continue
        if digest not in probed:
            seen = media.probe(prepared.files[digest], "image" if parameter.type == "image" else "video")
            probed[digest] = lint.Media(seen.width, seen.height, seen.frames, seen.fps)
        address = _address(document, prepared, parameter.name)
        yield from lint.input_findings(parameter, probed[digest], values, address, int(start))


def _distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each once, errors first."""
    once = {(found.place, found.message): found for found in findings}
    return tuple(sorted(once.values(), key=lambda found: found.severity != "error"))
