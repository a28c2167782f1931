"""The command line of a worker's ComfyUI fits its version."""

import sys
from pathlib import Path

import pytest

from tests.unit.test_worker_environment import VARIABLES
from videogen import comfyui_command, worker_environment
from videogen.errors import InputError
from videogen.worker_environment import WorkerEnvironment


def settings(folder: Path, **more: str) -> WorkerEnvironment:
    """A worker in that folder."""
    return worker_environment.read({**VARIABLES, "VIDEOGEN_WORKSPACE": str(folder), **more})


def checkout(folder: Path, known: str) -> Path:
    """A folder that looks like a ComfyUI whose version knows these flags."""
    made = folder / "ComfyUI"
    (made / "comfy").mkdir(parents=True)
    (made / "comfy" / "cli_args.py").write_text(known)
    (made / "main.py").touch()
    return made


def test_stand_in(tmp_path: Path) -> None:
    """Without a checkout it is the stand-in; loopback only, everything under the root, further flags at the end."""
    more = {"VIDEOGEN_COMFYUI_ARGUMENTS": "--reserve-vram '1.5'"}
    argv = comfyui_command.command(settings(tmp_path, **more), tmp_path / "paths.yaml")

    assert argv[:3] == [sys.executable, "-m", "videogen.standin"]
    assert "--listen=127.0.0.1" in argv
    assert "--port=8188" in argv
    assert f"--extra-model-paths-config={tmp_path / 'paths.yaml'}" in argv
    assert f"--output-directory={tmp_path / 'outputs'}" in argv
    assert f"--temp-directory={tmp_path}" in argv
    assert argv[-2:] == ["--reserve-vram", "1.5"]


def test_upload_limit(tmp_path: Path) -> None:
    """ComfyUI takes whatever the gateway lets through: both have one limit."""
    more = {"VIDEOGEN_UPLOAD_LIMIT_MB": "300"}

    assert "--max-upload-size=300" in comfyui_command.command(settings(tmp_path, **more), tmp_path / "paths.yaml")
    assert "--max-upload-size=2048" in comfyui_command.command(settings(tmp_path), tmp_path / "paths.yaml")


@pytest.mark.parametrize(
    ("known", "wanted", "unwanted"),
    [
        ('("--offline") ("--disable-api-nodes") ("--database-url")', "--offline", "--disable-api-nodes"),
        ('("--disable-api-nodes")', "--disable-api-nodes", "--offline"),
        ("", "main.py", "--disable-api-nodes"),
    ],
)
def test_flags_of_the_version(tmp_path: Path, known: str, wanted: str, unwanted: str) -> None:
    """A flag is used only where the version knows it; each worker has a database of its own."""
    folder = checkout(tmp_path, known)
    more = {"VIDEOGEN_COMFYUI_DIR": str(folder), "VIDEOGEN_COMFYUI_PYTHON": sys.executable}
    argv = comfyui_command.command(settings(tmp_path, **more), tmp_path / "paths.yaml")

    assert any(wanted in word for word in argv)
    assert unwanted not in argv
    database = f"--database-url=sqlite:///{tmp_path / 'user' / 'comfyui.db'}"
    assert (database in argv) == ("--database-url" in known)


def test_no_checkout(tmp_path: Path) -> None:
    """A checkout or interpreter that is not there is an error about its variable."""
    folder = checkout(tmp_path, "")
    for more, variable in (
        ({"VIDEOGEN_COMFYUI_DIR": str(tmp_path / "none")}, "VIDEOGEN_COMFYUI_DIR"),
        ({"VIDEOGEN_COMFYUI_DIR": str(folder)}, "VIDEOGEN_COMFYUI_PYTHON"),
        ({"VIDEOGEN_COMFYUI_ARGUMENTS": "'"}, "VIDEOGEN_COMFYUI_ARGUMENTS"),
    ):
        with pytest.raises(InputError, match=f"environment: {variable}: "):
            comfyui_command.command(settings(tmp_path, **more), tmp_path / "paths.yaml")


def test_environment() -> None:
    """ComfyUI gets what programs need, none of the worker's settings, and no key that a cloud injects."""
    own = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "RUNPOD_API_KEY": "s3cr3t", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}

    assert comfyui_command.environment({**own, **VARIABLES}, {"HOME": "/home/comfy"}) == {
        "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "HOME": "/home/comfy", "PYTHONUNBUFFERED": "1"
    }  # fmt: skip
