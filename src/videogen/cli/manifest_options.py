"""Options of the verbs about models: which manifest, which phase, which store, which folder."""

import os
from pathlib import Path
from typing import Annotated, Any, cast

import typer
import yaml

from videogen import manifest, project, stack, store_settings
from videogen.document import did_you_mean
from videogen.errors import InputError
from videogen.manifest import Manifest, Model, PhaseName
from videogen.stack_outputs import StoreOutputs
from videogen.store import Store

StoreStack = Annotated[
    str | None,
    typer.Option("--stack", "-s", help="Pulumi stack whose store is meant.  [default: VIDEOGEN_STORE_… variables]"),
]
ManifestFile = Annotated[
    Path | None, typer.Option("--manifest", "-m", help="The manifest.  [default: the stack's, or models_manifest.yaml]")
]
Phase = Annotated[str | None, typer.Option("--phase", "-p", help="Only the models of a phase: a, b or c.")]
Folder = Annotated[Path | None, typer.Option("--folder", "-f", help="A models folder on this machine.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def manifest_path(file: Path | None, stack_name: str | None) -> Path:
    """The file that was named, else that of the stack's settings, else the checkout's."""
    if file:
        return file
    named = os.environ.get("VIDEOGEN_MANIFEST") or (stack_setting(stack_name, "manifest") if stack_name else None)
    return project.root() / (named or "models_manifest.yaml")


def stack_settings(stack_name: str) -> dict[str, Any]:
    """What the stack's file says, without `videogen:`; nothing without a file. Pulumi is not asked."""
    settings = project.root() / f"Pulumi.{stack_name}.yaml"
    found = yaml.safe_load(project.read(settings)) if settings.is_file() else None
    config = found.get("config") if isinstance(found, dict) else None
    return {str(key).removeprefix("videogen:"): value for key, value in (config or {}).items()}


def stack_setting(stack_name: str, key: str) -> str | None:
    """What the stack's file says for a key, as text."""
    value = stack_settings(stack_name).get(key)
    return str(value) if value is not None else None


def read(path: Path, *, half_filled: bool = False) -> tuple[str, Manifest]:
    """Text and content, with line ends as the file has them; raises `InputError`."""
    project.read(path)
    text = path.read_bytes().decode("utf-8")
    return text, manifest.parse(text, project.shown(path.resolve()), half_filled=half_filled)


def of_phase(models: Manifest, phase: str | None) -> Manifest:
    """The models of a phase, or all."""
    return models.select(phase_name(phase)) if phase else models


def phase_name(phase: str) -> PhaseName:
    """The word, checked."""
    if phase not in ("a", "b", "c"):
        raise InputError.of("--phase", f"{phase!r} is not a phase", "one of: a, b, c")
    return cast("PhaseName", phase)


def entries(models: Manifest, words: list[str], address: str) -> list[Model]:
    """The entries that are named, each as `name` or `name/variant`; raises `InputError` for unknown ones."""
    found: dict[str, Model] = {}
    for word in words:
        matching = models.matching(word)
        if not matching:
            for model in models.models:
                if word in model.aliases:
                    raise InputError.of(address, f"`{word}` is an alias", f"write its name: `{model.name}`")
            known = [*models.names, *(model.id for model in models.models)]
            raise InputError.of(address, f"no model `{word}` in the manifest", did_you_mean(word, known))
        found |= {model.id: model for model in matching}
    return list(found.values())


def find_store(stack_name: str | None, file: Path | None) -> StoreOutputs | None:
    """The store of a stack, of a file with its outputs, or of the environment; nothing where none is named."""
    if stack_name and file:
        raise InputError.of("--stack", "name a stack, or a file with --outputs (one of the two)")
    if stack_name:
        return stack.read_store(stack_name)
    return stack.read_store_file(file) if file else store_settings.from_environment(os.environ)


def need_store(stack_name: str | None, file: Path | None) -> StoreOutputs:
    """The same; raises `InputError` where none is named."""
    found = find_store(stack_name, file)
    if found is None:
        hint = "--stack prod, --outputs FILE.json, or the variables VIDEOGEN_STORE_MODELS, _ENDPOINT, _KEY, _SECRET"
        raise InputError.of("--stack", "which store?", hint)
    return found


def client(outputs: StoreOutputs) -> Store:
    """A client of that store."""
    return Store(outputs.store, outputs.store_access)
