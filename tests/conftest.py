"""Fixtures that more than one folder of tests needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.s3_server import S3Server


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    """A real S3 server of this test's own."""
    folder = tmp_path / "s3"
    folder.mkdir()
    with S3Server(folder) as server:
        yield server
