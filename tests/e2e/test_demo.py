"""`make demo` in a checkout of its own, with the real engine: everything happens, and nothing is left."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from videogen import media, process, project, receipts

ROOT = project.root()
COPIED = ("tools", "batches", "Pulumi.yaml", "Pulumi.dev.yaml", "models_manifest.yaml", "models_manifest.dev.yaml")
LINKED = ("infra", "images", "src", "templates", "workflows", ".venv", ".tools")
OURS = ("VIDEOGEN_", "COMFYUI_", "PULUMI_")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the stack `dev` made; its path has a space and Japanese letters in it."""
    folder = tmp_path / "a checkout 動画"
    folder.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    for name in LINKED:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    subprocess.run(["bash", "tools/init_stack.sh", "dev"], cwd=folder, env=environment(folder), check=True, timeout=60)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """This environment without what this checkout's own `env.sh` has put there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    own = [part for part in kept["PATH"].split(":") if not part.startswith(str(ROOT))]
    return kept | {"PATH": ":".join(own), "VIDEOGEN_PROJECT": str(folder)}


def start(folder: Path) -> "subprocess.Popen[str]":
    """Starts the demo in a process group of its own, as a shell does."""
    return subprocess.Popen(
        ["bash", "tools/demo.sh"],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def alive(folder: Path) -> list[str]:
    """Processes of the checkout that still run."""
    home = folder / ".videogen" / "dev" / "processes"
    return [one.name for one in process.processes(home) if one.alive]


def heard(demo: "subprocess.Popen[str]", until: str) -> str:
    """What the demo prints, up to a word."""
    assert demo.stdout is not None
    said = ""
    while until not in said and (line := demo.stdout.readline()):
        said += line
    assert until in said, said
    return said


def left(folder: Path, seconds: float = 10) -> list[str]:
    """Processes that still run after so long."""
    deadline = time.monotonic() + seconds
    while (found := alive(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@pytest.mark.timeout(240)
def test_demo(checkout: Path) -> None:
    """Four checked videos, a contact sheet, a receipt for each worker; nothing runs on; the stack file is as it was."""
    demo = start(checkout)
    said, _ = demo.communicate()

    assert demo.returncode == 0, said
    videos = sorted((checkout / "outputs" / "demo").glob("*.mp4"))
    assert [media.look(video, media.Expected(320, 576, 49, 16)).flaws for video in videos] == [()] * 4
    assert (checkout / "outputs" / "demo" / "contact-sheet.png").is_file()
    assert [one.why for one in receipts.here(checkout / ".videogen" / "dev")] == ["destroyed"] * 2
    assert len(list((checkout / ".videogen/dev/store/videogen-outputs/receipts").glob("*.json"))) == 2
    assert alive(checkout) == []
    assert (checkout / "Pulumi.dev.yaml").read_text() == (ROOT / "Pulumi.dev.yaml").read_text()
    assert "stand-in" in said


@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", ["worker-1 creating", "jobs on 2 workers", "done 1/4"])
def test_ctrl_c_leaves_nothing(checkout: Path, moment: str) -> None:
    """Ctrl-C in `up` or in `submit` ends the demo with code 3 after a destroy: no process is left."""
    demo = start(checkout)
    heard(demo, moment)
    os.killpg(demo.pid, signal.SIGINT)
    rest, _ = demo.communicate(timeout=90)

    assert demo.returncode == 3, rest
    assert left(checkout) == []
    assert "Traceback" not in rest


@pytest.mark.timeout(240)
def test_a_reader_that_goes_away_leaves_nothing(checkout: Path) -> None:
    """`make demo | head` ends with a destroy, too."""
    demo = start(checkout)
    heard(demo, "jobs on 2 workers")
    assert demo.stdout is not None
    demo.stdout.close()
    demo.wait(90)

    assert demo.returncode != 0
    assert left(checkout) == []
