"""`videogen doctor`: what this machine lacks, and how to get it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import typer

from videogen import local_store, project
from videogen.cli.options import AsJson
from videogen.console import Console, gigabytes
from videogen.errors import ToolMissing

NEEDED_BYTES = 5_000_000_000
"""Tool chain (0.2 GB, its build caches 3.6 GB), Python packages 0.6 GB, demo 0.2 GB."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for."""

    name: str
    state: Literal["ok", "missing", "optional"]
    found: str
    hint: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Look for everything that this machine needs, and say how to get what is missing."""
    findings = [*_findings()]
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<9} {finding.name:<9} {finding.found}")
        if finding.hint:
            lines.append(f"{'':<9} {'':<9} → {finding.hint}")
    console = Console(as_json)
    console.data([asdict(finding) for finding in findings], lines=lines)
    missing = [finding.name for finding in findings if finding.state == "missing"]
    console.say(f"missing: {', '.join(missing)}" if missing else "everything needed is here")
    if missing:
        raise typer.Exit(1)


def _findings() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(
        "python",
        "ok" if sys.version_info >= (3, 11) else "missing",
        version,
        "" if sys.version_info >= (3, 11) else "Python 3.11 or newer",
    )
    root = project.root()
    yield Finding("checkout", "ok", str(root))
    yield _program("git", ["git", "--version"], "your system's package manager")
    pulumi = _program("pulumi", ["pulumi", "version"], "`make setup`, then `source tools/env.sh`")
    yield pulumi
    if pulumi.state == "missing":
        yield _program("go", ["go", "version"], "Go, to build the Pulumi CLI; or the CLI itself")
    yield _rclone()
    free = shutil.disk_usage(root).free
    enough = free >= NEEDED_BYTES
    hint = "" if enough else f"{gigabytes(NEEDED_BYTES)} are needed"
    yield Finding("disk", "ok" if enough else "missing", f"{gigabytes(free)} free", hint)
    gpu = shutil.which("nvidia-smi")
    yield Finding(
        "GPU",
        "ok" if gpu else "optional",
        gpu or "none",
        "" if gpu else "not needed: workers are rented, and the demo's stand-in needs none",
    )


def _program(name: str, command: list[str], how: str) -> Finding:
    path = shutil.which(name)
    if not path:
        return Finding(name, "missing", "not on PATH", how)
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name, "missing", f"{path} does not run: {error}", how)
    words = (answer.stdout or answer.stderr).strip().splitlines()
    return Finding(
        name,
        "ok" if answer.returncode == 0 else "missing",
        f"{words[0] if words else '?'} ({Path(path)})",
        "" if answer.returncode == 0 else how,
    )


def _rclone() -> Finding:
    try:
        return Finding("rclone", "ok", f"the local S3 server ({local_store.rclone()})")
    except ToolMissing as error:
        return Finding("rclone", "missing", error.message, error.hint or "")
