"""The agent says nothing to strangers."""

import http.client
import time
from collections.abc import Iterator

import pytest

from tests.doubles.worker_process import TOKEN
from videogen import agent, port
from videogen.boot_report import WorkerStatus
from videogen.errors import ProcessError
from videogen.lease import LeaseTerms
from videogen.status_board import StatusBoard


@pytest.fixture
def number() -> int:
    """A free port."""
    return port.free(["agent"])["agent"]


@pytest.fixture
def board(number: int) -> Iterator[StatusBoard]:
    """The board of a worker whose agent answers on the port."""
    board = StatusBoard("w1", "d" * 64, LeaseTerms(total=10, idle=10, boot=1), time.monotonic())
    with agent.serving(board, number, TOKEN):
        yield board


def ask(number: int, method: str, path: str, authorization: str | None) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", number, timeout=5)
    try:
        connection.request(method, path, headers={"Authorization": authorization} if authorization is not None else {})
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", TOKEN.reveal(), f"Basic {TOKEN.reveal()}", "Bearer \xe9"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/status"), ("POST", "/stop"), ("PUT", "/lease"), ("GET", "/none")]
)
def test_stranger(board: StatusBoard, number: int, method: str, path: str, authorization: str | None) -> None:
    """Without the token every path answers 401, with no word, and nothing happens."""
    status, body, headers = ask(number, method, path, authorization)

    assert (status, body) == (401, b"")
    assert headers.keys() == {"www-authenticate", "content-type", "content-length"}
    assert board.status().state == "booting"


def test_friend(board: StatusBoard, number: int) -> None:
    """With the token it tells the status, and takes the order to end."""
    bearer = f"Bearer {TOKEN.reveal()}"
    with board.step("models") as say:
        say("half")
        status = WorkerStatus.model_validate_json(ask(number, "GET", "/status", bearer)[1])
    stopped = WorkerStatus.model_validate_json(ask(number, "POST", "/stop", bearer)[1])

    assert (status.steps[-1].name, status.steps[-1].detail, status.steps[-1].seconds) == ("models", "half", None)
    assert stopped.state == "ending"
    assert board.stop.is_set()
    assert ask(number, "GET", "/none", bearer)[0] == 404


def test_first_reason_stays(board: StatusBoard) -> None:
    """A failure after a failure, or after the order to end, changes nothing."""
    with pytest.raises(ProcessError), board.step("one"):
        raise ProcessError("the first")
    board.fail(ProcessError("the second"))
    board.ready()
    board.end("asked")

    assert board.status().state == "failed"
    assert board.status().error == "the first"
