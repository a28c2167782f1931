"""Success rates: what is counted, and how much of a difference may be chance."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tests.failures.test_breakdown import tried
from videogen import cli
from videogen.failure import FailureClass
from videogen.success import success

BAD = FailureClass.BAD_OUTPUT


def test_each_gpu_has_its_row() -> None:
    """Attempts, good ones, jobs and failures are counted for each GPU; the better one comes first."""
    rows = success([tried(1), tried(2, BAD), tried(3), tried(4, gpu="L40S")])

    assert [(row.gpu, row.jobs, row.done, row.attempts, row.good, row.failures) for row in rows] == [
        ("L40S", 1, 1, 1, 1, {}),
        ("RTX4090", 3, 2, 3, 2, {"bad_output": 1}),
    ]
    assert rows[1].seconds == 60.0
    assert success([]) == []


def test_a_few_attempts_prove_little() -> None:
    """The margin is Wilson's: wide for few attempts, also when all of them succeeded."""
    few, many = success([tried(n) for n in range(2)])[0], success([tried(n) for n in range(200)])[0]

    assert few.margin == pytest.approx(0.329, abs=0.001)
    assert many.margin < 0.01


def test_a_second_try_is_no_first() -> None:
    """A job that needed two attempts is done, and did not succeed at first."""
    again = tried(1)
    again = replace(again, attempt=replace(again.attempt, number=2))
    row = success([tried(1, BAD), again])[0]

    assert (row.jobs, row.done, row.first, row.rate) == (1, 1, 0, 0.5)


def test_the_verb_names_a_stack_that_was_never_used() -> None:
    """Without a ledger it is said that nothing was submitted."""
    said = CliRunner().invoke(cli.app, ["outputs", "report", "--stack", "never-used"])

    assert "nothing was submitted on this stack" in str(said.exception)
