"""What a process started, and what that started: it lives on when the process ends, unless somebody ends it, too."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_SYSTEM = Path("/proc")


@dataclass(frozen=True)
class Member:
    """A process, which no later one with its number is taken for."""

    pid: int
    started: str


def below(pid: int) -> list[Member]:
    """All descendants at this moment, without those whose parent has ended; none where the system has no `/proc`."""
    children: dict[int, list[Member]] = {}
    for folder in _SYSTEM.glob("[0-9]*"):
        if (found := _looked_up(int(folder.name))) is not None:
            parent, member = found
            children.setdefault(parent, []).append(member)
    family = list(children.get(pid, ()))
    for member in family:  # it grows meanwhile
        family += children.get(member.pid, ())
    return family


def kill(members: Iterable[Member]) -> None:
    """SIGKILL to those that still live."""
    for member in members:
        found = _looked_up(member.pid)
        if found is not None and found[1] == member:
            with suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGKILL)


def facts(pid: int | Literal["self"]) -> tuple[int, str]:
    """Its parent's number, and when it started in ticks since the machine did; raises `OSError` where nobody knows."""
    # The 4th field and the 22nd; the 2nd may hold blanks and ends with a bracket. proc(5)
    fields = (_SYSTEM / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return int(fields[1]), fields[19]


def _looked_up(pid: int) -> tuple[int, Member] | None:
    """A process and its parent's number."""
    try:
        parent, started = facts(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parent, Member(pid, started)
