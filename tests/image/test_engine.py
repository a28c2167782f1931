"""tools/engine.sh, beside a session that has the engine."""

import os
import subprocess

from tests.doubles.docker_engine import ROOT, docker


def test_engine_is_shared(engine: None) -> None:
    """A second caller gets the same engine, and leaves it running for the first."""
    own = docker("info", "--format", "{{.ID}}")
    environment = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    command = [str(ROOT / "tools/engine.sh"), "docker", "info", "--format", "{{.ID}}"]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=100)

    assert other.stdout.strip() == own
    assert docker("info", "--format", "{{.ID}}") == own
