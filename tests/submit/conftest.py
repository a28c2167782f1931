"""Workers for the tests of batches."""

from collections.abc import Iterator

import pytest

from tests.doubles.standin_process import StandinProcess
from tests.doubles.studio import Lent, workers


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
