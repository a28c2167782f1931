"""How long a worker has lived in all its boots: a container that exits is started again, and must not begin anew.

`cache/leases/<worker>.json` on the worker's root, since several workers may share a volume. The record holds what was
lived until its last moment, and the terms if they were changed. Two clocks count: the wall's, which may be wrong, and
the machine's, which ends with it. Between two moments the longer of the two counts, so whichever clock says first that
the lease is over is believed.
"""

import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from videogen.disk import written
from videogen.document import Schema
from videogen.errors import InputError, Stopped
from videogen.lease import LeaseTerms

MOST_BOOTS = 5
"""A container that was started more often than this in one lease dies of something that no start cures."""


@dataclass(frozen=True)
class Moment:
    """A point of time as a machine knows it: seconds of the wall clock, and since the boot of that name."""

    wall: float
    boot_id: str
    since_boot: float

    @classmethod
    def now(cls) -> "Moment":
        """This one. The clock since the boot goes on while the machine is suspended."""
        clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return cls(time.time(), _boot_id(), time.clock_gettime(clock))


class _Record(Schema):
    worker: str
    started: float
    """By the wall clock, for people."""
    boots: int
    lived: float
    wall: float
    boot_id: str
    since_boot: float
    over: str | None = None
    terms: LeaseTerms | None = None

    def lived_at(self, now: Moment) -> float:
        by_wall = now.wall - self.wall
        by_machine = now.since_boot - self.since_boot if now.boot_id == self.boot_id else 0.0
        return self.lived + max(0.0, by_wall, by_machine)

    def at(self, now: Moment) -> "_Record":
        new = {"lived": self.lived_at(now), "wall": now.wall, "boot_id": now.boot_id, "since_boot": now.since_boot}
        return self.model_copy(update=new)


class WorkerLease:
    """The life of one worker, kept on its disk. May be used from many threads: each write is whole."""

    def __init__(self, path: Path, record: _Record) -> None:
        self._path, self._record = path, record
        self._writing = threading.Lock()

    @classmethod
    def begin(cls, root: Path, worker: str, now: Moment, *, goes_on: bool) -> "WorkerLease":
        """A new life; with `goes_on` the one that an earlier boot has begun, if there is one.

        Raises `Stopped` when that one is over, has been begun too often, or cannot be read: then nothing may start;
        and as `keep` does.
        """
        path = root / "cache" / "leases" / f"{worker}.json"
        found = _read(path) if goes_on else None
        if found is None:
            found = _Record(worker=worker, started=now.wall, boots=0, lived=0, **vars(now))
        if found.over:
            raise Stopped(f"the lease of {worker} is over: {found.over}", "this machine only costs: end it")
        begun = cls(path, found.at(now).model_copy(update={"boots": found.boots + 1}))
        if begun.boots > MOST_BOOTS:
            why = f"started {begun.boots} times in one lease"
            begun.finish(why, now)
            raise Stopped(f"{worker} was {why}", "this machine only costs: end it, and read its log")
        begun.keep(now)
        return begun

    @property
    def boots(self) -> int:
        """How often it was started; 1 at its first boot."""
        return self._record.boots

    @property
    def terms(self) -> LeaseTerms | None:
        """What `renew` granted last, in this boot or an earlier one; nothing: what it was started with holds."""
        return self._record.terms

    def lived(self, now: Moment) -> float:
        """Seconds from its first start to that moment."""
        return self._record.lived_at(now)

    def keep(self, now: Moment) -> None:
        """Writes down how long it lived; raises `DiskFull` and `InputError` where that cannot be."""
        with self._writing:
            self._write(self._record.at(now))

    def renew(self, terms: LeaseTerms, now: Moment) -> None:
        """Other terms hold, in later boots too; raises as `keep` does, and the next `keep` tries it again."""
        with self._writing:
            self._write(self._record.at(now).model_copy(update={"terms": terms}))

    def finish(self, why: str, now: Moment) -> None:
        """It is over for good; raises as `keep` does."""
        with self._writing:
            self._write(self._record.at(now).model_copy(update={"over": why}))

    def _write(self, record: _Record) -> None:
        self._record = record
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with written(self._path) as file:
                file.write(record.model_dump_json(indent=2).encode() + b"\n")
        except OSError as error:
            message = f"how long the worker has lived cannot be written down: {error}"
            raise InputError.of("environment: VIDEOGEN_WORKSPACE", message) from error


def _read(path: Path) -> _Record | None:
    try:
        return _Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        message = f"{path} does not say how long this worker has lived: {error}"
        raise Stopped(message, "this machine only costs: end it") from error


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
