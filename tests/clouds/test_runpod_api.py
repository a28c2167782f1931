"""RunPod's REST API as seen by its client: what is asked again, what is obeyed, what is unknown."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from videogen import port
from videogen.errors import CloudError, CloudUnknown
from videogen.pace import Pace
from videogen.runpod_api import Denied, RateLimited, RunpodApi
from videogen.secret import Secret

KEY = "rpa_a_key_that_nobody_may_see"

Said = tuple[int, Any, dict[str, str]]


@contextmanager
def api(*answers: Said) -> Iterator[tuple[RunpodApi, list[float], list[str]]]:
    """A client of a server that gives these answers in turn, the last one for ever; its waits, and who asked."""
    left, waits, agents = list(answers), [], []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            agents.append(self.headers["User-Agent"])
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body, headers = left.pop(0) if len(left) > 1 else left[0]
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_DELETE = do_GET  # noqa: N815 (the names of the standard library)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    now = [0.0]

    def wait(_event: threading.Event, seconds: float) -> bool:
        waits.append(seconds)
        now[0] += seconds
        return False

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        pace = Pace(now=lambda: now[0], wait=wait)
        yield (
            RunpodApi(f"http://127.0.0.1:{server.server_port}", Secret(KEY), pace=pace, answer_seconds=2),
            waits,
            agents,
        )
        server.shutdown()
        thread.join(5)


OK: Said = (200, {"pods": []}, {})


def test_a_question_is_asked_again() -> None:
    """After 5xx, after words that are no JSON, after 429 for as long as it says; with a name of our own."""
    busy: Said = (429, {"title": "Too Many Requests"}, {"Retry-After": "12"})
    with api((503, {}, {}), (200, b"<html>", {}), busy, OK) as (client, waits, agents):
        assert client.get("/pods").body == {"pods": []}
        assert waits == [1, 2, 12]
        assert all(agent.startswith("video-gen/") for agent in agents)


def test_a_limit_that_says_no_time_ends_too() -> None:
    """`Retry-After: 0`: it is asked each second, until patience is over; an order may come again in a second."""
    with api((429, {"detail": "slow down"}, {"Retry-After": "0"})) as (client, waits, _):
        with pytest.raises(CloudUnknown, match="slow down"):
            client.get("/pods")
        with pytest.raises(RateLimited) as caught:
            client.order("POST", "/pods", {})
        assert (set(waits), sum(waits), caught.value.seconds) == ({1}, 60, 1)


def test_patience_ends() -> None:
    """After a minute it is unknown, with the last words; a limit that lasts longer is not waited for."""
    with api((503, {"detail": "upstream"}, {})) as (client, waits, _):
        with pytest.raises(CloudUnknown, match="/pods: HTTP 503: upstream"):
            client.get("/pods")
        assert sum(waits) <= 60
    with api((429, {"detail": "for the day window"}, {"Retry-After": "40000"})) as (client, waits, _):
        with pytest.raises(CloudUnknown, match="for the day window"):
            client.get("/pods")
        assert waits == []


@pytest.mark.parametrize("status", [401, 403, 410])
def test_a_refused_question_is_unknown_at_once(status: int) -> None:
    """Neither there nor gone may be concluded; the hint says what the key needs."""
    with api((status, {"detail": f"no, {KEY}"}, {})) as (client, waits, _):
        with pytest.raises(Denied) as caught:
            client.get("/pods/x")
        assert (waits, KEY in str(caught.value)) == ([], False)
        assert ("RUNPOD_API_KEY" in (caught.value.hint or "")) == (status != 410)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"pods": None},
        {"pods": [1]},
        {"pods": [], "pagination": {"hasNextPage": True}},
        {"pods": [], "pagination": {"hasNextPage": True, "nextCursor": "same"}},
        {"pods": [], "pagination": {"nextCursor": "and then?"}},
        {"pods": [], "pagination": [1]},
    ],
)
def test_an_odd_list_is_unknown(body: object) -> None:
    """A list of another shape, or one that cannot be followed to its end, is no list."""
    with api((200, body, {})) as (client, _, _), pytest.raises(CloudUnknown):
        list(client.pages("/pods", "pods"))


def test_an_order_is_given_once() -> None:
    """Refusals, limits and silence are told apart, and nothing is sent twice."""
    with api((429, {"detail": "slow down"}, {"Retry-After": "9"})) as (client, waits, agents):
        with pytest.raises(RateLimited, match="slow down") as caught:
            client.order("POST", "/pods", {})
        assert (caught.value.seconds, waits, len(agents)) == (9, [], 1)
    with api((502, {}, {})) as (client, _, agents):
        with pytest.raises(CloudUnknown, match="HTTP 502"):
            client.order("POST", "/pods", {})
        assert len(agents) == 1
    with api((201, b"<html>", {})) as (client, _, _), pytest.raises(CloudUnknown):
        client.order("POST", "/pods", {})


def test_a_used_up_window_is_closed() -> None:
    """When no request is left, a question waits for the new window and an order says when it may come."""
    spent: Said = (200, {"pods": []}, {"RateLimit": '"minute";r=0;t=12, "hour";r=2800;t=1812'})
    with api(spent, OK) as (client, waits, agents):
        client.get("/pods")
        with pytest.raises(RateLimited) as caught:
            client.order("POST", "/pods", {})
        assert (caught.value.seconds, len(agents)) == (12, 1)
        client.get("/pods")
        assert waits == [12]


def test_nobody_there_is_nothing_done() -> None:
    """An order that could not even be sent created nothing; a question is unknown."""
    free = port.free(["runpod"])["runpod"]
    pace = Pace(now=iter(range(1000)).__next__, wait=lambda _event, _seconds: False)
    client = RunpodApi(f"http://127.0.0.1:{free}", Secret(KEY), pace=pace, patience_seconds=5)

    with pytest.raises(CloudError, match="cannot be reached") as caught:
        client.order("POST", "/pods", {})
    assert not isinstance(caught.value, CloudUnknown)
    with pytest.raises(CloudUnknown):
        client.get("/pods")
