"""The ill-behaved S3 does what it is told to, seen by a client that trusts nobody; else it is the real server."""

import time
from collections.abc import Callable
from http.client import HTTPException, IncompleteRead

import pytest
import urllib3

from tests.doubles.bad_s3 import BadS3, Fault
from tests.doubles.s3_server import S3Server

BODY = bytes(range(256)) * 400


@pytest.fixture
def ask(s3: S3Server) -> Callable[[BadS3], urllib3.BaseHTTPResponse]:
    """A ranged GET with no retries."""
    s3.store().put_bytes("models", "x", BODY)

    def get(bad: BadS3) -> urllib3.BaseHTTPResponse:
        client = bad.store()._client.s3
        url = client.generate_presigned_url("get_object", {"Bucket": "models", "Key": "x"})
        span = {"Range": f"bytes=100-{len(BODY) - 1}"}
        with urllib3.PoolManager() as pool:
            return pool.request("GET", url, headers=span, retries=False, timeout=2)

    return get


Ask = Callable[[BadS3], urllib3.BaseHTTPResponse]


def test_without_a_fault_it_is_the_real_server(s3: S3Server, ask: Ask) -> None:
    """Signed requests pass, ranges are kept, and a fault lets those before and after it alone."""
    with BadS3(s3, Fault("error", after=1)) as bad:
        answers = [ask(bad) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 503, 200]
    assert answers[0].data == answers[2].data == BODY[100:]
    assert (bad.asked, bad.hits) == (3, 1)


def test_refusals(s3: S3Server, ask: Ask) -> None:
    """An error has its status and its Retry-After; a refusal is a 403 of S3's kind."""
    with BadS3(s3, Fault("error", status=500, retry_after="7")) as bad:
        answer = ask(bad)
    with BadS3(s3, Fault("forbidden")) as other:
        refusal = ask(other)

    assert (answer.status, answer.headers["Retry-After"]) == (500, "7")
    assert (refusal.status, b"AccessDenied" in refusal.data) == (403, True)


def test_damage(s3: S3Server, ask: Ask) -> None:
    """A flip changes one byte; a truncated answer is short and claims to be whole; `whole` ignores the range."""
    with BadS3(s3, Fault("flipped"), Fault("truncated", after=1), Fault("whole", after=2)) as bad:
        flipped = ask(bad)
    with BadS3(s3, Fault("truncated")) as bad:
        short = ask(bad)
    with BadS3(s3, Fault("whole")) as bad:
        whole = ask(bad)

    assert sum(a != b for a, b in zip(flipped.data, BODY[100:], strict=True)) == 1
    assert 0 < len(short.data) < len(BODY) - 100
    assert (short.status, int(short.headers["Content-Length"])) == (200, len(short.data))
    assert (whole.data, "Content-Range" in whole.headers) == (BODY, False)


@pytest.mark.parametrize("kind", ["too long", "reset"])
def test_answers_that_break(s3: S3Server, ask: Ask, kind: str) -> None:
    """A length that is never reached and a reset are errors to a careful client."""
    with (
        BadS3(s3, Fault(kind)) as bad,  # type: ignore[arg-type]  # a parameter's words
        pytest.raises((urllib3.exceptions.HTTPError, IncompleteRead, HTTPException)),
    ):
        ask(bad)


def test_replaced_silent_and_slow(s3: S3Server, ask: Ask) -> None:
    """The ETag is another one; a silent server says nothing; a slow one takes its time."""
    with BadS3(s3, Fault("replaced")) as bad:
        assert ask(bad).headers["ETag"] == '"another"'
    with BadS3(s3, Fault("silent")) as bad, pytest.raises(urllib3.exceptions.HTTPError):
        ask(bad)
    with BadS3(s3, Fault("slow", rate=len(BODY) * 2)) as bad:
        began = time.monotonic()
        assert ask(bad).data == BODY[100:]
    assert time.monotonic() - began > 0.4


def test_thought(s3: S3Server, ask: Ask) -> None:
    """It thinks before a HEAD and a list, not before a GET."""
    with BadS3(s3, thought=0.5) as bad:
        store, least = bad.store(), list[float]()
        for act in (lambda: store.head("models", "x"), lambda: list(store.list("models", "")), lambda: ask(bad)):
            took = list[float]()
            for _ in range(3):
                began = time.monotonic()
                act()
                took.append(time.monotonic() - began)
            least.append(min(took))

    assert [seconds > 0.5 for seconds in least] == [True, True, False]
