"""A stack's settings: `Pulumi.<stack>.yaml` as one frozen, closed object, or every fault at once with its line.

On stack `dev` (foundation and cloud `local`) variables of the environment go before the file:

    COMFYUI_DIR            a ComfyUI checkout to run instead of the stand-in
    COMFYUI_PYTHON         its interpreter; otherwise .venv/bin/python in that folder
    COMFYUI_CUSTOM_NODES   a folder of custom nodes beside its own
    COMFYUI_ARGUMENTS      further flags for it, as in a shell
    VIDEOGEN_MANIFEST      instead of `manifest`
    VIDEOGEN_WORKFLOWS     instead of `workflows`, separated by commas

Relative paths are seen from the checkout.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from videogen import document, manifest
from videogen.comfyui_source import ComfyuiSource
from videogen.document import Document, Schema, did_you_mean
from videogen.errors import Fault, InputError
from videogen.gpu import Offer
from videogen.lease import LeaseTerms
from videogen.manifest import PhaseName
from videogen.money import Cap, over_cap
from videogen.stack_outputs import Store

PREFIX = "videogen:"


def _none(value: Any) -> Any:
    return None if value == "none" else value


class Settings(Schema):
    """Everything that a stack file says; `none` in the file is `None` here."""

    foundation: Annotated[Literal["local", "aws"] | None, BeforeValidator(_none)]
    """Who keeps models and outputs. local, a store on this machine; aws; none, the foundation of another stack."""
    foundation_stack: Annotated[str | None, BeforeValidator(_none)] = Field(alias="foundationStack")
    """The stack whose foundation is used, where foundation is none."""
    phase: Annotated[PhaseName | None, BeforeValidator(_none)]
    """What the workers are for. a, explore; b, pre-production; c, production; none, a foundation only."""
    cloud: Annotated[Literal["local", "runpod"] | None, BeforeValidator(_none)]
    """Who rents out the workers. local, this machine; runpod; none."""
    gpus: tuple[Offer, ...]
    """GPUs that will do, best first, each with the most that an hour may cost in dollars."""
    places: tuple[str, ...]
    """Data centres that will do, best first; none named, all."""
    workers: Annotated[int, Field(ge=0, le=4)]
    """How many workers, 1 to 4; 0 without a phase."""
    image: Annotated[str | None, BeforeValidator(_none)]
    """What a worker runs, a folder of images/; the local cloud starts its entrypoint as a process.

    none without a phase.
    """
    manifest: str
    """The models, a file of the checkout."""
    workflows: tuple[str, ...]
    """Workflows that each worker must be able to run."""
    volume_gb: Annotated[int, Field(ge=0, alias="volumeGb")]
    """A disk that outlives the worker, in GB; 0, none."""
    container_disk_gb: Annotated[int, Field(ge=0, alias="containerDiskGb")]
    """The disk that goes with the worker, in GB."""
    lease: Annotated[LeaseTerms | None, BeforeValidator(_none)]
    """Minutes that a worker may live (total), be without work (idle), take to get ready (boot)."""
    cap: Cap
    """The most that may be spent, in dollars, in a run and in a month."""
    store: Store
    """The S3 store (endpoint, region, addressing) and its buckets of models and of outputs."""


@dataclass(frozen=True)
class StackSettings:
    """A stack's settings and what they name."""

    stack: str
    settings: Settings
    comfyui: ComfyuiSource
    manifest_digest: str


class StackFile(Document):
    """The configuration that Pulumi hands over, with the lines of the stack file for addresses.

    The values are Pulumi's own (`--config` goes before the file); a key that is not in the file has no line.
    """

    def __init__(self, text: str, name: str, config: Mapping[str, str]) -> None:
        super().__init__(text, name)
        self.data = {key.removeprefix(PREFIX): _value(text) for key, text in config.items() if key.startswith(PREFIX)}

    def address(self, path: document.Path) -> str:
        """`Pulumi.dev.yaml:12: videogen:gpus/0/gpu`."""
        if not path:
            return self.name
        key = f"{PREFIX}{path[0]}"
        where = f"{self.name}:{self.line(path)}" if self.line(path) > 1 else self.name
        return f"{where}: {document.spell((key, *path[1:]))}"

    def line(self, path: document.Path) -> int:
        """The line in the stack file."""
        return super().line(("config", f"{PREFIX}{path[0]}", *path[1:])) if path else 1


def _value(text: str) -> Any:
    """A configuration value: Pulumi hands numbers over as text, lists and mappings as JSON, which is YAML too."""
    try:
        return yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        return text


def read(stack: str, root: Path, config: Mapping[str, str], environment: Mapping[str, str]) -> StackSettings:
    """The settings of a stack of the checkout `root`; raises `InputError` with every fault."""
    path = root / f"Pulumi.{stack}.yaml"
    file = StackFile(path.read_text(encoding="utf-8") if path.is_file() else "", path.name, config)
    settings = parse(file)
    local = settings.cloud == "local"
    manifest_file, addressed = settings.manifest, file.address(("manifest",))
    workflows, workflows_at = settings.workflows, file.address(("workflows",))
    comfyui = ComfyuiSource()
    if local:
        if named := environment.get("VIDEOGEN_MANIFEST"):
            manifest_file, addressed = named, "environment: VIDEOGEN_MANIFEST"
        if listed := environment.get("VIDEOGEN_WORKFLOWS"):
            workflows, workflows_at = tuple(listed.split(",")), "environment: VIDEOGEN_WORKFLOWS"
        comfyui = ComfyuiSource(
            folder=_absolute(environment.get("COMFYUI_DIR"), root),
            python=_absolute(environment.get("COMFYUI_PYTHON"), root),
            customNodes=_absolute(environment.get("COMFYUI_CUSTOM_NODES"), root),
            arguments=environment.get("COMFYUI_ARGUMENTS", ""),
        )
    faults = [*_unknown_workflows(workflows, workflows_at, root), *_missing_paths(comfyui)]
    if settings.image and not (root / "images" / settings.image).is_dir():
        known = [path.name for path in (root / "images").iterdir()]
        faults.append(file.fault(("image",), f"no folder images/{settings.image}", did_you_mean(settings.image, known)))
    text = ""
    try:
        text = (root / manifest_file).read_text(encoding="utf-8")
    except OSError as error:
        near = did_you_mean(manifest_file, (found.name for found in root.glob("models_manifest*.yaml")))
        faults.append(Fault(addressed, f"{manifest_file} cannot be read: {error.strerror}", near))
    else:
        try:
            manifest.parse(text, manifest_file)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return StackSettings(
        stack,
        settings.model_copy(update={"workflows": workflows, "manifest": manifest_file}),
        comfyui,
        manifest.digest(text),
    )


def parse(file: StackFile) -> Settings:
    """The settings in a stack file, checked as far as values can be; raises `InputError` with every fault."""
    try:
        settings = Settings.model_validate(file.data)
    except ValidationError as error:
        raise InputError(document.faults(error, Settings, file)) from None
    if found := list(_impossible(settings, file)):
        raise InputError(sorted(found))
    return settings


def _impossible(settings: Settings, file: StackFile) -> Iterator[Fault]:
    """Combinations that no stack can be."""
    at = file.fault
    if settings.foundation is None and settings.foundation_stack is None:
        hint = "name the stack whose foundation is used, such as `prod`"
        yield at(("foundationStack",), "is required where foundation is none", hint)
    if settings.store.models == settings.store.outputs:
        yield at(("store", "outputs"), f"should differ from models: both are {settings.store.outputs}")
    if settings.foundation is not None and settings.foundation_stack is not None:
        yield at(("foundationStack",), f"should be none: this stack has its own foundation, {settings.foundation}")
    if settings.phase is None:
        yield from _without_phase(settings, file)
        return
    if settings.cloud is None:
        yield at(("cloud",), f"is required for phase {settings.phase}", "one of: local, runpod")
    if settings.workers == 0:
        yield at(("workers",), "should be 1 to 4, got 0")
    if settings.image is None:
        yield at(("image",), f"is required for phase {settings.phase}")
    if not settings.workflows:
        yield at(("workflows",), f"needs at least one for phase {settings.phase}")
    if settings.cloud == "local" and settings.gpus:
        yield at(("gpus",), "should be []: the local cloud has nothing to choose from")
    if settings.cloud == "local" and settings.foundation != "local":
        yield at(("foundation",), "should be local, as the cloud is")
    if settings.cloud == "runpod" and not settings.gpus:
        yield at(("gpus",), "needs at least one")
    if settings.cloud == "runpod" and settings.foundation == "local":
        yield at(("foundation",), "rented workers cannot reach a store on this machine", "one of: aws, none")
    if settings.lease is None:
        yield at(("lease",), f"is required for phase {settings.phase}")
        return
    for part in ("idle", "boot"):
        if getattr(settings.lease, part) > settings.lease.total:
            yield at(("lease", part), f"is longer than the whole lease of {settings.lease.total:g} minutes")
    dearest = max((offer.dollars_per_hour for offer in settings.gpus), default=None)
    if dearest is not None:
        reason = over_cap(settings.cap, settings.workers, dearest, settings.lease.total)
        if reason:
            yield at(("cap",), reason, "fewer workers, a shorter lease, or a higher cap")


def _without_phase(settings: Settings, file: StackFile) -> Iterator[Fault]:
    wanted = {"cloud": None, "gpus": (), "workers": 0, "image": None, "workflows": (), "lease": None}
    for name, value in wanted.items():
        if getattr(settings, name) != value:
            word = "none" if value is None else "[]" if value == () else value
            yield file.fault((name,), f"should be {word} where phase is none")
    if settings.foundation is None:
        yield file.fault(("phase",), "the stack declares nothing: neither a foundation nor a phase")


def _absolute(path: str | None, root: Path) -> str:
    """A path of the environment, seen from the checkout; links stay links, as an interpreter's must."""
    return str((root / Path(path).expanduser()).absolute()) if path else ""


def _unknown_workflows(workflows: tuple[str, ...], address: str, root: Path) -> Iterator[Fault]:
    known = [path.parent.name for path in (root / "workflows").glob("*/workflow.yaml")]
    for name in workflows:
        if name not in known:
            yield Fault(address, f"no workflow `{name}`", did_you_mean(name, known))


def _missing_paths(comfyui: ComfyuiSource) -> Iterator[Fault]:
    if comfyui.folder and not (Path(comfyui.folder) / "main.py").is_file():
        yield Fault("environment: COMFYUI_DIR", f"{comfyui.folder} is no ComfyUI checkout: it has no main.py")
    if comfyui.python and not Path(comfyui.python).is_file():
        yield Fault("environment: COMFYUI_PYTHON", f"{comfyui.python} does not exist")
    if comfyui.custom_nodes and not Path(comfyui.custom_nodes).is_dir():
        yield Fault("environment: COMFYUI_CUSTOM_NODES", f"{comfyui.custom_nodes} is no folder")
    for name in ("python", "custom_nodes", "arguments"):
        if getattr(comfyui, name) and not comfyui.folder:
            yield Fault(f"environment: COMFYUI_{name.upper()}", "says nothing without COMFYUI_DIR")


def spell(error: InputError) -> str:
    """All faults for the engine to show, counted when there are several."""
    count = len(error.faults)
    return "\n".join([*map(str, error.faults), *([f"{count} errors"] if count > 1 else [])])


def require_possible(stack: StackSettings) -> None:
    """Raises `InputError` for a stack that is well written and needs what this version cannot make."""
    wanted = stack.settings
    missing = []
    if wanted.foundation is None:
        missing.append(f"the foundation of stack {wanted.foundation_stack}")
    elif wanted.foundation != "local":
        missing.append(f"a foundation on {wanted.foundation}")
    if wanted.cloud not in (None, "local"):
        missing.append(f"workers on {wanted.cloud}")
    if missing:
        raise InputError.of(
            f"Pulumi.{stack.stack}.yaml",
            f"this version cannot make {' or '.join(missing)} yet",
            "stack dev has everything on this machine: pulumi up --stack dev",
        )
