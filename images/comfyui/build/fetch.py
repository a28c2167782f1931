"""Fetches what pins.yaml pins by commit: `fetch.py pins.yaml comfyui FOLDER`, `fetch.py pins.yaml node_packs FOLDER`.

A commit's name is the hash of all that it holds, so nothing else can arrive under it.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml


def main(pins_file: str, what: str, folder: str) -> None:
    """Fills the folder; nothing of git stays in it."""
    pins = yaml.safe_load(Path(pins_file).read_text(encoding="utf-8"))
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if what == "comfyui":
        fetch(pins["comfyui"], target)
    else:
        for pack in pins["node_packs"]:
            fetch(pack, target / pack["name"])


def fetch(pin: dict[str, Any], folder: Path) -> None:
    """The tree of `pin`'s commit; git fails when the repository has no such commit."""
    folder.mkdir(exist_ok=True)
    for words in (
        ("init", "--quiet"),
        ("fetch", "--quiet", "--depth=1", pin["repository"], pin["commit"]),
        ("checkout", "--quiet", "--detach", pin["commit"]),
    ):
        subprocess.run(["git", *words], cwd=folder, check=True, timeout=600)
    shutil.rmtree(folder / ".git")


if __name__ == "__main__":
    main(*sys.argv[1:])
