"""`make publish`: the image that the registry has, by its digest, in each phase's file; Docker is a small program."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from videogen import project

ROOT = project.root()
REPOSITORY = "ghcr.io/me/video-gen-worker"
DIGEST = f"{REPOSITORY}@sha256:{'a' * 64}"
DOCKER = f"""#!/bin/sh
echo "docker $*" >>"$0.said"
case $1 in
  push) exit "${{PUSH_CODE:-0}}" ;;
  inspect) echo '["docker.io/other@sha256:{"b" * 64}", "{DIGEST}"]' ;;
esac
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with the phases, and a build that only says its words."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/publish_image.py", tmp_path / "tools")
    (tmp_path / "tools/build_image.py").write_text("import sys\nprint('built', *sys.argv[1:])\n")
    for path in ROOT.glob("Pulumi.*.yaml"):
        shutil.copy(path, tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(DOCKER)
    (tmp_path / "bin/docker").chmod(0o755)
    for words in (["init", "-q"], ["-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-q", "--allow-empty", "-m", "x"]):  # fmt: skip
        subprocess.run(["git", "-C", tmp_path, *words], check=True, timeout=30)
    return tmp_path


def published(folder: Path, image: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The program that the make target runs."""
    return subprocess.run(
        [sys.executable, "tools/publish_image.py", image],
        cwd=folder, env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def images(folder: Path) -> dict[str, str]:
    """What each stack file names."""
    return {
        path.name: yaml.safe_load(path.read_text())["config"]["videogen:image"]
        for path in folder.glob("Pulumi.?*.yaml")
    }


def test_phases_name_the_digest(copy: Path) -> None:
    """Each phase gets the digest of the right repository, in that one line; dev and prod stay as they are."""
    before = {path.name: path.read_text().splitlines() for path in copy.glob("Pulumi.phase-*.yaml")}
    done = published(copy, REPOSITORY)
    said = (copy / "bin/docker.said").read_text()

    assert done.returncode == 0, done.stderr
    assert images(copy) == {"Pulumi.dev.yaml": "comfyui", "Pulumi.prod.yaml": "none"} | dict.fromkeys(before, DIGEST)
    for name, lines in before.items():
        after = (copy / name).read_text().splitlines()
        assert [line for line in lines if "videogen:image:" not in line] == [
            line for line in after if "videogen:image:" not in line
        ]
    assert f"docker push {REPOSITORY}:" in said
    assert f"built --tag {REPOSITORY}:" in done.stdout


def test_what_was_not_pushed_is_not_named(copy: Path) -> None:
    """Where the registry refuses, no file changes, and Docker's exit code is kept."""
    before = images(copy)
    done = published(copy, REPOSITORY, PUSH_CODE="3")

    assert done.returncode == 3
    assert images(copy) == before


@pytest.mark.parametrize("image", ["", "video-gen-worker", "me/video-gen-worker", f"{REPOSITORY}:1", "ghcr.io/Me/x y"])
def test_a_name_without_a_registry_is_refused(image: str, copy: Path) -> None:
    """Nothing is built for a name that no cloud could pull."""
    done = published(copy, image)

    assert (done.returncode, done.stdout) == (2, "")
    assert "hint: make publish IMAGE=ghcr.io/YOU/video-gen-worker" in done.stderr
