"""Looks after the machine beside the work: samples for the status, and a disk that keeps room for outputs."""

import logging
import time
from pathlib import Path

from videogen.background import every
from videogen.disk import spell_bytes
from videogen.errors import DiskFull
from videogen.sampling import Sampler
from videogen.status_board import StatusBoard

SAMPLE_SECONDS = 5.0

log = logging.getLogger(__name__)


def watch(root: Path, floor_bytes: int, board: StatusBoard) -> None:
    """Takes samples until the worker ends, and fails it below the floor; on a thread, since disks may hang."""
    sampler, began = Sampler(root), time.monotonic()

    def look() -> None:
        try:
            sample = sampler.take(time.monotonic() - began)
        except OSError as error:
            log.warning("no sample: %s", error)
            return
        board.sampled(sample)
        if sample.disk_free < floor_bytes:
            free, floor = spell_bytes(sample.disk_free), spell_bytes(floor_bytes)
            board.fail(DiskFull(f"{root}: {free} free, the floor is {floor}", "take a larger disk, or free space"))

    every(SAMPLE_SECONDS, look, board.stop, "samples", first=0)
