"""Long work on models: a bar a file on a terminal, a line every ten seconds elsewhere."""

import threading
import time
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from videogen.console import Console, gigabytes

_EVERY_SECONDS = 10.0


class Transfers:
    """Shows several files that move or are read at once; may be told from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.err.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console.err,
            disable=not self._live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._telling = threading.Lock()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def tell(self, name: str, what: str, done: int, size: int | None) -> None:
        """`what`: a word such as `fetched`; `size`: nothing where nobody knows it."""
        title = f"{name} {what}"
        with self._telling:
            if title not in self._tasks:
                self._tasks[title] = self._bars.add_task(title, total=size)
                self._said[title] = time.monotonic()
            self._bars.update(self._tasks[title], completed=done)
            if not self._live and time.monotonic() - self._said[title] >= _EVERY_SECONDS:
                self._said[title] = time.monotonic()
                known = f" of {gigabytes(size)}" if size else ""
                self._console.say(f"{title}: {gigabytes(done)}{known} …")
