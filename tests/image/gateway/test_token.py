"""Nothing is behind the gateway for callers without the token, and everything but the closed routes with it."""

from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.doubles.echo_server import Echo
from tests.doubles.gateway_container import STRANGERS, TOKEN, Door

GUARDED = ["/", "/prompt", "/api/ws", "/view?filename=a.png", "/videogen/status", "/internal/logs", "/LOGIN", "/login/"]
GUARDED += [
    "/logout",
    "/healthz/x",
    "/gateway/x",
    "/right",
    "//x",
    f"/?token={TOKEN}",
    f"/?Authorization=Bearer%20{TOKEN}",
]


@pytest.mark.parametrize("path", GUARDED)
def test_strangers(door: Door, echo: Echo, agent: Echo, path: str) -> None:
    """Without the token, or with it in a wrong form or place, no path gives anything but 401, and nobody behind hears."""
    before = len(echo.seen) + len(agent.seen)
    for method in ("GET", "POST", "OPTIONS"):
        for headers in (
            *STRANGERS,
            {"Cookie": f"videogen={door.cookie.upper()}"},
            {"Cookie": f"xvideogen={door.cookie}"},
        ):
            answer = door.http.request(method, path, headers=headers)

            assert answer.status_code == 401, (method, headers)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json() == {"error": "this needs the token: Authorization: Bearer <token>"}
    assert len(echo.seen) + len(agent.seen) == before


def test_token_and_cookie_open(door: Door) -> None:
    """The token as bearer opens, and so does the cookie, wherever in the header it stands; neither goes further."""
    for headers in (door.bearer, door.session, {"Cookie": f"a=b; videogen={door.cookie}; c=d"}):
        answer = door.http.get("/system_stats?a=%2F&b=1", headers=headers).json()

        assert answer["path"] == "/system_stats?a=%2F&b=1"
        assert not {"authorization", "cookie"} & answer["headers"].keys()
        assert answer["headers"]["host"] == urlsplit(door.url).netloc
        assert TOKEN not in str(answer)


def test_agent(door: Door) -> None:
    """The agent is under `/videogen/`; it gets the bearer, which it checks itself, and no cookie."""
    answer = door.http.get("/videogen/status", headers=door.bearer | door.session).json()

    assert answer["path"] == "/status"
    assert answer["headers"]["authorization"] == f"Bearer {TOKEN}"
    assert "cookie" not in answer["headers"]
    assert "authorization" not in door.http.get("/videogen/status", headers=door.session).json()["headers"]


def test_inner_paths(door: Door) -> None:
    """What the gateway asks itself is no address for anybody."""
    for headers in ({}, door.bearer):
        assert door.http.get("/gateway/admitted", headers=headers).status_code == 404


def test_health(door: Door) -> None:
    """Whoever asks for the health learns that the gateway stands, and nothing else."""
    answer = door.http.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"gateway": "ok"})


@pytest.mark.parametrize("headers", STRANGERS[:4])
def test_socket_wants_the_token(comfyui_door: Door, headers: dict[str, str]) -> None:
    """A socket without the token, or with it in the query, is refused before ComfyUI hears of it."""
    for query in ("", f"?token={TOKEN}", f"?clientId=me&Authorization=Bearer%20{TOKEN}"):
        with pytest.raises(InvalidStatus, match="401"):
            connect(comfyui_door.ws(f"/ws{query}"), additional_headers=headers, proxy=None)
