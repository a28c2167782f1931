"""A Docker engine, the image built on it once, and containers of it.

Without an engine that answers, `tools/engine.sh` starts a private one and stops it after the last test; where that is
not possible either, these tests fail and say why: a skipped image proves nothing.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import testinfra

from tests.doubles.worker_container import S3Container

ROOT = Path(__file__).resolve().parents[2]
STARTED = "engine ready"
BUILD_SECONDS = 400


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a session waits for engine and image."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


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


class Start(Protocol):
    """Starts a container of the image, which is removed after the test.

    `command` replaces the image's entrypoint when given. `environment` reaches the container by value, never through an
    argument list. `mounts` are Docker's words (`type=tmpfs,destination=/workspace`), `publish` ports that loopback of
    this machine shall reach, `options` anything else of `docker run`.
    """

    def __call__(
        self,
        *command: str,
        environment: Mapping[str, str] | None = None,
        mounts: Sequence[str] = (),
        network: str | None = None,
        publish: Sequence[int] = (),
        options: Sequence[str] = (),
        image: str | None = None,
    ) -> Container: ...


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """A Docker engine answers to `docker`; VIDEOGEN_TEST_BASE names what can be built on."""
    words = ["bash", "-c", f'env -0; printf "{STARTED}\\0"; cat']
    with (
        pytest.MonkeyPatch.context() as patch,
        subprocess.Popen([ROOT / "tools/engine.sh", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder,
    ):
        # The engine is ours until its standard input ends, also when this process is killed.
        assert holder.stdin
        assert holder.stdout
        said = b""
        while not said.endswith(f"{STARTED}\0".encode()):
            more = os.read(holder.stdout.fileno(), 65536)
            if not more:
                pytest.fail(
                    "no Docker engine, and tools/engine.sh could start none: its own words are below", pytrace=False
                )
            said += more
        given = dict(line.split("=", 1) for line in said.decode().split("\0")[:-2])
        for name in ("PATH", "DOCKER_HOST", "DOCKER_BUILDKIT", "VIDEOGEN_TEST_BASE"):
            if name in given:
                patch.setenv(name, given[name])
        yield
        holder.stdin.close()


@pytest.fixture(scope="session")
def image(engine: None) -> str:
    """The image's name: built from this checkout, with the stand-in in ComfyUI's place."""
    name = f"localhost/videogen-test:{uuid.uuid5(uuid.NAMESPACE_URL, str(ROOT)).hex[:12]}"
    done = both_streams(sys.executable, "tools/build_image.py", "--test", "--tag", name, seconds=BUILD_SECONDS)
    if done.returncode:
        pytest.fail(f"the image cannot be built\n{done.stdout[-6000:]}", pytrace=False)
    return name


@contextlib.contextmanager
def networking() -> Iterator[str]:
    """A network in which containers know each other by name (`options=["--name", …]`)."""
    name = f"videogen-test-{uuid.uuid4().hex[:12]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture
def network(engine: None) -> Iterator[str]:
    """A network of this test's own."""
    with networking() as name:
        yield name


@pytest.fixture(scope="session")
def bucket(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Container]:
    """An S3 server in a container, for all workers of the session."""
    with networking() as name:
        server = S3Container(tmp_path_factory.mktemp("s3"), image, name)
        with server:
            server.store()
            yield server


@pytest.fixture(scope="session")
def bridge(engine: None) -> str:
    """The address of this machine as containers see it: a server for them listens there."""
    return docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")


@pytest.fixture
def container(image: str) -> Iterator[Start]:
    """Starts containers of the image; see `Start`."""
    with starting(image) as start:
        yield start


@pytest.fixture(scope="module")
def shared_container(image: str) -> Iterator[Start]:
    """As `container`, but they live until the module's last test: for tests that only look."""
    with starting(image) as start:
        yield start


@contextlib.contextmanager
def starting(own: str) -> Iterator[Start]:
    """The factory behind the fixtures."""
    started: list[str] = []

    def start(
        *command: str,
        environment: Mapping[str, str] | None = None,
        mounts: Sequence[str] = (),
        network: str | None = None,
        publish: Sequence[int] = (),
        options: Sequence[str] = (),
        image: str | None = None,
    ) -> Container:
        given = environment or {}
        words = ["run", "--detach", *options]
        words += [word for mount in mounts for word in ("--mount", mount)]
        words += [word for port in publish for word in ("--publish", f"127.0.0.1::{port}")]
        words += ["--network", network] if network else []
        words += [word for name in given for word in ("--env", name)]
        words += ["--entrypoint", command[0]] if command else []
        started.append(docker(*words, image or own, *command[1:], env=os.environ | given))
        return Container(started[-1])

    try:
        yield start
    finally:
        if started:
            docker("rm", "--force", "--volumes", *started)
