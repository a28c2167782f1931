"""Fixtures that more than one folder of tests needs."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.s3_server import S3Server


def pytest_configure() -> None:
    """Who runs in the background ignores Ctrl-C, and so would every program that a test starts to be interrupted."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several processes (`-n`) share the files out; all that needs the one Docker engine stays together."""
    for item in items:
        path = item.path.relative_to(Path(__file__).parent)
        group = "engine" if path.parts[0] == "image" or path.name == "test_engine.py" else str(path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    """A real S3 server of this test's own."""
    folder = tmp_path / "s3"
    folder.mkdir()
    with S3Server(folder) as server:
        yield server
