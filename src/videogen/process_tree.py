"""What a process started, and what that started: it lives on when the process ends, unless somebody ends it, too."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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


def _looked_up(pid: int) -> tuple[int, Member] | None:
    """A process and its parent's number."""
    try:
        # After the 2nd field, which may hold blanks and ends with a bracket: state, parent, …; the 22nd: start. proc(5)
        fields = (_SYSTEM / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[1]), Member(pid, fields[19])
