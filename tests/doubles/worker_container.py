"""A rented worker in a container of the image, and its bucket in another one of the same network."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.doubles.docker_engine import Container, Start
from tests.doubles.s3_server import S3Server, rclone
from tests.doubles.worker_process import settings
from videogen import port, stack_outputs
from videogen.boot_report import WorkerStatus
from videogen.secret import Secret
from videogen.worker_environment import WorkerEnvironment

CANARY = "canary-6b1f0c"
"""Part of every secret of these workers, so that whoever looks for it finds all of them."""
TOKEN = Secret(f"{CANARY}-token-0123456789")
ENTRYPOINT = "/usr/bin/tini -- /opt/venv/bin/python /opt/video-gen/images/comfyui/entrypoint.py"
DEADLINE = 40.0
_PROGRAMS = {
    "tini": "tini",
    "entrypoint.py": "entrypoint",
    "kill -KILL 0": "guard",
    "comfyui/main.py": "ComfyUI",
    "nginx": "gateway",
    "sshd": "sshd",
}
"""Part of a command line → what the worker calls that program."""


class S3Container(S3Server):
    """The server of `S3Server`, in a container: workers find it as `inside`, this machine on a port of loopback."""

    inside = "http://s3:9000"

    def __init__(self, folder: Path, image: str, network: str) -> None:
        super().__init__(folder)
        self.access = stack_outputs.StoreAccess(key=Secret(f"{CANARY}-key"), secret=Secret(f"{CANARY}-secret"))
        self.image, self.network, self.id = image, network, ""

    def start(self) -> None:
        """Starts it; whoever asks at once has to be patient."""
        access = f'"{self.access.key.reveal()},{self.access.secret.reveal()}"'
        words = ["--network", self.network, "--network-alias", "s3", "--publish", f"127.0.0.1:{self.port}:9000"]
        words += [
            "--user",
            f"{os.getuid()}:{os.getgid()}",
            "--env",
            "RCLONE_AUTH_KEY",
            "--env",
            "RCLONE_CONFIG=/dev/null",
        ]
        words += ["--mount", f"type=bind,source={Path(rclone()).resolve()},destination=/rclone,readonly"]
        words += ["--mount", f"type=bind,source={self.folder},destination=/store", "--entrypoint", "/rclone"]
        serve = ["serve", "s3", "--addr", ":9000", "--log-level", "ERROR", "/store"]
        started = self._docker(
            "run", "--detach", *words, self.image, *serve, env=os.environ | {"RCLONE_AUTH_KEY": access}
        )
        self.id = started.strip()

    def kill(self) -> None:
        """Ends it at once."""
        self._docker("rm", "--force", self.id)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Meanwhile it takes connections and answers nothing."""
        self._docker("pause", self.id)
        try:
            yield
        finally:
            self._docker("unpause", self.id)

    @staticmethod
    def _docker(*words: str, **options: Any) -> str:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=False, **options)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)


def wanted(bucket: S3Container, manifest: str, **more: Any) -> WorkerEnvironment:
    """What a starter would tell a worker that is rented; `more` replaces single fields."""
    ports = {"comfyui_port": 8188, "agent_port": 8189, "gateway_port": 8080}
    values = {**ports, "store_endpoint": bucket.inside, "token": TOKEN, "linger_seconds": 60, "log_ship_seconds": 1}
    return settings(bucket, Path("/workspace"), manifest, **{**values, **more})


@dataclass(frozen=True)
class WorkerContainer:
    """A worker that was rented; everything is asked through its gateway."""

    container: Container
    settings: WorkerEnvironment
    url: str

    @property
    def agent(self) -> str:
        """The agent's address."""
        return f"{self.url}/videogen"

    @property
    def bearer(self) -> dict[str, str]:
        """The header that the gateway wants."""
        return {"Authorization": f"Bearer {self.settings.token.reveal()}"}

    def ask(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        """An answer through the gateway."""
        return httpx.request(
            method, f"{self.url}{path}", headers=self.bearer, trust_env=False, timeout=DEADLINE, **more
        )

    def status(self) -> WorkerStatus | None:
        """What its agent says; nothing while it cannot be reached."""
        try:
            answer = self.ask("/videogen/status")
        except httpx.TransportError:
            return None
        return WorkerStatus.model_validate_json(answer.content) if answer.status_code == 200 else None

    def until(self, true: Callable[[WorkerStatus], bool], seconds: float = DEADLINE) -> WorkerStatus:
        """Its status, once that is true of it."""

        def look() -> WorkerStatus | None:
            now = self.status()
            return now if now is not None and true(now) else None

        found: WorkerStatus = self.container.until(look, seconds)
        return found

    def ready(self, **restarts: int) -> WorkerStatus:
        """Its status, once it is ready and has restarted each of these so often."""
        return self.until(lambda now: now.state == "ready" and restarts.items() <= now.restarts.items())

    def failed(self) -> WorkerStatus:
        """Its status, once it failed."""
        return self.until(lambda now: now.state == "failed")

    def says(self, words: str, times: int = 1, seconds: float = DEADLINE) -> None:
        """Waits until its log has the words so often."""
        self.container.until(lambda: self.container.logs().count(words) >= times, seconds)

    def processes(self) -> dict[str, list[tuple[int, str]]]:
        """Name of each program → process number and user of its processes; those of `docker exec` are left out."""
        found: dict[str, list[tuple[int, str]]] = {}
        for one in self.container.run("ps", "-eo", "pid=,ppid=,user=,args=").stdout.splitlines():
            number, parent, user, words = one.split(None, 3)
            if not (parent == "0" and number != "1"):  # `docker exec` has its parent outside
                found.setdefault(_program(words), []).append((int(number), user))
        return found

    def kill(self, program: str) -> None:
        """`kill -9` of a program, by the name that `processes` gives it."""
        ((number, _),) = self.processes()[program]
        self.container.run("kill", "-9", str(number))


def _program(words: str) -> str:
    return next((name for part, name in _PROGRAMS.items() if part in words), words)


def rent(
    start: Start,
    bucket: S3Container,
    settings: WorkerEnvironment,
    *,
    before: str = "",
    mounts: Sequence[str] = (),
    options: Sequence[str] = (),
    **variables: str,
) -> WorkerContainer:
    """Starts a worker. `before`: a shell line that runs in its container first."""
    gate = port.free(["gateway"])["gateway"]
    box = start(
        *(("/bin/sh", "-c", f"{before}\nexec {ENTRYPOINT}") if before else ()),
        environment={**settings.variables(), **variables},
        mounts=mounts,
        network=bucket.network,
        options=["--publish", f"127.0.0.1:{gate}:8080", *options],
    )
    return WorkerContainer(box, settings, f"http://127.0.0.1:{gate}")
