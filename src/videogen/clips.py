"""The shape of a batch's own videos, which decides as much as its parameters what its jobs ask of a GPU."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from videogen import media
from videogen.batch import Job
from videogen.planner.work import Clip, Frames

VIDEO = (".mp4", ".webm", ".mkv", ".mov")
"""Endings of files that are videos."""


def clips(jobs: Iterable[Job], files: Mapping[str, Path]) -> dict[str, Clip]:
    """A video's name on a worker → its shape; `files` gives the place of each by its SHA-256.

    Raises `UnreadableMedia`.
    """
    found: dict[str, Clip] = {}
    for file in dict.fromkeys(file for job in jobs for file in job.inputs):
        if file.name.endswith(VIDEO):
            seen = media.probe(files[file.sha256], "video")
            found[file.name] = Clip(Frames(seen.width, seen.height, seen.frames), seen.fps or 16)
    return found
