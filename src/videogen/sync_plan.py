"""What must happen so that a disk equals the manifest; decided from what was found and what was proven earlier.

A file counts as right only when its bytes were hashed and the disk says that nobody touched it since.
"""

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from videogen.errors import Fault, InputError
from videogen.manifest import Manifest, Model


@dataclass(frozen=True)
class FoundFile:
    """A file as the disk describes it; a write or a replacement changes one of the four.

    `ctime_ns` cannot be set back, so a writer who restores `mtime_ns` is found too.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True)
class VerifiedFile:
    """A file that was hashed when the disk described it so."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sha256: str

    @classmethod
    def of(cls, found: FoundFile, sha256: str) -> "VerifiedFile":
        """The record of a file that was just hashed."""
        return cls(found.size, found.mtime_ns, found.ctime_ns, found.inode, sha256)

    def is_still(self, found: FoundFile) -> bool:
        """Whether the file was left alone since it was hashed; no clock is asked, so none can be wrong."""
        return self == VerifiedFile.of(found, self.sha256)


@dataclass(frozen=True)
class SyncPlan:
    """Every model of the manifest stands in exactly one of the first five."""

    present: tuple[Model, ...]
    """Proven and untouched: nothing to do."""
    to_verify: tuple[Model, ...]
    """There in the right size, but not proven: to be hashed, and fetched if the hash is wrong."""
    missing: tuple[Model, ...]
    wrong: tuple[Model, ...]
    """Other bytes than the manifest's: to be replaced."""
    unpinned: tuple[Model, ...]
    """No size and hash in the manifest: cannot be proven, so neither fetched nor trusted."""
    foreign: tuple[str, ...]
    """Files that no model names."""
    remove: tuple[str, ...]
    """Those of `foreign` that shall go; none unless that was asked for."""

    @property
    def to_fetch(self) -> tuple[Model, ...]:
        """What must come from the store whatever a verification says."""
        return self.missing + self.wrong


def plan(
    manifest: Manifest,
    found: Mapping[str, FoundFile],
    verified: Mapping[str, VerifiedFile],
    *,
    remove_foreign: bool = False,
) -> SyncPlan:
    """The plan for one disk; keys of both mappings are paths relative to the models folder, as in `Model.file`.

    Raises `InputError` when two models want one file, on a disk that does not tell upper from lower case either.
    """
    _refuse_twins(manifest)
    groups: dict[str, list[Model]] = {name: [] for name in ("present", "to_verify", "missing", "wrong", "unpinned")}
    for model in manifest.models:
        groups[_state(model, found.get(model.file), verified.get(model.file))].append(model)
    foreign = _foreign(found, {model.file for model in manifest.models})
    return SyncPlan(
        **{name: tuple(models) for name, models in groups.items()},
        foreign=foreign,
        remove=foreign if remove_foreign else (),
    )


def _state(model: Model, found: FoundFile | None, verified: VerifiedFile | None) -> str:
    if not model.runnable:
        return "unpinned"
    if found is None:
        return "missing"
    if found.size != model.size:
        return "wrong"
    if verified is None or not verified.is_still(found):
        return "to_verify"
    return "present" if verified.sha256 == model.sha256 else "wrong"


def _foreign(found: Mapping[str, FoundFile], named: Collection[str]) -> tuple[str, ...]:
    """A disk that folds letter case shows a model's own file under another spelling; that one is not foreign."""
    ours = {(_folded(file), found[file].inode) for file in named if file in found}
    return tuple(sorted(file for file in set(found) - set(named) if (_folded(file), found[file].inode) not in ours))


def _refuse_twins(manifest: Manifest) -> None:
    seen: dict[str, str] = {}
    faults = []
    for model in manifest.models:
        first = seen.setdefault(_folded(model.file), model.name)
        if first != model.name:
            faults.append(Fault(f"model {model.name}", f"wants the same file as model {first}: {model.file}"))
    if faults:
        raise InputError(faults)


def _folded(file: str) -> str:
    return unicodedata.normalize("NFC", file).casefold()
