#!/usr/bin/env python3
"""Builds the worker's image: `tools/build_image.py [--tag TAG] [--test]`; `make image` calls it.

What may be set in the environment:
  BASE_IMAGE     another base than the pinned one; with an Ubuntu of its own kind
  COMFYUI_DIR    a folder with a ComfyUI, in place of the pinned commit
  WORKFLOWS      names of the workflows whose nodes must be there; all when empty
  LOCK           another lock than images/comfyui/requirements.lock; its file name

--test builds what CI proves: the same Dockerfile on VIDEOGEN_TEST_BASE, with the stand-in in ComfyUI's place.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "images" / "comfyui"
LEFT_OUT = (".git", ".venv", "venv", "models", "output", "input", "temp", "user", "__pycache__")


def main() -> int:
    """Docker's exit code; 2 when nothing was asked of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", default="video-gen-worker")
    parser.add_argument("--test", action="store_true")
    given = parser.parse_args()
    try:
        pins = yaml.safe_load((FOLDER / "pins.yaml").read_text(encoding="utf-8"))
        arguments = for_tests() if given.test else for_users(pins)
    except ValueError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    arguments |= {name: os.environ[name] for name in ("WORKFLOWS", "LOCK") if name in os.environ}
    arguments["REVISION"] = revision()
    words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    command = ["docker", "build", "--progress=plain", "--file", str(FOLDER / "Dockerfile"), "--tag", given.tag, *words]
    return subprocess.run([*command, str(ROOT)], env=os.environ | {"DOCKER_BUILDKIT": "1"}, check=False).returncode


def for_users(pins: dict[str, dict[str, str]]) -> dict[str, str]:
    """Build arguments of a real image."""
    base = os.environ.get("BASE_IMAGE") or f"{pins['base']['image']}@{pins['base']['digest']}"
    if not os.environ.get("BASE_IMAGE") and not re.fullmatch(r"[\w./:-]+@sha256:[0-9a-f]{64}", base):
        raise ValueError(f"images/comfyui/pins.yaml: base: {base} has no digest")
    arguments = {"BASE_IMAGE": base, "COMFYUI_VERSION": pins["comfyui"]["version"]}
    if folder := os.environ.get("COMFYUI_DIR"):
        arguments |= {"COMFYUI": imported(Path(folder)), "COMFYUI_VERSION": ""}
    return arguments


def for_tests() -> dict[str, str]:
    """Build arguments of the image that CI proves."""
    if not os.environ.get("VIDEOGEN_TEST_BASE"):
        raise ValueError("VIDEOGEN_TEST_BASE is not set; `tools/engine.sh tools/build_image.py --test` sets it")
    return {"BASE_IMAGE": os.environ["VIDEOGEN_TEST_BASE"], "COMFYUI": "comfyui-standin", "LOCK": "standin.lock"}


def imported(folder: Path) -> str:
    """An image that holds the folder as /opt/comfyui: a stage can be taken from an image, but from no other folder."""
    if not (folder / "main.py").is_file():
        raise ValueError(f"COMFYUI_DIR: no file {folder / 'main.py'}")
    left_out = [f"--exclude=./{name}" for name in LEFT_OUT] + ["--exclude=__pycache__"]
    pack = ["tar", "-C", str(folder), *left_out, "--transform=s,^[.],opt/comfyui,", "-c", "."]
    name = f"localhost/comfyui-tree:{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar:
        subprocess.run(["docker", "import", "-", name], stdin=tar.stdout, stdout=subprocess.DEVNULL, check=True)
    return name


def revision() -> str:
    """The commit of this checkout, marked where it has changes."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
