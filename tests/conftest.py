"""Fixtures that more than one folder of tests needs."""

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests.doubles.s3_server import S3Server
from tests.doubles.standin_process import StandinProcess
from tests.doubles.studio import Lent, workers


def pytest_configure() -> None:
    """Who runs in the background ignores Ctrl-C, and so would every program that a test starts to be interrupted."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one is slow, and proves as much
    hypothesis.settings.load_profile("any machine")


class ByFile(LoadScopeScheduling):
    """Several processes (`-n`) share the files out; all that needs the one Docker engine stays together."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        return "engine" if path.parts[:2] == ("tests", "image") or path.name == "test_engine.py" else str(path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Tests of one file build on each other. `--dist loadgroup` of pytest-xdist 3.8 is deaf with pytest 9.2."""
    return ByFile(config, log)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    """A real S3 server of this test's own."""
    folder = tmp_path / "s3"
    folder.mkdir()
    with S3Server(folder) as server:
        yield server


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[StandinProcess]]:
    """Two stand-ins for all tests that leave them alive."""
    with workers(tmp_path_factory.mktemp("workers"), 2) as two:
        yield two


@pytest.fixture
def two(both: list[StandinProcess]) -> list[Lent]:
    """Both of them, as new."""
    return [Lent.of(process) for process in both]


@pytest.fixture
def one(two: list[Lent]) -> Lent:
    """The first of them."""
    return two[0]
