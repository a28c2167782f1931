"""Finished videos as the bucket knows them: each job's record says who rendered it, its frames and their rate.

What a chain makes on the way is no finished video. Its last one counts with all machines that had a part in it, also
where a post step made it, which no machine is paid for.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from videogen.collect import RECORD, job_prefix
from videogen.errors import Fault, ObjectMissing
from videogen.spending import Video
from videogen.store import Store

_AT_ONCE = 16
_MILLISECOND = Decimal("0.001")


class _Output(BaseModel):
    name: str
    frames: int = 0
    fps: float = 0


class _Worker(BaseModel):
    name: str


class _Need(BaseModel):
    job: str


class _Timings(BaseModel):
    render_seconds: float | None = None


class _Record(BaseModel):
    """The part of a job's record that is about its videos."""

    batch: str
    job: str
    final: bool = True
    post: str = ""
    worker: _Worker
    needs: tuple[_Need, ...] = ()
    timings: _Timings = _Timings()
    outputs: Annotated[tuple[_Output, ...], Field(min_length=1)]

    @property
    def key(self) -> str:
        """Where it lies in the outputs bucket."""
        return job_prefix(self.batch, self.job) + RECORD

    def seconds(self) -> Decimal:
        """Of the job's first video, which is what was asked for; 0 for an image."""
        videos = (one for one in self.outputs if PurePosixPath(one.name).stem == "video" and one.fps)
        first = next(videos, None)
        return (Decimal(first.frames) / Decimal(str(first.fps))).quantize(_MILLISECOND) if first else Decimal(0)


def videos(store: Store, machines: Iterable[str], since: datetime) -> tuple[tuple[Video, ...], tuple[Fault, ...]]:
    """The videos in the bucket in which these machines had a part, and a fault for each record that cannot be read.

    `since`: nothing of theirs was stored before. Raises `StoreError`.
    """
    wanted = set(machines)
    found = store.list(store.outputs, job_prefix("", "").rstrip("/") + "/") if wanted else ()
    keys = [one.key for one in found if one.key.endswith(f"/{RECORD}") and (not one.modified or one.modified >= since)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = list(pool.map(lambda key: _read(store, key), keys))
    records = {one.key: one for one in read if isinstance(one, _Record)}
    made = tuple(
        Video(machine, one.batch, one.job, (one.seconds() * share).quantize(_MILLISECOND))
        for one in list(records.values())
        if one.final
        for machine, share in _shares(one, records, store).items()
        if machine in wanted
    )
    return made, tuple(one for one in read if isinstance(one, Fault))


def _shares(final: _Record, records: dict[str, _Record], store: Store) -> Mapping[str, Decimal]:
    """Machine → its part in a video, of 1: the time for which it rendered that, or what it is made of."""
    parts: dict[str, Decimal] = defaultdict(Decimal)
    for one in _parts(final, records, store):
        if not one.post:
            parts[one.worker.name] += Decimal(str(one.timings.render_seconds or 1))
    whole = sum(parts.values())
    return {machine: part / whole for machine, part in parts.items()}


def _parts(final: _Record, records: dict[str, _Record], store: Store) -> Iterator[_Record]:
    """The record and those of all jobs that it is made of, each once; older ones are read, too."""
    waiting, seen = [final], {final.key}
    while waiting:
        one = waiting.pop()
        yield one
        for need in one.needs:
            key = job_prefix(one.batch, need.job) + RECORD
            if key not in seen:
                seen.add(key)
                found = records.get(key) or _read(store, key)
                if isinstance(found, _Record):
                    records[key] = found
                    waiting.append(found)


def _read(store: Store, key: str) -> _Record | Fault | None:
    try:
        return _Record.model_validate_json(store.get_bytes(store.outputs, key))
    except ObjectMissing:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return Fault(f"{store.outputs}/{key}", f"is no record of a job: {first['msg']}")
