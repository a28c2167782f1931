"""Rendered scenes, kept while their prompts are near: what ComfyUI holds as latents, held here as files.

So the same scene is never drawn twice in a row, and a changed file name costs a copy, as with the real one.
"""

from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from videogen.standin.render import Scene

KEPT = 8
"""Scenes on disk at most."""

Progress = Callable[[int, int], None]


class Renders:
    """Scenes drawn so far, under the server's temp directory; `drawn` counts every call of the renderer."""

    def __init__(self, folder: Path) -> None:
        self.drawn = 0
        self._folder = folder
        self._files: OrderedDict[Hashable, Path] = OrderedDict()

    def file(self, scene: Scene, progress: Progress, metadata: Mapping[str, str], instant: bool) -> Path:
        """The scene as an mp4. Slow when it is new: call it in a thread. `progress` may raise to stop it.

        `instant` answers with any earlier scene of that size, length and rate.
        """
        from videogen.standin.render import render

        shape = (scene.width, scene.height, scene.length, scene.fps)
        files = (scene.image, scene.motion, scene.before)
        key: Hashable = shape if instant else (scene, *map(_content, files))
        if key in self._files:
            self._files.move_to_end(key)
            progress(scene.length, scene.length)
            return self._files[key]
        return self.kept(key, lambda target: render(scene, target, progress, metadata))

    def kept(self, key: Hashable, write: Callable[[Path], None]) -> Path:
        """The file that `write` makes, kept under `key`. Slow: call it in a thread."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.drawn += 1
        target = self._folder / f"{self.drawn:06}.mp4"
        try:
            write(target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        self._files[key] = target
        while len(self._files) > KEPT:
            self._files.popitem(last=False)[1].unlink(missing_ok=True)
        return target

    def forget(self) -> None:
        """Free the disk."""
        self._files.clear()
        shutil.rmtree(self._folder, ignore_errors=True)


def _content(file: Path | None) -> Hashable:
    if file is None:
        return None
    state = file.stat()
    return state.st_mtime_ns, state.st_size
