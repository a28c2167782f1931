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


def test_a_segment_goes_where_its_models_are() -> None:
    """Of two workers without work the one that drew last draws on; the other takes what there is beside it."""
    waiting = [
        Waiting("draw-1", after=3, workflow="draw"),
        Waiting("draw-2", needs=frozenset({"draw-1"}), after=2, workflow="draw"),
        Waiting("up-1", needs=frozenset({"draw-1"}), workflow="up"),
        Waiting("up-2", needs=frozenset({"draw-2"}), workflow="up"),
    ]
    board = Board(alive={"w1", "w2"}, waiting=waiting)
    assert [board.take("w1"), board.take("w2")] == [Turn("draw-1"), None]
    assert board.take("w1") is None
    _done(board, "draw-1")

    assert [board.take("w2"), board.take("w1")] == [Turn("up-1"), Turn("draw-2")]
    _done(board, "up-1")
    assert [board.take("w2"), board.take("w1")] == [None, None]
    _done(board, "draw-2")
    assert [board.take("w1"), board.take("w2")] == [None, Turn("up-2")]


def test_a_worker_that_is_gone_is_not_waited_for() -> None:
    """Models at hand on a worker that was lost, or on which the job failed, help nobody."""
    board = Board(alive={"w1", "w2"}, waiting=[Waiting("draw-1", workflow="draw"), Waiting("draw-2", workflow="draw")])
    assert [board.take("w1"), board.take("w2")] == [Turn("draw-1"), Turn("draw-2")]
    board.last["w2"] = "up"
    board.again("draw-1", "w1")
    assert board.take("w1") is None
    assert board.take("w2") == Turn("draw-1")
    board.again("draw-1")
    assert board.take("w1") is None
    board.drop("w1")
    assert board.take("w2") == Turn("draw-1")


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
