"""Whoever starts a worker and the worker itself read the same variables."""

import pytest

from videogen import worker_environment
from videogen.errors import InputError
from videogen.secret import Secret
from videogen.stack_outputs import Store
from videogen.worker_environment import WorkerEnvironment

VARIABLES = {
    "VIDEOGEN_WORKER": "w1",
    "VIDEOGEN_STACK": "dev",
    "VIDEOGEN_PHASE": "a",
    "VIDEOGEN_WORKSPACE": "/workspace",
    "VIDEOGEN_MANIFEST": "0" * 64,
    "VIDEOGEN_STORE_REGION": "eu",
    "VIDEOGEN_STORE_MODELS": "models",
    "VIDEOGEN_STORE_OUTPUTS": "outputs",
    "VIDEOGEN_STORE_KEY": "key",
    "VIDEOGEN_STORE_SECRET": "secret",
    "VIDEOGEN_TOKEN": "token",
    "VIDEOGEN_COMFYUI_PORT": "8188",
    "VIDEOGEN_AGENT_PORT": "8189",
    "VIDEOGEN_LEASE_MINUTES": "60",
    "VIDEOGEN_IDLE_MINUTES": "10",
    "VIDEOGEN_BOOT_MINUTES": "5",
}


def read(**more: str) -> WorkerEnvironment:
    """The variables above with others added."""
    return worker_environment.read({**VARIABLES, "PATH": "/bin", **more})


def test_there_and_back() -> None:
    """What is written as variables is read back as it was."""
    there = read(VIDEOGEN_LOCK_FD="7", VIDEOGEN_VOLUME="1", VIDEOGEN_COMFYUI_DIR="/comfy")

    assert worker_environment.read(there.variables()) == there
    assert there.held == (7,)
    assert there.token == Secret("token")


def test_every_setting_of_the_store() -> None:
    """Whatever a stack says of its store reaches the worker."""
    said = {
        "endpoint": "http://x", "region": "eu", "addressing": "virtual", "models": "mmm", "outputs": "ooo",
        "checksums": "none", "floor_mbit": 12.5,
    }  # fmt: skip
    assert said.keys() == Store.model_fields.keys()
    found = read(**{f"VIDEOGEN_STORE_{name.upper()}": str(value) for name, value in said.items()})

    assert found.store.model_dump() == said
    assert worker_environment.read(found.variables()).store == found.store


def test_defaults() -> None:
    """Without a lock nothing is held, without a word there is no floor; an empty variable is absent."""
    found = read(VIDEOGEN_COMFYUI_DIR="")

    assert (found.store.floor_mbit, found.floor_seconds) == (0, 30)
    assert found.held == ()
    assert found.comfyui_dir is None


def test_every_fault() -> None:
    """Wrong, missing and misspelt variables are told together; values, which may be secrets, are not."""
    wrong = {
        **VARIABLES,
        "VIDEOGEN_AGENT_PORT": "s3cr3t",
        "VIDEOGEN_TOKENN": "s3cr3t",
        "VIDEOGEN_IDLE_MINUTES": "99999",
    }
    del wrong["VIDEOGEN_STACK"]
    with pytest.raises(InputError) as found:
        worker_environment.read(wrong)

    addresses = {fault.address for fault in found.value.faults}
    names = ("AGENT_PORT", "TOKENN", "IDLE_MINUTES", "STACK")
    assert addresses == {f"environment: VIDEOGEN_{name}" for name in names}
    assert "did you mean `VIDEOGEN_TOKEN`?" in str(found.value)
    assert "s3cr3t" not in str(found.value)
