"""The image's pins, locks, Dockerfile and scripts agree with each other, and a build refuses what is not pinned."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from videogen import project

ROOT = project.root()
FOLDER = ROOT / "images/comfyui"
DOCKERFILE = FOLDER / "Dockerfile"
PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)


def locked(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / name).read_text()))


def test_pins_are_closed() -> None:
    """pins.yaml says what the image holds and nothing else; a commit is 40 hex digits, the base has a digest."""
    pins = yaml.safe_load((FOLDER / "pins.yaml").read_text())

    assert set(pins) == {"base", "comfyui", "node_packs"}
    assert set(pins["base"]) == {"image", "digest"}
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", pins["base"]["digest"])
    assert set(pins["comfyui"]) == {"repository", "version", "commit"}
    for pack in pins["node_packs"]:
        assert set(pack) == {"name", "repository", "commit", "why"}
    for pin in (pins["comfyui"], *pins["node_packs"]):
        assert re.fullmatch(r"[0-9a-f]{40}", pin["commit"])
        assert pin["repository"].startswith("https://")


@pytest.mark.parametrize("lock", ["requirements.lock", "standin.lock", "build/tools.lock"])
def test_every_locked_package_has_a_hash(lock: str) -> None:
    """Each entry of a lock is one version with its hashes, and nothing comes from an address."""
    entries = re.sub(r"\s*\\\n\s+", " ", (FOLDER / lock).read_text()).splitlines()

    assert entries
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+==\S+( ; [^#]+?)?( --hash=sha256:[0-9a-f]{64})+", entry), entry


def test_what_is_tested_is_what_runs() -> None:
    """A package in two locks has one version: here, in the image, in the image that CI proves."""
    here = locked("requirements.lock")
    real, standin = (locked(f"images/comfyui/{name}.lock") for name in ("requirements", "standin"))

    assert {name: version for name, version in standin.items() if here.get(name, version) != version} == {}
    assert {name: version for name, version in real.items() if here.get(name, version) != version} == {}
    assert standin.items() <= real.items()


def test_lock_holds_what_is_asked_for() -> None:
    """Every package named in a `.in` file is in its lock, in the version that is named, torch among them."""
    for name in ("requirements", "standin", "build/tools"):
        asked = re.findall(r"^([A-Za-z][\w.-]*)(?:==(\S+))?", (FOLDER / f"{name}.in").read_text(), re.MULTILINE)
        lock = locked(f"images/comfyui/{name}.lock")

        assert asked
        for package, version in asked:
            assert lock[package] == (version or lock[package])
    assert "torch" in locked("images/comfyui/requirements.lock")
    assert "torch" not in locked("images/comfyui/standin.lock")


def test_standin_says_the_pinned_version() -> None:
    """The stand-in imitates the ComfyUI that is pinned, in its tree as on its port."""
    from videogen.standin.system import VERSION

    version = f"{yaml.safe_load((FOLDER / 'pins.yaml').read_text())['comfyui']['version']}+standin"

    assert version == VERSION
    assert f'"{version}"' in (FOLDER / "standin/comfyui_version.py").read_text()


def test_explanations_are_whole() -> None:
    """Each warning that a build lets pass is a pattern with a reason."""
    for entry in yaml.safe_load((FOLDER / "build/explained.yaml").read_text()):
        assert set(entry) == {"line", "why"}
        assert re.compile(entry["line"]).pattern
        assert len(entry["why"].split()) > 3


def test_dockerfile_needs_no_newer_builder() -> None:
    """No frontend must be fetched to read the Dockerfile, and no feature is newer than Docker 20.10."""
    text = DOCKERFILE.read_text()
    newer = r"^#\s*syntax=|<<-?['\"]?\w+|--link|--exclude|--checksum|--network=|--security="

    assert re.findall(newer, text, re.MULTILINE) == []
    assert not re.search(r"^FROM (?!\$\{|scratch|system|tools|packages|bare|worker)", text, re.MULTILINE)
    assert not re.search(r"\b(curl|wget)\b|^ADD ", text, re.MULTILINE)


def test_dockerfile_passes_hadolint() -> None:
    """hadolint finds nothing but what a comment beside it explains."""
    done = subprocess.run(
        ["hadolint", "--failure-threshold", "warning", DOCKERFILE],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 0, done.stdout


def test_shell_scripts_pass_shellcheck() -> None:
    """shellcheck warns of nothing."""
    scripts = [*ROOT.glob("tools/*.sh"), ROOT / ".ci/run"]
    done = subprocess.run(
        ["shellcheck", "--severity=warning", *scripts], capture_output=True, text=True, check=False, timeout=30
    )

    assert done.returncode == 0, done.stdout


def built(root: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """tools/build_image.py of the copy in `root`, with a Docker that says what it is asked."""
    for name in ("tools/build_image.py", "images/comfyui/pins.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if not (root / name).exists():
            shutil.copy(ROOT / name, root / name)
    said = root / "bin/docker"
    said.parent.mkdir(exist_ok=True)
    said.write_text('#!/bin/sh\n[ "$1" != import ] || { cat >"$0.tar"; exit; }\necho "$@"\n')
    said.chmod(0o755)
    return subprocess.run(
        [sys.executable, root / "tools/build_image.py", *environment.pop("words", "").split()],
        env={"PATH": f"{said.parent}:{os.environ['PATH']}"} | environment,
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


def test_users_build_on_the_pinned_base(tmp_path: Path) -> None:
    """Without further words an image is built on the digest of pins.yaml, from ComfyUI's pinned commit."""
    done = built(tmp_path)

    assert done.returncode == 0, done.stderr
    assert re.search(r" --build-arg BASE_IMAGE=nvidia/cuda:\S+@sha256:[0-9a-f]{64} ", done.stdout)
    assert " --build-arg COMFYUI_VERSION=0.38.1 " in done.stdout
    assert "COMFYUI=" not in done.stdout


@pytest.mark.parametrize("digest", ["", "latest", "sha256:1234"])
def test_no_digest_no_build(digest: str, tmp_path: Path) -> None:
    """A base without a digest is refused before Docker is asked; one that the user names is the user's choice."""
    pins = yaml.safe_load((FOLDER / "pins.yaml").read_text())
    pins["base"]["digest"] = digest
    (tmp_path / "images/comfyui").mkdir(parents=True)
    (tmp_path / "images/comfyui/pins.yaml").write_text(yaml.safe_dump(pins))
    refused, own = built(tmp_path), built(tmp_path, BASE_IMAGE="my/base:1")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert "has no digest" in refused.stderr
    assert "BASE_IMAGE=my/base:1 " in own.stdout


def test_own_comfyui_goes_in_as_an_image(tmp_path: Path) -> None:
    """COMFYUI_DIR is handed to the same Dockerfile as an image, without its weights and its environment."""
    comfyui = tmp_path / "ComfyUI"
    for name in ("main.py", "models/big", "comfy/models/sampling.py", ".venv/bin/python"):
        (comfyui / name).parent.mkdir(parents=True, exist_ok=True)
        (comfyui / name).touch()
    done = built(tmp_path, COMFYUI_DIR=str(comfyui), WORKFLOWS="one two")
    listed = subprocess.run(
        ["tar", "-tf", tmp_path / "bin/docker.tar"], capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()

    assert " --build-arg COMFYUI=localhost/comfyui-tree:" in done.stdout
    assert " --build-arg WORKFLOWS=one two " in done.stdout
    assert {name for name in listed if not name.endswith("/")} == {
        "opt/comfyui/main.py",
        "opt/comfyui/comfy/models/sampling.py",
    }
    assert built(tmp_path, COMFYUI_DIR=str(tmp_path)).returncode == 2


def test_pinned_trees_are_fetched_by_commit(tmp_path: Path) -> None:
    """A node pack arrives as its commit, without git's own files; a commit that is not there fails."""
    pack = tmp_path / "pack"
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "-C", str(pack)]
    for words in (["init", "-q", str(pack)], [*git[1:], "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", *words], check=True, timeout=30)
    (pack / "nodes.py").write_text("NODES = 1\n")
    subprocess.run([*git, "add", "nodes.py"], check=True, timeout=30)
    subprocess.run([*git, "commit", "-q", "-m", "two"], check=True, timeout=30)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True, timeout=30).stdout
    pins = tmp_path / "pins.yaml"

    def fetched(commit: str, folder: str) -> int:
        entry = {"name": "pack", "repository": f"file://{pack}", "commit": commit, "why": "a test"}
        pins.write_text(yaml.safe_dump({"node_packs": [entry]}))
        command = [sys.executable, str(FOLDER / "build/fetch.py"), str(pins), "node_packs", str(tmp_path / folder)]
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode

    assert fetched(commit.strip(), "good") == 0
    assert [path.name for path in (tmp_path / "good/pack").iterdir()] == ["nodes.py"]
    assert fetched("0" * 40, "bad") != 0
