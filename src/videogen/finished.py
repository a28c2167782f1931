"""Finished videos as the bucket knows them: each job's record says who rendered it, its frames and their rate."""

from collections.abc import Iterable
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


class _Record(BaseModel):
    """The part of a job's record that is about its videos."""

    batch: str
    job: str
    worker: _Worker
    outputs: Annotated[tuple[_Output, ...], Field(min_length=1)]

    def seconds(self) -> Decimal:
        """Of the job's first video, which is what was asked for; 0 for an image."""
        videos = (one for one in self.outputs if PurePosixPath(one.name).stem == "video" and one.fps)
        first = next(videos, None)
        return (Decimal(first.frames) / Decimal(str(first.fps))).quantize(_MILLISECOND) if first else Decimal(0)


def videos(store: Store, machines: Iterable[str], since: datetime) -> tuple[tuple[Video, ...], tuple[Fault, ...]]:
    """The videos in the bucket that these machines rendered, and a fault for each record that cannot be read.

    `since`: nothing of theirs was stored before. Raises `StoreError`.
    """
    wanted = set(machines)
    found = store.list(store.outputs, job_prefix("", "").rstrip("/") + "/") if wanted else ()
    keys = [one.key for one in found if one.key.endswith(f"/{RECORD}") and (not one.modified or one.modified >= since)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = list(pool.map(lambda key: _read(store, key), keys))
    records = [one for one in read if isinstance(one, _Record) and one.worker.name in wanted]
    made = tuple(Video(one.worker.name, one.batch, one.job, one.seconds()) for one in records)
    return made, tuple(one for one in read if isinstance(one, Fault))


def _read(store: Store, key: str) -> _Record | Fault | None:
    try:
        return _Record.model_validate_json(store.get_bytes(store.outputs, key))
    except ObjectMissing:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return Fault(f"{store.outputs}/{key}", f"is no record of a job: {first['msg']}")
