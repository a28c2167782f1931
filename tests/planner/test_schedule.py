"""Jobs side by side: workers, needs, the order in which they are taken, and the machine that does the post steps."""

from collections.abc import Mapping
from random import Random

import pytest

from videogen.board import Board
from videogen.dispatch import Waiting
from videogen.planner.schedule import Course, Timed, course


def row(*seconds: float) -> list[Timed]:
    return [Timed(Waiting(f"j{number}"), one) for number, one in enumerate(seconds)]


def timed(job: str, seconds: float, *needs: str, here: bool = False, after: int = 0, video: int = 0) -> Timed:
    return Timed(Waiting(job, needs=frozenset(needs), here=here, after=after, video=video), seconds)


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
    assert course(jobs, workers).whole == seconds


def test_a_chain_is_as_long_as_its_needs() -> None:
    """What needs another job waits for it, whatever workers are idle; meanwhile other jobs are done."""
    chain = [timed("a", 5, after=2), timed("b", 5, "a", after=1), timed("c", 5, "b")]
    assert course(chain, 4).whole == 15
    assert course([*chain, timed("d", 10)], 2).whole == 15
    assert course([*chain, timed("d", 10)], 1).whole == 25


def test_the_longest_chain_goes_first() -> None:
    """What stands first in the plan waits for that behind which most others wait: nobody is idle at the end."""
    jobs = [timed("x", 5), timed("y", 5), timed("a", 5, after=1), timed("b", 5, "a")]
    assert course(jobs, 2) == Course(10, 10, ("a", "x", "y", "b"), frozenset())


def test_a_job_waits_for_the_last_of_its_needs() -> None:
    """Also where one job is needed for two inputs."""
    jobs = [timed("a", 1, after=1), timed("b", 7, after=1), timed("c", 2, "a", "b")]
    assert course(jobs, 2).whole == 9


def test_post_steps_take_no_worker() -> None:
    """They are done here, one at a time, while the workers go on; what is left then waits until these are gone."""
    jobs = [timed("a", 5), timed("p", 50, "a", here=True), timed("b", 5), timed("q", 50, "b", here=True)]
    found = course(jobs, 1)
    assert (found.whole, found.rented) == (105, 55)  # `p` runs when the last worker is done, and the run waits for it


def test_nobody_pays_for_the_last_post_step() -> None:
    """The workers are needed until the last video is drawn."""
    found = course([timed("a", 5, after=1), timed("p", 50, "a", here=True)], 2)
    assert (found.rented, found.whole) == (5, 55)


def test_a_job_is_left_to_the_worker_that_has_its_models() -> None:
    """One chain loads its models once: the other worker, idle and cold, stays so."""
    names = [f"s{number}" for number in range(4)]
    needs = [frozenset[str](), *(frozenset({name}) for name in names)]
    waits = [Waiting(name, needs=needs[at], after=3 - at, workflow="draw") for at, name in enumerate(names)]
    found = course([Timed(one, 5, loading=7) for one in waits], 2)
    assert (found.loading, found.whole) == (frozenset({"s0"}), 27)


def chains(dice: Random) -> list[Timed]:
    """Videos of segments that need each other, some enlarged, and what stands alone; no two times are equal."""
    found: list[Timed] = []
    for video in range(dice.randint(1, 4)):
        segments = dice.randint(1, 4)
        for at in range(segments):
            name = f"v{video}s{at}"
            needs = frozenset({f"v{video}s{at - 1}"} if at else ())
            one = Waiting(name, needs=needs, after=segments - at, video=video, workflow="draw")
            found.append(Timed(one, dice.uniform(1, 9)))
            big = Waiting(f"{name}big", needs=frozenset({name}), after=1, video=video, workflow="enlarge")
            found.append(Timed(big, dice.uniform(1, 9)))
        every = frozenset(f"v{video}s{at}big" for at in range(segments))
        found.append(Timed(Waiting(f"v{video}", needs=every, here=True, video=video), dice.uniform(1, 9)))
    return found


def as_the_board_gives(jobs: list[Timed], workers: int) -> tuple[str, ...]:
    """The same batch on the board itself, with the words that `submit` says to it."""
    board = Board({f"w{number}" for number in range(workers)}, [one.waiting for one in jobs])
    seconds: Mapping[str, float] = {one.waiting.job: one.seconds for one in jobs}
    idle, order, running = [f"w{number}" for number in range(workers)], list[str](), list[tuple[float, str, str]]()
    here_until, now = 0.0, 0.0

    def ask(worker: str) -> None:
        turn = board.take(worker)
        if turn is None:
            idle.append(worker)
        else:
            order.append(turn.job)
            running.append((now + seconds[turn.job], worker, turn.job))

    while True:
        for worker in tuple(idle):
            idle.remove(worker)
            ask(worker)
        if here_until <= now and (post := board.take_here()):
            here_until = now + seconds[post]
            running.append((here_until, "", post))
        if not running:
            return tuple(order)
        now, worker, job = min(running)
        running.remove((now, worker, job))
        if worker:
            ask(worker)
        board.met(job)
        board.settle([job])


@pytest.mark.parametrize("seed", range(60))
def test_the_order_is_that_of_the_board(seed: int) -> None:
    """Whatever chains on however many workers: the forecast takes jobs exactly as `submit` does."""
    dice = Random(seed)
    jobs, workers = chains(dice), dice.randint(1, 4)
    assert course(jobs, workers).order == as_the_board_gives(jobs, workers)


def test_ten_thousand_jobs_are_quick() -> None:
    """The largest batch is planned in seconds, however long its chains."""
    lone = row(*range(1, 5001))
    chain = [timed(f"c{at}", 3, *([f"c{at - 1}"] if at else []), after=5000 - at, video=at // 50) for at in range(5000)]
    assert course([*lone, *chain], 8).whole > 0
