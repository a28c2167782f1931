"""What a sync says while it runs, for machines: one object an event, one JSON line an object."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Planned:
    """What was found, by model name; bytes are those to hash or to fetch."""

    present: tuple[str, ...]
    to_verify: tuple[str, ...]
    missing: tuple[str, ...]
    wrong: tuple[str, ...]
    unpinned: tuple[str, ...]
    foreign: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class Removed:
    """A foreign file that was removed, as asked."""

    file: str


@dataclass(frozen=True)
class Verified:
    """A file that lay there was hashed; `right` says whether it is the manifest's."""

    model: str
    file: str
    bytes: int
    right: bool


@dataclass(frozen=True)
class Fetched:
    """A file came from the store, was proven and has its name."""

    model: str
    file: str
    bytes: int
    seconds: float
    """Since its first byte was asked for."""
    overflow: bool
    """It lies on the container's disk, and a link in the models folder."""


@dataclass(frozen=True)
class Again:
    """A file is fetched from its beginning once more."""

    model: str
    why: str


@dataclass(frozen=True)
class Unranged:
    """The store ignores ranges: from now on each file comes in one answer, from front to back; what is there stays."""

    model: str
    why: str


@dataclass(frozen=True)
class Moved:
    """How far it is; at most ten a second."""

    file: str
    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    eta_seconds: float | None


@dataclass(frozen=True)
class Ended:
    """The disk equals the manifest."""

    fetched_bytes: int
    seconds: float


@dataclass(frozen=True)
class Failed:
    """It does not; what arrived is kept for the next sync."""

    error: str
    message: str
    hint: str | None


SyncEvent = Planned | Removed | Verified | Fetched | Again | Unranged | Moved | Ended | Failed


def line(event: SyncEvent) -> str:
    """The event as one line of JSON without its end; `event` is the kind's name in lower case."""
    return json.dumps({"event": type(event).__name__.lower(), **asdict(event)}, ensure_ascii=False)
