"""`make destroy` on a small Pulumi: whose lock it takes away, whom it asks to stop, and what it does not believe."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.doubles import pulumi_double
from tests.doubles.runpod import fake_runpod
from videogen import project

STACK = "phase-c"


class Button:
    """A pipeline's machine with a Pulumi, whose folder says what it does."""

    def __init__(self, folder: Path) -> None:
        self.pulumi = folder / "pulumi"
        path = f"{pulumi_double.install(self.pulumi)}:{Path(sys.executable).parent}:/usr/bin:/bin"
        self.environment = os.environ | {"PATH": path, "VIDEOGEN_STATE": str(folder), "GITHUB_ACTIONS": "true"}
        self.environment.pop("RUNPOD_API_KEY", None)

    def pressed(self, **more: str) -> tuple[int, str]:
        """Exit code and talk."""
        done = subprocess.run(
            [sys.executable, "-m", "tools.gitops.end", STACK],
            cwd=project.root(), env=self.environment | more, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def lock(self, pid: int, host: str = "") -> None:
        """The lock of a pipeline."""
        (self.pulumi / "lock").write_text(f"runner@{host or socket.gethostname()} (pid {pid})")

    def calls(self) -> list[str]:
        """What Pulumi was asked to do, reading left out."""
        return [call for call in pulumi_double.calls(self.pulumi) if call != "stack export"]


@pytest.fixture
def button(tmp_path: Path) -> Button:
    """Nothing is locked."""
    return Button(tmp_path)


def test_a_living_pulumi_is_asked_to_stop(button: Button) -> None:
    """Another pipeline rents on this machine: its `up` ends in order, by one Ctrl-C, before everything is ended."""
    (button.pulumi / "up").write_text("sleep 60")
    command = [str(button.pulumi / "bin" / "pulumi"), "up", "--stack", STACK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as living:
        assert living.stdout is not None
        assert "sleeping" in living.stdout.readline()
        button.lock(living.pid)
        began = time.monotonic()
        code, said = button.pressed()

        assert (code, button.calls()) == (0, ["up", "destroy", "destroy"]), said
        assert "is asked to stop" in said
        assert "update canceled" in living.stdout.read()
        assert time.monotonic() - began < 20


def test_the_lock_of_a_pipeline_that_is_over_is_taken_away(button: Button) -> None:
    """It ran on another hosted machine, which is no more."""
    button.lock(17, "fv-az1-2")
    code, said = button.pressed()

    assert (code, button.calls()) == (0, ["destroy", "cancel", "destroy"]), said


def test_a_stack_without_state_whose_machines_live(button: Button) -> None:
    """Another backend is asked than the one that rented: the cloud is asked too, and nothing is called gone."""
    (button.pulumi / "state.json").unlink()
    with fake_runpod() as fake:
        fake.plant("videogen-0123abcd-phase-a-1-aa")
        assert button.pressed(**fake.environment)[0] == 0
        fake.plant("videogen-0123abcd-phase-c-1-aa")
        code, said = button.pressed(**fake.environment)

    assert code == 1
    assert "videogen-0123abcd-phase-c-1-aa" in said.replace("\n", "")
    assert "phase-a" not in said
