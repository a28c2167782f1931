"""Starts the stand-in ComfyUI as a process on a free port, in a folder of its own."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

SOURCE = Path(__file__).resolve().parents[2] / "src"
DEADLINE = 20.0


@dataclass
class StandinProcess:
    """A running stand-in; `base` holds its models, input, output and temp directories."""

    url: str
    base: Path
    process: subprocess.Popen[str]
    http: httpx.Client

    def post(self, prompt: dict[str, Any], **more: Any) -> Any:
        """Post a prompt; the answer's JSON."""
        return self.http.post("/prompt", json={"prompt": prompt, **more}).json()

    def ended(self, prompt_id: str) -> Any:
        """The history of a prompt, once it is there."""
        for _ in ticks():
            history = self.http.get(f"/history/{prompt_id}").json()
            if history:
                return history[prompt_id]
        raise AssertionError("the prompt did not end")

    def idle(self) -> None:
        """Wait until nothing runs or waits."""
        for _ in ticks():
            if not self.http.get("/prompt").json()["exec_info"]["queue_remaining"]:
                return
        raise AssertionError("the queue did not empty")

    def faults(self, *faults: dict[str, Any]) -> None:
        """Replace all faults."""
        self.http.post("/standin/faults", json=list(faults)).raise_for_status()

    def stats(self) -> Any:
        """The stand-in's counters."""
        return self.http.get("/standin/stats").json()

    @contextlib.contextmanager
    def socket(self, client: str | None) -> Iterator["Ear"]:
        """A connected websocket that negotiates features when it has a client id, as real clients do."""
        query = f"?clientId={client}" if client else ""
        with connect(f"{self.url.replace('http', 'ws')}/ws{query}") as connection:
            if client:
                connection.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
            yield Ear(connection)


@dataclass
class Ear:
    """One socket and what it hears."""

    connection: ClientConnection

    def hear(self, until: Any, seconds: float = DEADLINE) -> list[dict[str, Any]]:
        """Events up to and with the first for which `until(event)` holds."""
        heard: list[dict[str, Any]] = []
        end = time.monotonic() + seconds
        while not heard or not until(heard[-1]):
            heard.append(json.loads(self.connection.recv(timeout=max(0.01, end - time.monotonic()))))
        return heard

    def silence(self, seconds: float) -> list[dict[str, Any]]:
        """What is heard in that time, often nothing."""
        heard: list[dict[str, Any]] = []
        end = time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while True:
                heard.append(json.loads(self.connection.recv(timeout=max(0.0, end - time.monotonic()))))
        return heard


def over(event: dict[str, Any]) -> bool:
    """Whether this event is the last one of a prompt."""
    return event["type"] == "executing" and event["data"]["node"] is None


def ticks(seconds: float = DEADLINE) -> Iterator[None]:
    """Moments to look again, until the deadline."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.02)


def command(base: Path, *flags: str) -> list[str]:
    """The command line of a stand-in in `base`, on a free port."""
    return [sys.executable, "-m", "videogen.standin", "--port", "0", "--base-directory", str(base), *flags]


def environment(faults: Any = None) -> dict[str, str]:
    """The environment of such a process."""
    own = {"PYTHONPATH": str(SOURCE)} | ({"STANDIN_FAULTS": json.dumps(faults)} if faults else {})
    return {**os.environ, **own}


@contextlib.contextmanager
def standin(base: Path, *flags: str, faults: Any = None) -> Iterator[StandinProcess]:
    """A running stand-in, ended afterwards."""
    process = subprocess.Popen(command(base, *flags), stderr=subprocess.PIPE, text=True, env=environment(faults))
    with process:
        assert process.stderr is not None
        try:
            url = next((line.split()[-1] for line in process.stderr if "go to:" in line), None)
            assert url, f"the stand-in did not start, code {process.wait(DEADLINE)}"
            with httpx.Client(base_url=url, timeout=DEADLINE) as http:
                yield StandinProcess(url, base, process, http)
        finally:
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
