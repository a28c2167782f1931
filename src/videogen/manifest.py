"""The manifest: which model files a worker's disk must hold, byte for byte.

`models_manifest.yaml` is the single source of truth; workflows use a model's `name` and nothing else. Several entries
may share a name: variants, of which each phase has one, and a slot, which goes before them once a user has filled it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from videogen.document import Document, Schema, did_you_mean
from videogen.errors import InputError
from videogen.model import ComfyFolder, Folder, LocalFile, Model, PhaseName, Repository, Slot, Source, Url

__all__ = [
    "ComfyFolder", "Folder", "LocalFile", "Manifest", "Model", "PhaseName", "Repository", "Slot", "Source", "Url",
    "digest", "parse", "require",
]  # fmt: skip


class Manifest(Schema):
    """All models."""

    version: Literal[1] = Field(alias="schema")
    models: tuple[Model, ...]

    def select(self, phase: PhaseName) -> "Manifest":
        """The models of one phase: of each name the filled slot, else the phase's variant.

        An empty slot stays only where there is no official file, so that who needs it is told what is missing.
        """
        here = [model for model in self.models if phase in model.phases]
        filled = {model.name for model in here if model.slot and not model.is_empty}
        chosen = [model for model in here if _wins(model, filled)]
        return self.model_copy(update={"models": tuple(chosen)})

    def as_if_pinned(self) -> "Manifest":
        """With a made-up hash where there is none, to look at jobs that cannot run yet; their ids mean nothing."""
        found = tuple(
            one
            if one.runnable or one.is_empty
            else one.model_copy(update={"size": one.estimate or 1, "sha256": "0" * 64})
            for one in self.models
        )
        return self.model_copy(update={"models": found})

    def named(self, name: str) -> Model:
        """The model of that name, the first of its variants; raises `KeyError`."""
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(name)

    def matching(self, word: str) -> tuple[Model, ...]:
        """The entries of a name, or the one of `name/variant`; none for an unknown word."""
        return tuple(model for model in self.models if word in (model.name, model.id))

    @property
    def names(self) -> tuple[str, ...]:
        """All names, each once, in the file's order."""
        return tuple(dict.fromkeys(model.name for model in self.models))

    @property
    def size(self) -> int:
        """Bytes of all models whose size is known."""
        return sum(model.size or 0 for model in self.models)

    def folders(self) -> dict[str, list[str]]:
        """ComfyUI's folder key → folders under `${ROOT}/models`, for `extra_model_paths.yaml`."""
        found: dict[str, list[str]] = {}
        for model in self.models:
            lines = found.setdefault(model.comfy_folder, [])
            if model.folder not in lines:
                lines.append(model.folder)
        return found


def _wins(model: Model, filled: set[str]) -> bool:
    if model.slot is None:
        return model.name not in filled
    return not model.is_empty or model.slot.empty == "missing"


def parse(text: str, name: str, *, half_filled: bool = False) -> Manifest:
    """The manifest in `text`; raises `InputError` with every fault, also those between entries.

    `half_filled` lets slots through whose pair is not filled yet, for whoever fills one after the other.
    """
    document = Document(text, name)
    manifest = document.load(Manifest)
    rules = (_places, _variants, _slots, _aliases) + (() if half_filled else (_pairs,))
    found = sorted((fault for rule in rules for fault in rule(manifest)), key=lambda fault: document.line(fault[0]))
    if found:
        raise InputError([document.fault(*fault) for fault in found])
    return manifest


def digest(text: str) -> str:
    """Names one revision of a manifest: SHA-256 of its text."""
    return hashlib.sha256(text.encode()).hexdigest()


def require(manifest: Manifest, name: str, address: str) -> Model:
    """The model called `name`, ready to run; raises `InputError` at `address` otherwise.

    An alias is told the canonical name; a model without hash and size, and an empty slot, are told how to get one.
    """
    for model in manifest.models:
        if name in model.aliases:
            raise InputError.of(address, f"`{name}` is an alias", f"write its name: `{model.name}`")
    entries = [model for model in manifest.models if model.name == name]
    if not entries:
        hint = did_you_mean(name, manifest.names) or "`videogen models list` shows which phases have it"
        raise InputError.of(address, f"no model `{name}` in the manifest", hint)
    model = next((model for model in entries if not model.is_empty), entries[0])
    if model.is_empty:
        hint = f"`videogen models pin {model.id} --file YOUR.safetensors` fills it"
        raise InputError.of(address, f"slot `{name}` is empty, and there is no official file for it", hint)
    if not model.runnable:
        raise InputError.of(
            address,
            f"model `{model.id}` has no size and sha256 in the manifest",
            f"`videogen models pin {model.id}` fills them",
        )
    return model


Found = tuple[tuple[str | int, ...], str, str | None]
"""Path of keys, what is wrong, what to do."""


def _places(manifest: Manifest) -> Iterator[Found]:
    """Two entries may not share a target file (in any letter case) or a name in ComfyUI's list."""
    models = manifest.models
    rules: Iterable[tuple[str, list[str]]] = (
        ("file", [model.file.casefold() for model in models]),
        ("comfy_folder", [f"{model.comfy_folder}/{model.comfy_name}" for model in models]),
    )
    for key, values in rules:
        counts = Counter(values)
        for index, value in enumerate(values):
            if counts[value] > 1 and (first := values.index(value)) < index:
                yield ("models", index, key), f"is the same as that of models/{first}: {value}", None


def _variants(manifest: Manifest) -> Iterator[Found]:
    """Entries of one name have a variant each, one folder of ComfyUI, and no phase in common."""
    for index, model in enumerate(manifest.models):
        for first, other in enumerate(manifest.models[:index]):
            if other.name != model.name:
                continue
            if not (model.variant and other.variant):
                message = f"is the same as that of models/{first}: {model.name}"
                yield ("models", index, "name"), message, "entries of one name need a `variant` each"
                break
            if model.variant == other.variant:
                yield ("models", index, "variant"), f"is the same as that of models/{first}: {model.id}", None
            if model.comfy_folder != other.comfy_folder:
                message = f"should be that of models/{first}, which has the same name: {other.comfy_folder}"
                yield ("models", index, "comfy_folder"), message, None
            common = sorted(set(model.phases) & set(other.phases))
            if common and bool(model.slot) == bool(other.slot):
                message = f"models/{first} is {model.name} in phase {', '.join(common)} already"
                yield ("models", index, "phases"), message, "each phase has one variant of a name"


def _slots(manifest: Manifest) -> Iterator[Found]:
    """Only slots are empty, and what they fall back to exists."""
    for index, model in enumerate(manifest.models):
        if model.slot is None:
            if model.is_empty:
                yield ("models", index, "source"), "only a slot can be empty", "add `slot: {empty: missing}`"
            continue
        if model.is_empty and (model.size or model.sha256):
            yield ("models", index, "source"), "an empty slot has no size and no sha256", "say where the file is"
        official = {phase for one in manifest.matching(model.name) if not one.slot for phase in one.phases}
        without = sorted(set(model.phases) - official)
        if model.slot.empty == "official" and without:
            message = f"phase {', '.join(without)} has no official file of the name {model.name}"
            yield ("models", index, "slot", "empty"), message, "write `missing`"
        if model.slot.empty == "missing" and official & set(model.phases):
            yield ("models", index, "slot", "empty"), f"{model.name} has an official file", "write `official`"


def _pairs(manifest: Manifest) -> Iterator[Found]:
    """Slots that belong together are filled together."""
    for index, model in enumerate(manifest.models):
        if model.slot and model.slot.pair:
            pair = next((one for one in manifest.matching(model.slot.pair) if one.slot), None)
            if pair is None:
                yield ("models", index, "slot", "pair"), f"no slot `{model.slot.pair}`", None
            elif pair.is_empty != model.is_empty:
                empty, full = (pair, model) if pair.is_empty else (model, pair)
                message = f"{full.id} is filled and {empty.id} is not; they belong together"
                yield ("models", index, "slot", "pair"), message, f"`videogen models pin {empty.id} --file …`"


def _aliases(manifest: Manifest) -> Iterator[Found]:
    """An alias leads to one name, and is none itself."""
    names, known = set(manifest.names), dict[str, str]()
    for index, model in enumerate(manifest.models):
        for alias in model.aliases:
            if alias in names:
                yield ("models", index, "aliases"), f"`{alias}` is the name of a model", None
            elif known.setdefault(alias, model.name) != model.name:
                yield ("models", index, "aliases"), f"`{alias}` is an alias of {known[alias]} already", None
