"""`videogen models`: what the manifest names, where it is, and what it costs to bring it to a worker."""

from typing import Annotated, Any

import typer

from videogen import project, traffic
from videogen.cli import models_change
from videogen.cli.manifest_options import (
    Folder,
    ManifestFile,
    Phase,
    StoreStack,
    Yes,
    client,
    find_store,
    manifest_path,
    of_phase,
    phase_name,
    read,
)  # fmt: skip
from videogen.cli.options import AsJson, OutputsFile
from videogen.cli.transfers import Transfers
from videogen.console import Console, duration, gigabytes, table
from videogen.errors import Fault, InputError
from videogen.manifest import Manifest, Model, Repository, require
from videogen.models import state
from videogen.workflow import is_missing

app = typer.Typer(help="Models: the manifest, the bucket and this machine's disk.", no_args_is_help=True)
LOOK = "Look"
CHANGE = "Change"


@app.command("list", rich_help_panel=LOOK)
def list_models(
    phase: Phase = None,
    stack: StoreStack = None,
    file: OutputsFile = None,
    folder: Folder = None,
    manifest: ManifestFile = None,
    as_json: AsJson = False,
) -> None:
    """List every model: size, phases, licence, and whether bucket and folder have it."""
    _, models = read(manifest_path(manifest, stack), half_filled=True)
    models = of_phase(models, phase)
    outputs = find_store(stack, file)
    bucket = state.in_bucket(models, client(outputs)) if outputs else {}
    disk = state.on_disk(models, folder) if folder else {}
    shown = table("model", "size", "phases", "bucket", "here", "licence", numbers=("size",))
    for model in models.models:
        phases = " ".join(model.phases) or "–"
        where = (bucket.get(model.id, "–"), disk.get(model.id, "–"))
        shown.add_row(model.id, _size(model), phases, *where, model.license)
    rows = [
        {**model.model_dump(mode="json"), "id": model.id, "bucket": bucket.get(model.id), "disk": disk.get(model.id)}
        for model in models.models
    ]
    console = Console(as_json)
    console.data(rows, shown)
    console.say(f"{len(rows)} models, {_total(models.models)}")
    not_pinned = [model.id for model in models.models if not model.runnable and not model.is_empty]
    if not_pinned:
        console.say(f"not pinned: {', '.join(not_pinned)}")


@app.command(rich_help_panel=LOOK)
def lint(phase: Phase = None, manifest: ManifestFile = None, as_json: AsJson = False) -> None:
    """Check the manifest, and that workflows name its models; with --phase also that all they need is pinned."""
    path = manifest_path(manifest, None)
    _, models = read(path)
    chosen = of_phase(models, phase)
    elsewhere = {name: absent for name in project.workflow_names() if (absent := _elsewhere(name, models, chosen))}
    here = [name for name in project.workflow_names() if name not in elsewhere]
    faults = [fault for name in here for fault in _unknown(name, models, chosen, phase)]
    if faults:
        raise InputError(faults)
    console = Console(as_json)
    moving = [m.id for m in models.models if isinstance(m.source, Repository) and len(m.source.revision) < 40]
    not_pinned = [model.id for model in chosen.models if not model.runnable and not model.is_empty]
    empty = [model.id for model in chosen.models if model.is_empty]
    shown = project.shown(path.resolve())
    console.data(
        {"manifest": shown, "models": len(chosen.models), "not_pinned": not_pinned, "empty": empty, "moving": moving}
    )
    for name, absent in elsewhere.items():
        console.warn(f"workflow {name} is not for phase {phase}: it needs {', '.join(absent)}")
    for name in moving:
        console.warn(f"{name}: its revision is a branch, which moves; `videogen models pin --again {name}` fixes it")
    for name in not_pinned:
        console.warn(f"{name}: no size and sha256; `videogen models pin {name}` fills them")
    console.say(f"{shown}: {len(chosen.models)} models, no faults")


@app.command(rich_help_panel=LOOK)
def diff(
    phase: Annotated[str, typer.Option("--phase", "-p", help="a, b or c.")] = "a",
    folder: Folder = None,
    speed: Annotated[float, typer.Option(help="Gbit/s between store and worker.", min=0.001)] = 1.0,
    manifest: ManifestFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what a boot would fetch: GB, time at a speed, and what the traffic costs. An empty disk, or --folder."""
    _, every = read(manifest_path(manifest, None))
    models = every.select(phase_name(phase))
    disk = state.on_disk(models, folder) if folder else {}
    wanted = [model for model in models.models if not model.is_empty and disk.get(model.id) not in ("ok", "unproven")]
    size = sum(model.expected_bytes for model in wanted)
    seconds = traffic.seconds(size, speed)
    not_pinned = [model.id for model in wanted if not model.runnable]
    prices = [{"store": p.name, "dollars": str(p.dollars(size)), "source": p.source} for p in traffic.PRICES]
    shown = table("model", "size", "why", numbers=("size",))
    for model in wanted:
        shown.add_row(model.id, _size(model), disk.get(model.id, "missing"))
    document = {
        "phase": phase,
        "bytes": size,
        "exact": all(model.size for model in wanted),
        "gigabit_per_second": speed,
        "seconds": round(seconds, 1),
        "egress": prices,
        "models": [{"id": m.id, "bytes": m.size or m.estimate, "exact": m.size is not None} for m in wanted],
        "not_pinned": not_pinned,
    }
    lines = [
        "",
        f"phase {phase}: a boot fetches {len(wanted)} models, {_total(wanted)}",
        f"at {speed:g} Gbit/s: {duration(seconds)} ({seconds / 60:.1f} minutes)",
        *(f"egress from {p['store']}: ${p['dollars']} a boot ({p['source']})" for p in prices),
    ]
    console = Console(as_json)
    console.data(document, shown, lines)
    if not_pinned:
        console.warn(f"not fetched before `videogen models pin`: {', '.join(not_pinned)}")


@app.command(rich_help_panel=LOOK)
def verify(
    phase: Phase = None,
    stack: StoreStack = None,
    file: OutputsFile = None,
    folder: Folder = None,
    read_all: Annotated[bool, typer.Option("--read", help="Read every byte of the bucket's models as well.")] = False,
    yes: Yes = False,
    manifest: ManifestFile = None,
    as_json: AsJson = False,
) -> None:
    """Prove the models: sizes in the bucket (all bytes with --read), and all bytes of --folder."""
    _, models = read(manifest_path(manifest, stack))
    models = of_phase(models, phase)
    outputs = find_store(stack, file)
    if outputs is None and folder is None:
        raise InputError.of("--stack", "nothing to verify", "name a store (--stack, --outputs), a --folder, or both")
    console = Console(as_json)
    if outputs and read_all and not outputs.store.endpoint:
        dollars = traffic.AWS_S3.dollars(models.size)
        console.say(f"reads {gigabytes(models.size)} from {traffic.AWS_S3.name}: ${dollars}")
        if not yes and not typer.confirm("Go on?", default=False, err=True):
            raise typer.Exit(1)
    with Transfers(console) as bars:

        def tell(name: str, done: int, size: int) -> None:
            bars.tell(name, "read", done, size)

        checks = [*state.verify_bucket(models, client(outputs), read=read_all, progress=tell)] if outputs else []
        checks += [*state.verify_disk(models, folder, progress=tell)] if folder else []
    shown = table("model", "where", "state", "")
    for check in checks:
        shown.add_row(check.model, check.where, check.state, check.detail)
    console.data([vars(check) for check in checks], shown)
    bad = [check for check in checks if check.state != "ok"]
    console.say(f"{len(checks) - len(bad)} of {len(checks)} are right")
    for wrong, verb in (("missing", "mirror"), ("not pinned", "pin")):
        if any(check.state == wrong for check in bad):
            fills = "sync" if all(check.where == "disk" for check in bad if check.state == wrong) else verb
            console.say(f"{wrong}: `videogen models {fills if wrong == 'missing' else verb}` helps")
    if any(check.state == "wrong" and check.where == "bucket" for check in bad):
        console.say("wrong in the bucket: remove the object there, then `videogen models mirror`")
    if bad:
        raise typer.Exit(1)


app.command(rich_help_panel=CHANGE)(models_change.pin)
app.command(rich_help_panel=CHANGE)(models_change.mirror)
app.command(rich_help_panel=CHANGE)(models_change.sync)
app.command(rich_help_panel=CHANGE)(models_change.prune)
app.command("import", rich_help_panel=CHANGE)(models_change.import_folder)


def _elsewhere(name: str, models: Manifest, chosen: Manifest) -> list[str]:
    """The models that a workflow needs and that only other phases have."""
    needed = [slot.model for slot in project.read_workflow(name).definition.models if not slot.optional]
    return [one for one in needed if one in models.names and one not in chosen.names]


def _unknown(name: str, models: Manifest, chosen: Manifest, phase: str | None) -> list[Fault]:
    """What a workflow names that the manifest does not have, or with a phase not ready to run."""
    found: list[Fault] = []
    for index, slot in enumerate(project.read_workflow(name).definition.models):
        address = f"workflows/{name}/workflow.yaml: models/{index}/model"
        if slot.optional and slot.model in models.names and is_missing(slot.model, chosen):
            continue
        aliased = any(slot.model in model.aliases for model in models.models)
        if phase or aliased or slot.model not in models.names:
            try:
                require(chosen, slot.model, address)
            except InputError as error:
                found += error.faults
    return found


def _size(model: Model) -> str:
    if model.size:
        return gigabytes(model.size)
    return f"≈ {gigabytes(model.estimate)}" if model.estimate else "?"


def _total(models: Any) -> str:
    about = "" if all(model.size or model.is_empty for model in models) else "≈ "
    return about + gigabytes(sum(model.expected_bytes for model in models))
