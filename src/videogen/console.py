"""The only printer. stdout carries data, stderr carries talk; meaning is never in colour alone."""

import json
import sys
from collections.abc import Sequence
from typing import Any, Literal

from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

from videogen.errors import InputError, VideogenError
from videogen.redaction import Redaction


class Console:
    """What the faces say. `as_json` turns tables into one JSON document on stdout."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.err = _rich(stderr=True)
        self.out = _rich(stderr=False)

    def say(self, message: str) -> None:
        """A line of talk."""
        self.err.print(message, markup=False)

    def warn(self, message: str) -> None:
        """Something to look at, without an end to the work."""
        self.err.print(Text.assemble(("warning: ", "bold yellow"), message))

    def error(self, error: VideogenError) -> None:
        """Every fault with its hint; several faults are counted."""
        if isinstance(error, InputError):
            for fault in error.faults:
                self._error(f"{fault.address}: {fault.message}", fault.hint)
            if len(error.faults) > 1:
                self.say(counted(len(error.faults), "error"))
        else:
            self._error(error.message, error.hint)

    def _error(self, message: str, hint: str | None) -> None:
        """Other programs' words may be in both, and in those a presigned address or a header."""
        hidden = Redaction()
        self.err.print(Text.assemble(("error: ", "bold red"), hidden.text(message)))
        if hint:
            self.err.print(Text.assemble(("hint: ", "bold"), hidden.text(hint)))

    def finding(self, severity: Literal["error", "warning"], message: str, hint: str | None) -> None:
        """One of many things that are wrong, or may be."""
        if severity == "error":
            self._error(message, hint)
            return
        self.warn(message)
        if hint:
            self.err.print(Text.assemble(("hint: ", "bold"), hint))

    def data(self, document: Any, table: Table | None = None, lines: Sequence[str] = ()) -> None:
        """A report: the document as JSON with `--json`, else the table or the lines."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")
            return
        if table is not None:
            self.out.print(table)
        for line in lines:
            self.out.print(line, markup=False)


def _rich(stderr: bool) -> RichConsole:
    made = RichConsole(stderr=stderr, highlight=False, soft_wrap=True, emoji=False)
    if not made.is_terminal:
        made.width = 250  # a file or a pipe has no width to fit
    return made


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """An empty table in the house's look; columns named in `numbers` align right."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def gigabytes(size: float) -> str:
    """`14.3 GB`, `48.2 MB`: decimal, as drives and clouds count."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size:.0f} B"


def duration(seconds: float) -> str:
    """`8.2s`, `18m 02s`, `2h 05m`."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"


def counted(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
