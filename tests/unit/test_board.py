"""What waits for what: jobs are given out when all they need is done, and leave with what they wait for."""

from videogen.board import Board, Turn
from videogen.dispatch import Waiting


def _board() -> Board:
    """draw → more → stitch (here) → large, and one job that needs nobody."""
    waiting = [
        Waiting("draw"),
        Waiting("more", needs=frozenset({"draw"})),
        Waiting("stitch", needs=frozenset({"draw", "more"}), here=True),
        Waiting("large", needs=frozenset({"stitch"})),
        Waiting("alone"),
    ]
    return Board(alive={"w1", "w2"}, waiting=waiting)


def _done(board: Board, job: str) -> None:
    board.met(job)
    board.settle([job])


def test_a_job_waits_for_its_needs() -> None:
    """Workers take what is free, the machine itself takes what is its own, each in its time."""
    board = _board()

    assert [board.take("w1"), board.take("w2"), board.take("w1")] == [Turn("draw"), Turn("alone"), None]
    assert board.take_here() is None
    _done(board, "draw")
    assert [board.peek("w1"), board.take("w1"), board.take("w2")] == ["more", Turn("more"), None]
    _done(board, "more")
    assert [board.take("w1"), board.take_here(), board.take_here()] == [None, "stitch", None]
    assert not board.wants_workers or board.waiting[0].job == "large"
    _done(board, "stitch")
    assert board.take("w2") == Turn("large")


def test_a_job_that_comes_back_keeps_its_place() -> None:
    """Tried again on another worker, a post step still here; what needs it goes on waiting."""
    board = _board()
    board.take("w1")
    board.again("draw", "w1")

    assert [board.take("w1"), board.take("w2")] == [Turn("alone"), Turn("draw")]
    assert board.dependents(["draw"]) == ["more", "stitch", "large"]


def test_what_waits_for_a_job_leaves_with_it() -> None:
    """A job that stays open takes all that need it out of the run, so that nobody waits for ever."""
    board = _board()
    board.take("w1")
    board.settle(["draw"])

    assert [one.job for one in board.waiting] == ["alone"]
    board.take("w2")
    board.settle(["alone"])
    assert board.settled


def test_posts_alone_want_no_worker() -> None:
    """A run that has only post steps left needs nobody."""
    assert not Board(waiting=[Waiting("stitch", here=True)]).wants_workers
    assert Board(waiting=[Waiting("draw")]).wants_workers
