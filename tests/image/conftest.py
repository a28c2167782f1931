"""A Docker engine, the image built on it once, and containers of it.

Without an engine that answers, `tools/engine.sh` starts a private one and stops it after the last test; where that is
not possible either, these tests fail and say why: a skipped image proves nothing.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.docker_engine import ROOT, Start, both_streams, docker, networking, ssh_key
from tests.doubles.worker_container import S3Container
from tests.doubles.worker_process import fill, manifest_text

STARTED = "engine ready"
BUILD_SECONDS = 400


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a session waits for engine and image."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


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


@pytest.fixture(scope="module")
def digest(bucket: S3Container) -> str:
    """A manifest of two very small models, which are in the bucket."""
    return fill(bucket, manifest_text())


@pytest.fixture(scope="session")
def public_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Somebody's key for ssh."""
    return ssh_key(tmp_path_factory.mktemp("keys")).with_suffix(".pub").read_text()


@pytest.fixture
def container(image: str) -> Iterator[Start]:
    """Starts containers of the image; see `Start`."""
    with Start(image) as start:
        yield start


@pytest.fixture(scope="module")
def shared_container(image: str) -> Iterator[Start]:
    """As `container`, but they live until the module's last test: for tests that only look."""
    with Start(image) as start:
        yield start
