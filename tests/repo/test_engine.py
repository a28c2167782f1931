"""tools/engine.sh: what it does where a Docker answers, and what it says where none can be had.

That it starts, shares and stops a private engine is shown by every test in tests/image/ on a machine without Docker.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from videogen import project

SCRIPT = project.root() / "tools/engine.sh"
ORDINARY = ("bash", "env", "df", "mkdir", "tail")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with the few ordinary programs, as PATH of a machine without Docker whose user is not root."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ORDINARY:
        (folder / name).symlink_to(str(shutil.which(name)))
    program(folder / "id", "echo 1000")
    return folder


def program(path: Path, line: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{line}\n")
    path.chmod(0o755)


def engine(path: Path, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    given = {"PATH": str(path), "VIDEOGEN_ENGINE_DIR": str(path.parent / "engine")} | environment
    return subprocess.run([SCRIPT, *command], env=given, capture_output=True, text=True, check=False, timeout=30)


def test_docker_that_answers_is_used(bare: Path) -> None:
    """The command runs with the user's own engine, and its code is the script's."""
    program(bare / "docker", '[ "$1" = info ]')
    done = engine(bare, "bash", "-c", 'echo "$VIDEOGEN_TEST_BASE"; exit 7')

    assert (done.returncode, done.stdout, done.stderr) == (7, "ubuntu:24.04\n", "")
    assert not (bare.parent / "engine").exists()


def test_neither_docker_nor_root(bare: Path) -> None:
    """One error says what to do; the command does not run."""
    done = engine(bare, "bash", "-c", "echo ran")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: no Docker engine answers, and a private one needs root on Debian or Ubuntu\n"
        "hint: start Docker; `docker info` shows whether it answers\n"
    )


def test_full_disk(bare: Path) -> None:
    """A private engine is not started on a disk that has no room for it."""
    program(bare / "id", "echo 0")
    program(bare / "apt-get", "exit 1")
    (bare / "df").unlink()
    program(bare / "df", "echo Avail; echo 287")
    done = engine(bare, "bash", "-c", "echo ran")

    assert (done.returncode, done.stdout) == (1, "")
    assert "287 MiB free, an engine needs 4096" in done.stderr


def test_nothing_asked(bare: Path) -> None:
    """Without a command it says how it is called."""
    done = engine(bare)

    assert (done.returncode, done.stderr) == (2, "usage: tools/engine.sh COMMAND…\n")
