"""Files that output nodes write: their names, and videos spoiled on command."""

import os
import re
from collections.abc import Iterator
from pathlib import Path


def numbered(root: Path, prefix: str) -> tuple[Path, str, int]:
    """(directory, stem, next free number) for a `filename_prefix`; the directory exists afterwards.

    Raises `PermissionError` where the prefix leads out of `root`.
    """
    wanted = os.path.normpath(prefix)
    folder = Path(os.path.normpath(root / os.path.dirname(wanted)))
    if folder != root and root not in folder.parents:
        raise PermissionError("Saving image outside the output folder is not allowed.")
    folder.mkdir(parents=True, exist_ok=True)
    stem = os.path.basename(wanted)
    pattern = re.compile(re.escape(stem) + r"_(\d{5,})_")
    taken = (match for entry in os.scandir(folder) if (match := pattern.match(entry.name)))
    return folder, stem, max((int(match[1]) for match in taken), default=0) + 1


def described(root: Path, file: Path, kind: str) -> dict[str, str]:
    """How history names a written file."""
    subfolder = file.parent.relative_to(root).as_posix()
    return {"filename": file.name, "subfolder": "" if subfolder == "." else subfolder, "type": kind}


def spoil(file: Path, how: str) -> None:
    """Make a good mp4 wrong in place: `black` or `frozen` (size, length and rate stay true), or `truncated`."""
    if how == "truncated":
        os.truncate(file, file.stat().st_size // 3)
        return
    import av
    import numpy as np

    wrong = file.with_name(f"{file.stem}.{how}.mp4")
    with av.open(str(file)) as source, av.open(str(wrong), "w", format="mp4") as target:
        given = source.streams.video[0]
        stream = target.add_stream("libx264", rate=given.average_rate, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = given.width, given.height, "yuv420p"

        def frames() -> Iterator[av.VideoFrame]:
            first = None
            for frame in source.decode(given):
                if first is None:
                    pixels = frame.to_ndarray(format="rgb24")
                    first = np.zeros_like(pixels) if how == "black" else pixels
                yield av.VideoFrame.from_ndarray(first, format="rgb24")

        for frame in frames():
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    os.replace(wrong, file)
