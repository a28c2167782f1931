"""A checkout of its own for the real engine: the files are this checkout's, the state is the test's."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clouds.test_process import pid_of
from tests.doubles.aws.server import BIN, AwsServer
from videogen import process, project
from videogen.process import Process

ROOT = project.root()
LINKED = ("infra", "images", "src", "templates", "workflows", ".venv", "Pulumi.yaml")
COPIED = ("Pulumi.*.yaml", "models_manifest*.yaml")


class Checkout:
    """Runs `pulumi` on a copy of this checkout, with backend, secrets and stack folders below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.folder.mkdir(parents=True)
        for name in LINKED:
            (self.folder / name).symlink_to(ROOT / name)
        for pattern in COPIED:
            for path in ROOT.glob(pattern):
                shutil.copy(path, self.folder)
        (folder / "backend").mkdir()
        self.backend = folder / "backend"
        self.state = folder / "state"
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("VIDEOGEN_", "COMFYUI_", "RUNPOD_"))
        }
        self.environment = kept | {
            "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}:{ROOT / '.tools/bin'}",
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "VIDEOGEN_PROJECT": str(self.folder),
            "VIDEOGEN_STATE": str(self.state),
        }
        self.environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)

    def set(self, stack: str, key: str, value: str) -> None:
        """Writes a key of a stack file anew, also one whose value is a list over many lines."""
        path = self.folder / f"Pulumi.{stack}.yaml"
        text, count = re.subn(rf"(?m)^(\s*videogen:{key}:).*\n(\s+- .*\n)*", rf"\1 {value}\n", path.read_text())
        assert count == 1, key
        path.write_text(text)

    def init(self, stack: str) -> None:
        """Makes a stack."""
        assert self.pulumi("stack", "init", stack, "--no-select").returncode == 0

    def begin(self, *words: str, stack: str = "dev") -> subprocess.Popen[str]:
        """Starts `pulumi` in a process group of its own, as a shell does."""
        return subprocess.Popen(
            [
                "pulumi",
                *words,
                "--non-interactive",
                "--color=never",
                *(["--stack", stack] if words[0] != "stack" else []),
            ],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def pulumi(self, *words: str, stack: str = "dev") -> subprocess.CompletedProcess[str]:
        """Runs `pulumi` to its end; stderr is in stdout."""
        with self.begin(*words, stack=stack) as running:
            said, _ = running.communicate(timeout=60)
        return subprocess.CompletedProcess(words, running.returncode, said)

    def up(self, *words: str) -> str:
        """`pulumi up` of `dev` that succeeds; what it said."""
        done = self.pulumi("up", "--yes", "--skip-preview", *words)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def outputs(self) -> dict[str, Any]:
        """What `dev` exports, secrets in clear."""
        done = self.pulumi("stack", "output", "--json", "--show-secrets", "--stack", "dev")
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def living(self, role: str) -> list[Process]:
        """The processes of `dev` that are alive."""
        found = process.processes(self.state / "dev" / "processes")
        return [one for one in found if one.alive and one.record.about["role"] == role]

    def receipts(self) -> dict[str, dict[str, Any]]:
        """The receipts in the outputs bucket, by machine."""
        folder = self.state / "dev" / "store" / "videogen-outputs" / "receipts"
        return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}

    def clear(self) -> None:
        """Ends every process that was started."""
        for one in process.processes(self.state / "dev" / "processes"):
            one.end(grace_seconds=0)


def soon(condition: Callable[[], object], seconds: float = 60) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def kill(one: Process) -> None:
    """`kill -9` to a process and its children, as nobody of ours would."""
    os.killpg(pid_of(one.folder), signal.SIGKILL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout with stack `dev`, without anything that runs."""
    made = Checkout(tmp_path_factory.mktemp("infra"))
    made.init("dev")
    yield made
    made.clear()


class Prod:
    """Stack `prod` of a checkout whose plugin for AWS is the stand-in."""

    def __init__(self, folder: Path, aws: AwsServer) -> None:
        self.checkout = Checkout(folder)
        environment = self.checkout.environment
        environment |= aws.environment | {"PATH": f"{BIN}:{environment['PATH']}"}
        self.checkout.init("prod")

    def run(self, *words: str, code: int = 0) -> str:
        """Runs `pulumi` to its end; what it said."""
        named = ("--stack", "prod") if words[0] == "stack" else ()
        done = self.checkout.pulumi(*words, *named, stack="prod")
        assert done.returncode == code, done.stdout
        return done.stdout

    def outputs(self) -> dict[str, Any]:
        """What it exports, secrets in clear."""
        found = json.loads(self.run("stack", "output", "--json", "--show-secrets"))
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsServer]:
    """An account of AWS of the module's own."""
    with AwsServer() as server:
        yield server


@pytest.fixture(scope="module")
def prod(aws: AwsServer, tmp_path_factory: pytest.TempPathFactory) -> Prod:
    """Stack `prod` on it, before its first `up`."""
    return Prod(tmp_path_factory.mktemp("prod"), aws)
