"""A store for the tests of failures."""

import pytest

from tests.doubles.s3_server import S3Server
from videogen.store import Store


@pytest.fixture
def store(s3: S3Server) -> Store:
    """A store of this test's own."""
    return s3.store()
