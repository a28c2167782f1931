"""A stack's settings: `Pulumi.<stack>.yaml` as one frozen, closed object, or every fault at once with its line.

On stack `dev` (foundation and cloud `local`) variables of the environment go before the file:

    COMFYUI_DIR            a ComfyUI checkout to run instead of the stand-in
    COMFYUI_PYTHON         its interpreter; otherwise .venv/bin/python in that folder
    COMFYUI_CUSTOM_NODES   a folder of custom nodes beside its own
    COMFYUI_ARGUMENTS      further flags for it, as in a shell
    VIDEOGEN_MANIFEST      instead of `manifest`
    VIDEOGEN_WORKFLOWS     instead of `workflows`, separated by commas

Relative paths are seen from the checkout.

On every stack, from `videogen run`, which lowers what the file says and raises nothing:

    VIDEOGEN_RUN_CAP       dollars that the run may cost
    VIDEOGEN_RUN_MINUTES   the longest lease
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from infra.combinations import impossible
from infra.settings import Settings, StackSettings
from infra.stack_file import StackFile
from videogen import document, manifest
from videogen.comfyui_source import ComfyuiSource
from videogen.document import did_you_mean
from videogen.errors import Fault, InputError
from videogen.lease import LeaseTerms


def read(stack: str, root: Path, config: Mapping[str, str], environment: Mapping[str, str]) -> StackSettings:
    """The settings of a stack of the checkout `root`; raises `InputError` with every fault."""
    path = root / f"Pulumi.{stack}.yaml"
    file = StackFile(path.read_text(encoding="utf-8") if path.is_file() else "", path.name, config)
    settings = _lowered(parse(file), environment)
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
    if local and settings.image and not (root / "images" / settings.image).is_dir():
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
    if found := list(impossible(settings, file)):
        raise InputError(sorted(found))
    return settings


def _lowered(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """The settings with what the environment says of this run."""
    cap, minutes = (_number(environment, f"VIDEOGEN_RUN_{name}") for name in ("CAP", "MINUTES"))
    update: dict[str, object] = {}
    if cap is not None:
        update["cap"] = settings.cap.model_copy(update={"run": min(cap, settings.cap.run)})
    if minutes is not None and settings.lease:
        terms = {name: min(float(minutes), value) for name, value in settings.lease}
        update["lease"] = LeaseTerms.model_validate(terms)
    return settings.model_copy(update=update)


def _number(environment: Mapping[str, str], name: str) -> Decimal | None:
    said = environment.get(name)
    if not said:
        return None
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", said) or not Decimal(said):
        raise InputError.of(f"environment: {name}", f"should be a number above 0, got {said}")
    return Decimal(said)


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


def require_possible(stack: StackSettings, environment: Mapping[str, str]) -> None:
    """Raises `InputError` for a stack that is well written and lacks what only its user can bring."""
    missing = []
    if stack.settings.cloud == "runpod" and stack.settings.image is None:
        hint = "`make publish IMAGE=ghcr.io/YOU/video-gen-worker` builds it, pushes it, and writes it into each phase"
        missing.append(
            Fault(f"Pulumi.{stack.stack}.yaml: videogen:image", "none: a rented worker needs an image", hint)
        )
    runpod = stack.settings.cloud == "runpod" or stack.settings.runpod_lasting is not None
    if runpod and not environment.get("RUNPOD_API_KEY"):
        hint = "console.runpod.io, Settings, API Keys; then `export RUNPOD_API_KEY=…`"
        missing.append(Fault("environment: RUNPOD_API_KEY", "is missing: nothing can be rented on runpod", hint))
    if missing:
        raise InputError(missing)
