"""What must happen so that a disk equals the manifest; decided from what was found and what was proven earlier.

A file counts as right only when its bytes were hashed and the disk says that nobody touched it since.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from videogen.manifest import Manifest, Model


@dataclass(frozen=True)
class FoundFile:
    """A file as the disk describes it; a write or a replacement changes one of the three."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class VerifiedFile:
    """A file that was hashed when the disk described it so."""

    size: int
    mtime_ns: int
    inode: int
    sha256: str

    @classmethod
    def of(cls, found: FoundFile, sha256: str) -> "VerifiedFile":
        """The record of a file that was just hashed."""
        return cls(found.size, found.mtime_ns, found.inode, sha256)

    def is_still(self, found: FoundFile) -> bool:
        """Whether the file was left alone since it was hashed."""
        return (self.size, self.mtime_ns, self.inode) == (found.size, found.mtime_ns, found.inode)


@dataclass(frozen=True)
class SyncPlan:
    """Every model of the manifest stands in exactly one of the first five."""

    present: tuple[Model, ...]
    """Proven and untouched: nothing to do."""
    to_verify: tuple[Model, ...]
    """Of the right size; hash decides."""
    missing: tuple[Model, ...]
    wrong: tuple[Model, ...]
    """There, but certainly with other bytes: to be replaced."""
    unpinned: tuple[Model, ...]
    """No size and hash in the manifest: cannot be proven, so neither fetched nor trusted."""
    foreign: tuple[str, ...]
    """Files that no model names; reported and left alone."""

    @property
    def to_fetch(self) -> tuple[Model, ...]:
        """What must come from the store whatever a verification says."""
        return self.missing + self.wrong


def plan(manifest: Manifest, found: Mapping[str, FoundFile], verified: Mapping[str, VerifiedFile]) -> SyncPlan:
    """The plan for one disk; keys of both mappings are paths relative to the models folder, as in `Model.file`."""
    groups: dict[str, list[Model]] = {name: [] for name in ("present", "to_verify", "missing", "wrong", "unpinned")}
    for model in manifest.models:
        groups[_state(model, found.get(model.file), verified.get(model.file))].append(model)
    foreign = sorted(set(found) - {model.file for model in manifest.models})
    return SyncPlan(**{name: tuple(models) for name, models in groups.items()}, foreign=tuple(foreign))


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
