"""Long work on models: a bar a file on a terminal, a line at its begin and end elsewhere."""

import threading
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
                if not self._live:
                    known = f" of {gigabytes(size)}" if size else ""
                    self._console.say(f"{title}: {gigabytes(done)}{known} …")
            self._bars.update(self._tasks[title], completed=done)
            if done == size and not self._live:
                self._console.say(f"{title}: {gigabytes(done)}")
