"""Small videos whose frames say which they are: each has a grey of its own."""

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]


def numbered(number: int, size: tuple[int, int] = (64, 64), shift: float = 0, contrast: float = 1) -> Picture:
    """The frame of that number: grey 40 + 6n under a soft wave, moved and stretched in brightness."""
    wave = 20 * np.sin(np.linspace(0, 6.28, size[0]))[None, :] * np.ones((size[1], 1))
    grey = (40 + 6 * number + wave) * contrast + shift
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def film(path: Path, pictures: Iterable[Picture], rate: int = 16, pixels: str = "yuv420p") -> Path:
    """A nearly lossless video of those pictures."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.pix_fmt, stream.options = pixels, {"crf": "1", "preset": "ultrafast"}
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def greys(path: Path) -> list[float]:
    """The mean brightness of each frame, 0 to 255."""
    with av.open(path) as container:
        return [float(frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(video=0)]
