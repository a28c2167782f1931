"""Jobs side by side: workers, needs, and the one machine that does the post steps."""

import pytest

from videogen.planner.schedule import Timed, wall_seconds


def row(*seconds: float) -> list[Timed]:
    return [Timed(f"j{number}", one) for number, one in enumerate(seconds)]


@pytest.mark.parametrize(
    ("jobs", "workers", "seconds"),
    [
        ([], 2, 0),
        (row(5, 5, 5), 1, 15),
        (row(5, 5, 5), 2, 10),
        (row(9, 1, 1, 1), 2, 9),
        (row(5, 5, 5), 8, 5),
    ],
)
def test_each_worker_takes_the_next_job(jobs: list[Timed], workers: int, seconds: float) -> None:
    """Independent jobs go to whoever is free, in their order."""
    assert wall_seconds(jobs, workers) == seconds


def test_a_chain_is_as_long_as_its_needs() -> None:
    """What needs another job waits for it, whatever workers are idle; meanwhile other jobs are done."""
    chain = [Timed("a", 5), Timed("b", 5, ("a",)), Timed("c", 5, ("b",))]
    assert wall_seconds(chain, 4) == 15
    assert wall_seconds([*chain, Timed("d", 10)], 2) == 15
    assert wall_seconds([*chain, Timed("d", 10)], 1) == 25


def test_a_job_waits_for_the_last_of_its_needs() -> None:
    """Also where one job is needed for two inputs."""
    jobs = [Timed("a", 1), Timed("b", 7), Timed("c", 2, ("a", "b", "a"))]
    assert wall_seconds(jobs, 2) == 9


def test_post_steps_take_no_worker() -> None:
    """They are done here, one at a time, while the workers go on."""
    jobs = [Timed("a", 5), Timed("p", 50, ("a",), here=True), Timed("b", 5), Timed("q", 50, ("b",), here=True)]
    assert wall_seconds(jobs, 1) == 105
