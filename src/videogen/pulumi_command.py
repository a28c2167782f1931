"""A question to Pulumi, the program: nobody is asked back, and there is a deadline."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from videogen import project
from videogen.errors import ToolMissing, VideogenError


def program() -> str:
    """Where Pulumi is; raises `ToolMissing`."""
    found = shutil.which("pulumi")
    if found is None:
        raise ToolMissing("pulumi is not on PATH", "`make setup`, then `source tools/env.sh`")
    return found


def ask(words: Sequence[str], seconds: float) -> "subprocess.CompletedProcess[str]":
    """What it answers, whatever its exit code; raises `ToolMissing`, and `VideogenError` when it does not in time."""
    try:
        return subprocess.run(
            [program(), *words, "--non-interactive", "--color=never"],
            cwd=project.root(),
            env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise VideogenError(f"pulumi did not answer within {seconds:g} s", "is its backend reachable?") from None


def fault(said: str) -> str:
    """Its error in our words' form."""
    return said.strip().removeprefix("error: ") or "it does not say why"
