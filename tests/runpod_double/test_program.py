"""The fake RunPod as a program of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.runpod_double.conftest import wanted
from videogen import port

ROOT = Path(__file__).resolve().parents[2]


def test_program() -> None:
    """It serves with the keys of its environment until it is asked to end."""
    number = port.free(["runpod"])["runpod"]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.doubles.runpod", "--port", str(number), "--quick"],
        cwd=ROOT,
        env={**os.environ, "FAKE_RUNPOD_KEY": "of-the-account", "FAKE_RUNPOD_CONTROL": "of-the-control"},
    ) as program:
        assert port.wait_open(number, 20, lambda: program.poll() is None)
        url = f"http://127.0.0.1:{number}"
        account, control = ({"Authorization": f"Bearer of-the-{who}"} for who in ("account", "control"))
        made = httpx.post(f"{url}/v2/pods", json=wanted(), headers=account, trust_env=False)
        assert made.status_code == 201
        later = httpx.post(f"{url}/_control/advance", json={"seconds": 60}, headers=control, trust_env=False)
        assert later.json()["now"] == "2026-11-10T12:01:00+00:00"
        pods = httpx.get(f"{url}/v2/pods", headers=account, trust_env=False).json()["pods"]
        assert [pod["status"] for pod in pods] == ["RUNNING"]
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
