"""Where a worker's files go: on a persistent volume, on the container's own disk, or on both."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from videogen.manifest import Model

RESERVE = 1 << 30
"""Bytes that models leave free on a volume for outputs, proofs and caches; a tenth of what is free if that is less."""

Volume = Literal["none", "writable", "read-only"]


@dataclass(frozen=True)
class DiskLayout:
    """Folders of one worker."""

    root: Path
    """`ROOT`: models, outputs and cache lie here."""
    overflow: Path | None
    """On the container's disk: takes the models for which a small volume has no room; linked from the models folder."""
    shared: Path | None
    """The models folder of a volume that cannot be written: what it holds is linked, what it lacks is fetched."""


def layout(workspace: Path, volume: Volume) -> DiskLayout:
    """The folders, by what is mounted at `<workspace>/data`."""
    data = workspace / "data"
    match volume:
        case "none":
            return DiskLayout(workspace, None, None)
        case "writable":
            return DiskLayout(data, workspace / "large-models", None)
        case "read-only":
            return DiskLayout(workspace, None, data / "models")


def overflowing(to_fetch: Iterable[Model], free: int) -> frozenset[str]:
    """Of the models to fetch, the files that `free` bytes of a volume do not hold; the small ones stay on it."""
    left = free - min(RESERVE, free // 10)
    away = set()
    for model in sorted(to_fetch, key=lambda model: (model.size or 0, model.file)):
        left -= model.size or 0
        if left < 0:
            away.add(model.file)
    return frozenset(away)
