"""A checkout of one's own, and `videogen` in it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from videogen import project


@dataclass(frozen=True)
class Checkout:
    """Everything as here but workflows and batches, which are copies."""

    folder: Path

    def videogen(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        environment = os.environ | {"VIDEOGEN_PROJECT": str(self.folder)}
        command = [sys.executable, "-m", "videogen.cli", *words]
        ended = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return ended.returncode, ended.stdout, ended.stderr

    def json(self, *words: str) -> tuple[int, Any]:
        """Exit code and what `--json` says."""
        code, out, err = self.videogen(*words, "--json")
        assert out, err
        return code, json.loads(out)

    def change(self, path: str, old: str, new: str) -> None:
        """One slip in one file."""
        file = self.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[], Checkout]:
    """A checkout that may be written to."""

    def made() -> Checkout:
        folder = tmp_path / "checkout"
        folder.mkdir()
        for path in project.root().iterdir():
            if path.name in ("workflows", "batches"):
                subprocess.run(["cp", "-r", str(path), str(folder / path.name)], check=True, timeout=20)
            elif path.name.startswith(("Pulumi", "models_manifest", "images", "characters")):
                (folder / path.name).symlink_to(path)
        return Checkout(folder)

    return made
