"""Which requests with the token go no further: closed routes, oddly written paths, pages of other sites."""

import re

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.doubles.echo_server import Echo
from tests.doubles.gateway_container import TOKEN, Door

CLOSED = [
    ("GET", "/internal/logs"),
    ("GET", "/internal/logs/raw"),
    ("PATCH", "/internal/logs/subscribe"),
    ("POST", "/internal/models/download"),
    ("POST", "/models/install"),
    ("POST", "/assets"),
    ("DELETE", "/assets/0b7c"),
    ("POST", "/assets/seed"),
    ("GET", "/manager/reboot"),
    ("POST", "/v2/manager/queue/task"),
    ("POST", "/customnode/install/git_url"),
    ("GET", "/v2/customnode/getmappings"),
    ("GET", "/v2/snapshot/restore"),
    ("GET", "/externalmodel/getlist"),
    ("POST", "/users"),
    ("POST", "/userdata/__manager%2Fconfig.ini"),
    ("POST", "/userdata/ComfyUI-Manager%2fconfig.json"),
    ("POST", "/userdata/workflows%2Fa.html"),
    ("POST", "/userdata/workflows%2Fa.json/move/__manager%2Fconfig.json"),
    ("DELETE", "/userdata/comfy.settings.json"),
    ("GET", "/vhs/getpath?path=/"),
]


OPEN = [
    ("GET", "/users"),
    ("GET", "/internal/folder_paths"),
    ("GET", "/internal/files/input"),
    ("GET", "/models/vae"),
    ("GET", "/assets/index-1.js"),
    ("POST", "/free"),
    ("POST", "/settings"),
    ("POST", "/upload/image"),
    ("GET", "/userdata?dir=workflows"),
    ("POST", "/userdata/workflows%2F%E6%AD%A9%E3%81%8F%20100%25.json?overwrite=true"),
    ("POST", "/userdata/workflows%2Fa.json/move/workflows%2Fb.json"),
    ("DELETE", "/userdata/subgraphs%2Fa.json"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_closed_routes(door: Door, echo: Echo, method: str, path: str) -> None:
    """What is on the list stays closed with the token, also under `/api`, in capitals and with more behind it."""
    before = len(echo.seen)
    letters = path.partition("%")[0]
    for form in (path, f"/api{path}", f"/API{path}", path.replace(letters, letters.upper())):
        answer = door.http.request(method, form, headers=door.bearer)

        assert answer.status_code == 403, form
        assert answer.json()["error"].startswith("this route is closed: ")
    assert len(echo.seen) == before


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_open_routes(door: Door, method: str, path: str) -> None:
    """What programs and ComfyUI's page need is open, and arrives as it was sent."""
    for form in (path, f"/api{path}"):
        assert door.http.request(method, form, headers=door.session).json()["path"] == form


ODD = [
    "//internal/logs",
    "/internal//logs",
    "/./internal/logs",
    "/internal/./logs",
    "/x/../internal/logs",
    "/internal/logs/.",
    "/internal/x/..",
    "/%2e/internal/logs",
    "/x/%2e%2e/internal/logs",
    "/x/%2E./internal/logs",
    "/x%2f..%2finternal/logs",
    "/internal%2flogs",
    "/internal%2Flogs",
    "/%69nternal/logs",
    "/internal/%6Cogs",
    "/internal/lo%67s",
    "/%2569nternal/logs",
    "/internal%252flogs",
    "/internal\\logs",
    "/internal%5clogs",
    "/internal;x/logs",
    "/internal%3bx/logs",
    "/internal/logs%0a",
    "/internal/logs%00",
    "/videogen/../internal/logs",
    "/videogen/%2e%2e/internal/logs",
    "/userdata/workflows%2F..%2F__manager%2Fc.json",
    "/userdata/%2e%2e/internal/logs",
    "/userdata//internal/logs",
    "/api//internal/logs",
    "/view/..",
    "/..",
]


@pytest.mark.parametrize("path", ODD)
def test_odd_paths(door: Door, echo: Echo, agent: Echo, path: str) -> None:
    """A path that could be read in two ways goes no further with the token, and opens nothing without it."""
    before = len(echo.seen) + len(agent.seen)
    for method in ("GET", "POST"):
        for target in (path, f"{door.url}{path}"):
            head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n"

            assert re.match(r"HTTP/1.1 40[03] ", door.say(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n"))
            assert re.match(r"HTTP/1.1 40[01] ", door.say(f"{head}\r\n"))
    assert len(echo.seen) + len(agent.seen) == before


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://other.proxy.example"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:1"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_sites(door: Door, headers: dict[str, str]) -> None:
    """A page of another site cannot use the cookie of who visits it, neither to post nor for a socket."""
    answer = door.http.post("/prompt", headers=door.session | headers)

    assert (answer.status_code, answer.json()["error"]) == (403, "the request comes from a page of another site")
    with pytest.raises(InvalidStatus, match="403"):
        connect(door.ws(), additional_headers=door.session | headers, proxy=None)


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin", "Origin": "https://pod-8080.proxy.example"}])
def test_own_page(door: Door, headers: dict[str, str]) -> None:
    """ComfyUI's own page is let through, also where a provider's proxy has changed Host."""
    own = {"Origin": door.url} | headers

    assert door.http.post("/prompt", headers=door.session | own).status_code == 200


def test_headers(door: Door) -> None:
    """No answer names a version, is shown in a frame of another page, or invites other sites."""
    for answer in (door.http.get("/", headers=door.bearer), door.http.get("/"), door.http.get("/login")):
        assert answer.headers["server"] == "nginx"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert (
        door.http.get("/view?filename=a.svg", headers=door.bearer)
        .headers["content-security-policy"]
        .endswith("; sandbox")
    )
