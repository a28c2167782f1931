"""Starts the image's own entrypoint as a process, with a disk, ports and a lock of its own, and looks at it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.doubles.s3_server import S3Server
from videogen import manifest, port
from videogen.boot_report import WorkerStatus
from videogen.secret import Secret
from videogen.standin import weights
from videogen.store import manifest_key, model_key
from videogen.worker_environment import WorkerEnvironment

REPOSITORY = Path(__file__).resolve().parents[2]
ENTRYPOINT = REPOSITORY / "images" / "comfyui" / "entrypoint.py"
TOKEN = Secret("a-token-of-the-tests")
DEADLINE = 20.0

MODELS = {"high": ("diffusion_models", "wan2.2/high.safetensors"), "vae": ("vae", "vae/vae.safetensors")}


def manifest_text(size: int = 4096) -> str:
    """A manifest of two small models that the stand-in can load."""
    models = [
        {
            "name": name,
            "role": "stands in",
            "file": file,
            "comfy_folder": folder,
            "size": size,
            "sha256": weights.sha256(name, size),
            "source": "stand-in",
            "license": "none",
        }
        for name, (folder, file) in MODELS.items()
    ]
    return json.dumps({"schema": 1, "models": models})


def fill(server: S3Server, text: str, replaced: Mapping[str, bytes | None] | None = None) -> str:
    """Puts a manifest and the bytes of its models into the store, for some other bytes or none; its digest."""
    store = server.store()
    for model in manifest.parse(text, "manifest").models:
        assert model.size
        assert model.sha256
        data = (replaced or {}).get(model.name, b"".join(weights.weights(model.name, model.size)))
        if data is not None:
            store.put_bytes(store.models, model_key(model.sha256), data)
    return put_manifest(server, text)


def put_manifest(server: S3Server, text: str, digest: str | None = None) -> str:
    """Puts only a manifest, under its own digest or another; that digest."""
    store = server.store()
    digest = digest or manifest.digest(text)
    store.put_bytes(store.models, manifest_key(digest), text.encode())
    return digest


def settings(server: S3Server, disk: Path, digest: str, **more: Any) -> WorkerEnvironment:
    """What a starter would tell this worker; `more` replaces single fields."""
    ports = port.free(["comfyui", "agent"])
    values = {
        "worker": "w1",
        "stack": "test",
        "phase": "a",
        "workspace": disk,
        "manifest": digest,
        "store_endpoint": server.place.endpoint,
        "store_region": server.place.region,
        "store_models": server.place.models,
        "store_outputs": server.place.outputs,
        "store_key": server.access.key,
        "store_secret": server.access.secret,
        "token": TOKEN,
        "comfyui_port": ports["comfyui"],
        "agent_port": ports["agent"],
        "lease_minutes": 10.0,
        "idle_minutes": 10.0,
        "boot_minutes": 1.0,
        "linger_seconds": 0.5,
        "log_ship_seconds": 0,
    }
    return WorkerEnvironment.model_validate(values | more)


@dataclass
class WorkerProcess:
    """A worker that was started; `log` is all that it says."""

    settings: WorkerEnvironment
    process: subprocess.Popen[bytes]
    lock: Path
    log: Path
    seen: list[WorkerStatus] = field(default_factory=list)

    def status(self) -> WorkerStatus | None:
        """What its agent says now; nothing when it does not answer."""
        try:
            answer = httpx.get(f"{self.agent}/status", headers=bearer(), trust_env=False)
        except httpx.TransportError:
            return None
        self.seen.append(WorkerStatus.model_validate_json(answer.raise_for_status().content))
        return self.seen[-1]

    def until(self, true: Callable[[WorkerStatus], bool], seconds: float = DEADLINE) -> WorkerStatus:
        """Its status, once that is true of it."""
        for _ in ticks(seconds):
            status = self.status()
            if status and true(status):
                return status
            assert self.process.poll() is None or status, f"it ended: {self.said()}"
        raise AssertionError(f"never true; last: {self.seen[-1:]}; it said: {self.said()}")

    def ready(self) -> WorkerStatus:
        """Its status, once it is ready."""
        return self.until(lambda status: status.state == "ready")

    def failed(self) -> WorkerStatus:
        """Its status, once it failed."""
        return self.until(lambda status: status.state == "failed")

    def ends(self, seconds: float = DEADLINE) -> int:
        """Its exit code, once nothing of it is left."""
        code = self.process.wait(seconds)
        self.is_gone()
        return code

    def is_gone(self, seconds: float = 5.0) -> None:
        """Waits until nobody holds its lock and its process group is empty."""
        for _ in ticks(seconds):
            if not self.holds_lock() and not self.members():
                return
        raise AssertionError(f"left: {[Path(f'/proc/{pid}/cmdline').read_bytes() for pid in self.members()]}")

    def holds_lock(self) -> bool:
        """Whether a process of it has the lock file open."""
        with self.lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def members(self) -> list[int]:
        """The processes of its group, zombies left out."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if int(group) == self.process.pid and state != "Z":
                    found.append(int(entry.name))
        return found

    def comfyui(self) -> int:
        """The process number of its ComfyUI."""
        (found,) = [pid for pid in self.members() if b"videogen.standin" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return found

    def kill_comfyui(self) -> None:
        """As the system does when memory runs out."""
        os.kill(self.comfyui(), signal.SIGKILL)

    def said(self) -> str:
        """Its log."""
        return self.log.read_text()

    @property
    def url(self) -> str:
        """ComfyUI's address."""
        return f"http://127.0.0.1:{self.settings.comfyui_port}"

    @property
    def agent(self) -> str:
        """Its agent's address."""
        return f"http://127.0.0.1:{self.settings.agent_port}"


@contextmanager
def worker(
    wanted: WorkerEnvironment, folder: Path, prefix: Sequence[str] = (), **variables: str
) -> Iterator[WorkerProcess]:
    """A worker, as its starter starts it; whatever is left of it is killed afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted.workspace.mkdir(parents=True, exist_ok=True)
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**base, "PYTHONPATH": str(REPOSITORY / "src"), **wanted.variables(), **variables}
    with (folder / "lock").open("w") as lock, (folder / "log").open("wb") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [*prefix, sys.executable, str(ENTRYPOINT)],
            env={**environment, "VIDEOGEN_LOCK_FD": str(lock.fileno())},
            cwd=wanted.workspace,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock.fileno(),),
            start_new_session=True,
        )
    started = WorkerProcess(wanted, process, folder / "lock", folder / "log")
    try:
        yield started
    finally:
        for pid in started.members():
            os.kill(pid, signal.SIGKILL)
        process.wait(DEADLINE)


def bearer() -> dict[str, str]:
    """The header that the agent wants."""
    return {"Authorization": f"Bearer {TOKEN.reveal()}"}


def ticks(seconds: float) -> Iterator[None]:
    """Moments to look again, until the deadline."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.02)
