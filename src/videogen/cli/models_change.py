"""The verbs of `videogen models` that change something: the manifest, the bucket, a folder."""

import os
from pathlib import Path
from typing import Annotated

import typer

from videogen import manifest as manifests
from videogen import mirror as mirrors
from videogen import project
from videogen import sync as syncs
from videogen.cli.manifest_options import (
    ManifestFile,
    Phase,
    StoreStack,
    Yes,
    client,
    entries,
    manifest_path,
    need_store,
    of_phase,
    read,
)  # fmt: skip
from videogen.cli.options import AsJson, OutputsFile
from videogen.cli.transfers import Transfers
from videogen.console import Console, duration, gigabytes, table
from videogen.disk import spell_bytes, written
from videogen.errors import InputError, OriginError
from videogen.manifest import Model, Repository, Url
from videogen.models import adopt, state
from videogen.models import pin as pins
from videogen.models import prune as pruning
from videogen.models_edit import append, change
from videogen.origin import Origins
from videogen.store import manifest_key

Work = Annotated[
    Path | None, typer.Option("--work", help="Folder for downloads under way.  [default: .videogen/mirror]")
]


def pin(
    models: Annotated[list[str] | None, typer.Argument(help="NAME or NAME/VARIANT.  [default: all not pinned]")] = None,
    phase: Phase = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Take this file; an empty slot is filled with it.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Take the file at this address; fills a slot.")] = None,
    stated: Annotated[
        bool, typer.Option("--stated", help="Believe what the hub states, read nothing; `mirror` proves it.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Pin anew what is pinned already.")] = False,
    work: Work = None,
    manifest: ManifestFile = None,
    as_json: AsJson = False,
) -> None:
    """Fill in size and hash of models, from their origin or from a file; comments in the manifest stay."""
    path = manifest_path(manifest, None)
    text, known = read(path, half_filled=True)
    named = entries(known, models, "models") if models else [*of_phase(known, phase).models]
    chosen = _to_pin(named, file, url, again=again, by_name=bool(models))
    console = Console(as_json)
    origins = Origins(os.environ)
    done: list[dict[str, object]] = []
    failed = False
    with Transfers(console) as bars:
        for model in chosen:
            try:
                found = _pin_one(model, path, file, url, origins, _work(work), bars, stated=stated)
            except OriginError as error:
                if len(chosen) == 1:
                    raise
                console.warn(f"{model.id}: {error.message}" + (f"; {error.hint}" if error.hint else ""))
                failed = True
                continue
            text, models_now = read(path, half_filled=True)  # somebody may have edited it while a large file came
            index = [one.id for one in models_now.models].index(model.id)
            new = change(text, index, found.changes())
            manifests.parse(new, project.shown(path.resolve()), half_filled=True)
            _write(path, new)
            console.say(f"{model.id}: {gigabytes(found.size)}, sha256 {found.sha256[:16]}…")
            done.append({"id": model.id, "size": found.size, "sha256": found.sha256})
    console.data({"manifest": project.shown(path.resolve()), "pinned": done})
    console.say(f"pinned {len(done)} models" if done else "nothing to pin")
    _say_half_filled(path, console)
    if failed:
        raise typer.Exit(1)


def mirror(
    models: Annotated[
        list[str] | None, typer.Argument(help="NAME or NAME/VARIANT.  [default: all of any phase]")
    ] = None,
    phase: Phase = None,
    stack: StoreStack = None,
    file: OutputsFile = None,
    at_once: Annotated[int, typer.Option("--at-once", help="Files at once.", min=1, max=16)] = 3,
    work: Work = None,
    manifest: ManifestFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring models from their origins into the bucket, proven on the way; what was stopped goes on."""
    path = manifest_path(manifest, stack)
    text, known = read(path)
    wanted = entries(known, models, "models") if models else [*of_phase(known, phase).models]
    wanted = [model for model in wanted if model.phases or models]
    outputs = need_store(stack, file)
    console = Console(as_json)
    store = client(outputs)
    store.ensure_buckets()
    with Transfers(console) as bars:
        report = mirrors.mirror(
            text,
            known.model_copy(update={"models": tuple(wanted)}),
            store,
            path.resolve().parent,
            origins=Origins(os.environ),
            work=_work(work),
            progress=bars.tell,
            at_once=at_once,
        )
    console.data({**vars(report), "manifest": manifests.digest(text)})
    for name, reason in report.absent.items():
        console.warn(f"{name} is not in the store: {reason}")
    console.say(f"stored {len(report.stored)}, there already {len(report.already_there)}, absent {len(report.absent)}")
    if report.absent:
        raise typer.Exit(1)


def sync(
    folder: Annotated[Path, typer.Option("--folder", "-f", help="The models folder.")],
    phase: Phase = None,
    stack: StoreStack = None,
    file: OutputsFile = None,
    remove_foreign: Annotated[
        bool, typer.Option("--remove-foreign", help="Delete files that no model names; lists them and asks.")
    ] = False,
    yes: Yes = False,
    floor: Annotated[float, typer.Option(help="Give up when less than so many MB/s come.", min=0)] = 0,
    minutes: Annotated[float, typer.Option(help="Give up after so long.", min=0.01)] = 120,
    manifest: ManifestFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a folder hold the models, from the bucket, proven; what was stopped goes on."""
    _, known = read(manifest_path(manifest, stack))
    wanted = of_phase(known, phase)
    wanted = wanted.model_copy(update={"models": tuple(m for m in wanted.models if m.phases and not m.is_empty)})
    outputs = need_store(stack, file)
    console = Console(as_json)
    if remove_foreign and (strange := state.foreign(wanted, folder)):
        for name in strange:
            console.say(f"foreign: {name}")
        if not yes and not _agreed(f"Delete these {len(strange)} files?"):
            raise typer.Exit(1)
    with Transfers(console) as bars:

        def tell(step: syncs.SyncProgress) -> None:
            bars.tell("models", "fetched", step.done_bytes, step.total_bytes)

        report = syncs.sync(
            wanted,
            folder.resolve(),
            client(outputs),
            progress=tell,
            deadline_seconds=minutes * 60,
            remove_foreign=remove_foreign,
            floor_bytes_per_second=floor * 1e6,
        )
    console.data(vars(report))
    for name in report.unpinned:
        console.warn(f"{name} was left out: no size and sha256; `videogen models pin {name}` fills them")
    for name in report.foreign:
        console.say(f"foreign, {'removed' if name in report.removed else 'left alone'}: {name}")
    proven = len(report.present) + len(report.verified)
    console.say(
        f"fetched {len(report.fetched)} models ({spell_bytes(report.fetched_bytes)}), {proven} were there; "
        f"{duration(report.seconds)}"
    )


def prune(
    stack: StoreStack = None,
    file: OutputsFile = None,
    commits: Annotated[str, typer.Option("--range", help="Commits whose manifests keep their models.")] = "HEAD",
    yes: Yes = False,
    manifest: ManifestFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete models from the bucket that no manifest revision of a range of commits names; lists them first.

    With --json it asks nothing, and deletes only with --yes.
    """
    outputs = need_store(stack, file)
    store = client(outputs)
    texts = [*pruning.revisions(project.root(), commits)]
    if manifest:
        texts.append(read(manifest)[0])
    if outputs.manifest:  # what the stack's workers hold, wherever it came from
        texts.append(store.get_bytes(store.models, manifest_key(outputs.manifest)).decode())
    found = pruning.surplus(store, texts)
    console = Console(as_json)
    shown = table("object", "size", numbers=("size",))
    for stored in found.objects:
        shown.add_row(stored.key, gigabytes(stored.size))
    if found.objects and not as_json:
        console.data(None, shown)
    objects = [{"key": stored.key, "bytes": stored.size} for stored in found.objects]
    said = f"{len(objects)} objects, {gigabytes(found.size)}, named by none of {found.revisions} manifest revisions"
    console.say(said if objects else f"nothing to delete: {said}")
    sure = bool(objects) and (yes or (not as_json and _agreed(f"Delete them from {store.models}?")))
    for stored in found.objects if sure else ():
        store.delete(stored.bucket, stored.key)
    if as_json:
        console.data({"objects": objects, "deleted": sure})
    if objects:
        console.say(f"deleted {gigabytes(found.size)}" if sure else "nothing was deleted")


def import_folder(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A ComfyUI's models folder.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
    manifest: ManifestFile = None,
    as_json: AsJson = False,
) -> None:
    """Write an entry for each weights file of a ComfyUI models folder that the manifest does not know yet."""
    path = manifest_path(manifest, None)
    _, known = read(path, half_filled=True)
    console = Console(as_json)
    with Transfers(console) as bars:
        found = adopt.adopt(folder, known, lambda name, done, size: bars.tell(name, "read", done, size))
    if found.entries and not dry_run:
        text, _ = read(path, half_filled=True)
        new = append(text, found.entries)
        manifests.parse(new, project.shown(path.resolve()), half_filled=True)
        _write(path, new)
    shown = table("file", "entry")
    for entry in found.entries:
        shown.add_row(str(entry["file"]), str(entry["name"]))
    for name, entry_id in found.known.items():
        shown.add_row(name, f"is {entry_id} already")
    for name, reason in found.left_out.items():
        shown.add_row(name, f"left out: {reason}")
    console.data(
        {"entries": found.entries, "known": found.known, "left_out": found.left_out, "written": not dry_run}, shown
    )
    console.say(
        f"{len(found.entries)} entries {'would be ' if dry_run else ''}written to {project.shown(path.resolve())}"
    )
    if found.entries and not dry_run:
        console.say("say in each what it does, its licence, and the phases whose workers shall hold it")


def _to_pin(named: list[Model], file: Path | None, url: str | None, *, again: bool, by_name: bool) -> list[Model]:
    """The entries that need it; raises `InputError` where the options do not fit them."""
    if file and url:
        raise InputError.of("--file", "name a file or an address, not both")
    if file or url:
        if len(named) != 1 or not by_name:
            known = ", ".join(model.id for model in named) if by_name else "none named"
            raise InputError.of("models", f"a file is for one entry ({known})", "name it as NAME/VARIANT")
        if url and not named[0].slot and not again:
            raise InputError.of(
                "--url", f"{named[0].id} is no slot, its source is in the manifest", "--again changes it"
            )
        if named[0].runnable and not again:
            raise InputError.of("models", f"{named[0].id} is pinned already", "--again pins it anew")
        return named
    chosen = [model for model in named if not model.is_empty and (again or not model.runnable)]
    if by_name and not chosen:
        if empty := [model.id for model in named if model.is_empty and len(named) == 1]:
            hint = f"`videogen models pin {empty[0]} --file YOUR.safetensors`, or --url https://…"
            raise InputError.of("models", f"slot {empty[0]} is empty", hint)
        listed = ", ".join(model.id for model in named if not model.is_empty)
        raise InputError.of("models", f"pinned already: {listed}", "--again pins anew")
    if again and not by_name:
        raise InputError.of("--again", "wants the names of what to pin anew")
    return chosen


def _pin_one(
    model: Model, path: Path, file: Path | None, url: str | None, origins: Origins, work: Path, bars: Transfers,
    *, stated: bool,
) -> pins.Pin:  # fmt: skip
    def tell(name: str, done: int, size: int | None) -> None:
        bars.tell(name, "read", done, size)

    if file:
        # a slot takes the file as its source; elsewhere the file only proves what the source has
        return pins.of_file(model, file, str(file.resolve()) if model.slot else None, tell)
    source = _url(url) if url else model.source
    match source:
        case Repository() | Url():
            found = (
                pins.of_statement(model, source, origins)
                if stated
                else pins.of_origin(model, source, origins, work, tell)
            )
        case manifests.LocalFile(local=local):
            return pins.of_file(model, path.resolve().parent / local, None, tell)
        case _:
            hint = f"`videogen models pin {model.id} --file YOUR.safetensors`"
            raise InputError.of("models", f"{model.id} has no origin to read: {source}", hint)
    return found


def _url(url: str) -> Url:
    try:
        return Url(url=url)
    except ValueError:
        raise InputError.of("--url", f"should be an https address, got {url!r}") from None


def _agreed(question: str) -> bool:
    """What a person says; without one, no."""
    return typer.confirm(question, default=False, err=True)


def _say_half_filled(path: Path, console: Console) -> None:
    try:
        read(path)
    except InputError as error:
        for fault in error.faults:
            console.warn(str(fault))


def _write(path: Path, text: str) -> None:
    with written(path.resolve()) as file:
        file.write(text.encode())


def _work(folder: Path | None) -> Path:
    return folder or project.state("mirror")
