"""What a Docker engine runs for tests, and how they ask it; `tools/engine.sh` gives an engine."""

import contextlib
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import testinfra

from videogen import port as ports

ROOT = Path(__file__).resolve().parents[2]


def docker(*words: str, seconds: float = 60, **options: Any) -> str:
    """What `docker` prints; the test fails with its words when it fails."""
    command = ["docker", *words]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, check=False, **options
    )
    assert done.returncode == 0, f"docker {words[0]}: {done.stderr or done.stdout}"
    return done.stdout.strip()


def both_streams(*command: str, seconds: float) -> "subprocess.CompletedProcess[str]":
    """A command in the repository, with its two streams as one."""
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, cwd=ROOT, check=False
    )


@dataclass(frozen=True)
class Container:
    """A container of the image; `host` asks it as testinfra does."""

    id: str

    @property
    def host(self) -> Any:
        return testinfra.get_host(f"docker://{self.id}")

    def run(self, *command: str, user: str = "root", seconds: float = 30) -> "subprocess.CompletedProcess[str]":
        """A command in it, as a list: no shell."""
        words = ["docker", "exec", "--user", user, self.id, *command]
        return subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)

    def state(self) -> dict[str, Any]:
        """Docker's `State`: Running, ExitCode, OOMKilled, …"""
        state: dict[str, Any] = json.loads(docker("inspect", "--format", "{{json .State}}", self.id))
        return state

    def logs(self) -> str:
        """Everything that it wrote, both streams."""
        return both_streams("docker", "logs", self.id, seconds=30).stdout

    def address(self, port: int) -> str:
        """`127.0.0.1:N`, where this machine reaches a port that was given in `publish`."""
        return docker("port", self.id, str(port)).splitlines()[0]

    def ip(self) -> str:
        """Its address in its first network."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        return docker("inspect", "--format", form, self.id).split()[0]

    def stop(self, grace: int = 20) -> int:
        """SIGTERM, and SIGKILL after the grace; the exit code."""
        docker("stop", "--time", str(grace), self.id, seconds=grace + 30)
        return int(self.state()["ExitCode"])

    def until(self, done: Callable[[], Any], seconds: float = 30) -> Any:
        """The first true answer of `done`; the test fails with the log when the time is over."""
        end = time.monotonic() + seconds
        while not (answer := done()):
            assert time.monotonic() < end, f"still not so after {seconds} s\n{self.logs()}"
            time.sleep(0.1)
        return answer


@dataclass
class Start:
    """Starts containers of an image; they are removed when its `with` block ends."""

    image: str
    _started: list[str] = field(default_factory=list)

    def __call__(
        self,
        *command: str,
        environment: Mapping[str, str] | None = None,
        mounts: Sequence[str] = (),
        network: str | None = None,
        publish: Sequence[int] = (),
        options: Sequence[str] = (),
        image: str | None = None,
    ) -> Container:
        """One that runs.

        `command` replaces the image's entrypoint when given. `environment` reaches the container by value, never through
        an argument list. `mounts` are Docker's words (`type=tmpfs,destination=/workspace`), `publish` ports that loopback
        of this machine shall reach, `options` anything else of `docker run`.
        """
        given = environment or {}
        words = ["run", "--detach", *options]
        words += [word for mount in mounts for word in ("--mount", mount)]
        words += [word for one in publish for word in ("--publish", f"127.0.0.1::{one}")]
        words += ["--network", network] if network else []
        words += [word for name in given for word in ("--env", name)]
        words += ["--entrypoint", command[0]] if command else []
        self._started.append(docker(*words, image or self.image, *command[1:], env=os.environ | given))
        return Container(self._started[-1])

    def python(
        self,
        code: str,
        given: Mapping[str, Any],
        *,
        port: int,
        environment: Mapping[str, str],
        mounts: Sequence[str] = (),
    ) -> Container:
        """One that runs this program on this machine's network and listens on the port; `given` is its argument."""
        box = self(
            "python",
            "-c",
            code,
            json.dumps(given),
            environment=environment,
            mounts=mounts,
            options=["--network", "host"],
        )
        assert ports.wait_open(port, 20, lambda: bool(box.state()["Running"])), box.logs()
        return box

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started:
            docker("rm", "--force", "--volumes", *self._started)


@contextlib.contextmanager
def networking() -> Iterator[str]:
    """A network in which containers know each other by name (`options=["--name", …]`)."""
    name = f"videogen-test-{uuid.uuid4().hex[:12]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


def ssh_key(folder: Path) -> Path:
    """A new key pair in the folder; the private half, whose public one has `.pub` behind its name."""
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "id")]
    subprocess.run(make, check=True, capture_output=True, timeout=30)
    return folder / "id"
