"""The gateway with the image's own nginx. What it guards is on this machine: a stand-in, or a server that echoes."""

import json
import re
import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.doubles import browser
from tests.doubles.echo_server import Echo, echo_server
from tests.doubles.standin_process import DEADLINE, Ear, StandinProcess, over, standin
from tests.image.conftest import Container, Start
from videogen import port
from videogen.gateway import GatewaySettings
from videogen.secret import Secret

TOKEN = secrets.token_urlsafe(32)
RUN = "/run/videogen/gateway"
RUNS_IT = """
import json, os, pathlib, pwd, sys
from videogen import gateway
from videogen.secret import Secret
given = json.loads(sys.argv[1])
paths = {name: pathlib.Path(given.pop(name)) for name in ("run", "certificate", "key") if name in given}
settings = gateway.GatewaySettings(token=Secret(os.environ["TOKEN"]), **paths, **given)
gateway.prepare(settings, user="gateway")
who = pwd.getpwnam("gateway")
os.setgroups([]); os.setgid(who.pw_gid); os.setuid(who.pw_uid)
argv = gateway.command(settings)
os.execve(argv[0], argv, dict(gateway.environment()))
"""
LIMIT_MB = 8
SLOW_SECONDS = 1


@dataclass
class Door:
    """A running gateway."""

    url: str
    container: Container
    http: httpx.Client
    cookie: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}

    @property
    def session(self) -> dict[str, str]:
        return {"Cookie": f"videogen={self.cookie}"}

    def raw(self) -> socket.socket:
        """A connection without a client's manners."""
        return socket.create_connection(("127.0.0.1", urlsplit(self.url).port or 0), timeout=10)

    def say(self, request: str) -> str:
        """What comes back for these characters, until the gateway closes."""
        with self.raw() as connection:
            connection.sendall(request.encode())
            said = b""
            while part := connection.recv(65536):
                said += part
        return said.decode(errors="replace")


OpenDoor = Callable[..., Door]


@pytest.fixture(scope="module")
def opened(shared_container: Start) -> Iterator[OpenDoor]:
    """Starts a gateway before that port."""
    clients: list[httpx.Client] = []

    def start(comfyui_port: int, agent_port: int, mounts: tuple[str, ...] = (), **more: Any) -> Door:
        public = port.free(["gateway"])["gateway"]
        given = {"port": public, "comfyui_port": comfyui_port, "agent_port": agent_port, "run": RUN}
        given |= {"upload_limit_mb": LIMIT_MB, "slow_client_seconds": SLOW_SECONDS} | more
        box = shared_container(
            "python",
            "-c",
            RUNS_IT,
            json.dumps(given),
            environment={"TOKEN": TOKEN},
            mounts=mounts,
            options=["--network", "host"],
        )
        assert port.wait_open(public, 20, lambda: bool(box.state()["Running"])), box.logs()
        settings = GatewaySettings(public, comfyui_port, agent_port, Secret(TOKEN), Path(RUN))
        url = f"{'https' if 'certificate' in more else 'http'}://127.0.0.1:{public}"
        clients.append(httpx.Client(base_url=url, timeout=DEADLINE, verify="certificate" not in more, trust_env=False))
        return Door(url, box, clients[-1], settings.cookie)

    yield start
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with echo_server() as server:
        yield server


@pytest.fixture(scope="module")
def agent() -> Iterator[Echo]:
    with echo_server() as server:
        yield server


@pytest.fixture(scope="module")
def door(opened: OpenDoor, echo: Echo, agent: Echo) -> Door:
    """A gateway before servers that echo."""
    return opened(echo.port, agent.port, strangers_per_second=100_000)


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandinProcess]:
    with standin(tmp_path_factory.mktemp("comfyui")) as server:
        yield server


@pytest.fixture(scope="module")
def comfyui_door(opened: OpenDoor, comfyui: StandinProcess, agent: Echo) -> Door:
    """A gateway before a stand-in ComfyUI."""
    return opened(urlsplit(comfyui.url).port or 0, agent.port)


STRANGERS: list[dict[str, str]] = [
    {},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN.swapcase()}"},
    {"Authorization": f"Bearer {TOKEN.upper()}"},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": TOKEN},
    {"Cookie": f"videogen={TOKEN}"},
    {"Cookie": f"token={TOKEN}; videogen="},
    {"X-Login": "right"},
]
GUARDED = ["/", "/prompt", "/api/ws", "/view?filename=a.png", "/videogen/status", "/internal/logs", "/LOGIN", "/login/"]
GUARDED += ["/healthz/x", "/gateway/x", "/right", "//x", f"/?token={TOKEN}", f"/?Authorization=Bearer%20{TOKEN}"]


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
        connect(f"{door.url.replace('http', 'ws')}/ws", additional_headers=door.session | headers, proxy=None)


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


def test_login(comfyui_door: Door) -> None:
    """A browser without the cookie gets a page, posts the token, gets the cookie, and then everything, sockets too."""
    door = comfyui_door
    page = {"Accept": "text/html,*/*;q=0.8"}
    with httpx.Client(base_url=door.url, headers=page, timeout=DEADLINE, trust_env=False) as browser:
        first = browser.get("/")
        assert first.status_code == 401
        assert '<form method="post" action="/login">' in first.text
        assert "ログイン" in first.text
        assert first.headers["content-type"] == "text/html; charset=utf-8"
        assert first.headers["cache-control"] == "no-store"

        wrong = browser.post("/login", data={"token": TOKEN[:-1]})
        assert (wrong.status_code, 'role="alert"' in wrong.text, dict(browser.cookies)) == (401, True, {})

        right = browser.post("/login", data={"token": f" {TOKEN} "})
        assert (right.status_code, right.headers["location"]) == (303, "/")
        assert TOKEN not in str(right.headers)
        assert re.search(r"; Path=/; Max-Age=86400; HttpOnly; SameSite=Strict$", right.headers["set-cookie"])
        assert browser.get("/system_stats").status_code == 200
        cookie = {"Cookie": f"videogen={browser.cookies['videogen']}"}
    with connect(f"{door.url.replace('http', 'ws')}/ws", additional_headers=cookie, proxy=None) as connection:
        assert json.loads(connection.recv(timeout=DEADLINE))["type"] == "status"


@pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium on this machine")
def test_in_a_browser(comfyui_door: Door, tmp_path: Path) -> None:
    """A person logs in with a browser, and the page behind then posts and listens as ComfyUI's page does."""
    with browser.browser(tmp_path / "profile") as page:
        page.open(f"{comfyui_door.url}/")
        for token, then in (("wrong", "document.querySelector('[role=alert]')"), (TOKEN, "!document.forms.length")):
            page.until("document.forms.length && document.readyState == 'complete'")
            page.picture(tmp_path / f"before-{token[:5]}.png")
            page.run(f"document.forms[0].token.value = '{token}'; document.forms[0].requestSubmit()")
            page.until(then)
        page.until("document.readyState == 'complete'")
        page.picture(tmp_path / "behind.png")
        heard = "new Promise(heard => { new WebSocket(`ws://${location.host}/ws`).onmessage = e => heard(e.data) })"

        assert page.run("fetch('/prompt', {method: 'POST', body: '{}'}).then(answer => answer.status)") == 400
        assert json.loads(page.run(heard))["type"] == "status"
        assert page.run("document.cookie") == ""


def test_cookie_is_secure_behind_tls(door: Door) -> None:
    """Where the browser speaks TLS with the provider's proxy, the cookie goes over TLS only."""
    answer = door.http.post("/login", data={"token": TOKEN}, headers={"X-Forwarded-Proto": "https"})

    assert answer.headers["set-cookie"].endswith("; SameSite=Strict; Secure")


def test_login_takes_the_form_only(door: Door) -> None:
    """The token in a query, in a header or in another field of the form logs nobody in."""
    answers = [
        door.http.get("/login", params={"token": TOKEN}),
        door.http.get("/login", headers={"X-Login": "right"}),
        door.http.post("/login", params={"token": TOKEN}),
        door.http.post("/login", data={"key": TOKEN}, headers={"X-Login": "right"}),
        door.http.post("/login", data={"token": TOKEN.swapcase()}),
        door.http.post("/login", data={"token": TOKEN * 50}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 401, 401, 401, 413]
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_events(comfyui_door: Door, comfyui: StandinProcess) -> None:
    """A job that is posted through the gateway is followed through the gateway, from its start to its file."""
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "gateway"}},
    }
    with connect(
        f"{comfyui_door.url.replace('http', 'ws')}/ws?clientId=me", additional_headers=comfyui_door.bearer, proxy=None
    ) as connection:
        answer = comfyui_door.http.post(
            "/prompt", json={"prompt": graph, "client_id": "me"}, headers=comfyui_door.bearer
        )
        heard = [event["type"] for event in Ear(connection).hear(over)]
        job = answer.json()["prompt_id"]
    outputs = comfyui_door.http.get(f"/history/{job}", headers=comfyui_door.bearer).json()[job]["outputs"]
    image = outputs["2"]["images"][0]

    assert {"execution_start", "executed", "execution_success"} <= set(heard)
    assert comfyui_door.http.get("/view", params=image, headers=comfyui_door.bearer).content[:4] == b"\x89PNG"


@pytest.mark.parametrize("headers", STRANGERS[:4])
def test_socket_wants_the_token(comfyui_door: Door, headers: dict[str, str]) -> None:
    """A socket without the token, or with it in the query, is refused before ComfyUI hears of it."""
    for query in ("", f"?token={TOKEN}", f"?clientId=me&Authorization=Bearer%20{TOKEN}"):
        with pytest.raises(InvalidStatus, match="401"):
            connect(f"{comfyui_door.url.replace('http', 'ws')}/ws{query}", additional_headers=headers, proxy=None)


def test_upload_limit(door: Door, echo: Echo) -> None:
    """More than the limit is refused with words, whether its size is said before or found out."""
    too_much = LIMIT_MB * 1024 * 1024 + 1
    before = len(echo.seen)
    head = f"POST /upload/image HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    with door.raw() as connection:
        connection.sendall(f"{head}Content-Length: {too_much}\r\n\r\n".encode())
        said = connection.recv(65536).decode()
    assert said.startswith("HTTP/1.1 413 ")
    assert json.loads(said.partition("\r\n\r\n")[2]) == {
        "error": f"the body is too large; an upload may have {LIMIT_MB} MB"
    }
    assert len(echo.seen) == before
    with door.raw() as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(LIMIT_MB):
            connection.sendall(f"{1 << 20:x}\r\n".encode() + b"x" * (1 << 20) + b"\r\n")
        connection.sendall(b"1\r\nx\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_uploads_stream(door: Door, echo: Echo) -> None:
    """An upload reaches ComfyUI while it still comes in, and needs no room on the gateway's disk."""
    body = b"x" * (LIMIT_MB * 1024 * 1024)
    head = f"POST /upload/image HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
    with door.raw() as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
        end = time.monotonic() + 10
        while not (echo.seen and echo.seen[-1].path == "/upload/image" and echo.seen[-1].read > 1_000_000):
            assert time.monotonic() < end
            time.sleep(0.02)
        connection.sendall(body[len(body) // 2 :])

        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert echo.seen[-1].read == len(body)


@pytest.mark.parametrize(
    ("begin", "seconds"),
    [
        ("GET / HTTP/1.1\r\nHost:", SLOW_SECONDS),
        ("POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\ntok", 4 * SLOW_SECONDS),
    ],
)
def test_slow_clients(door: Door, begin: str, seconds: float) -> None:
    """Who begins a request and does not go on is cut off, so that connections cannot be used up for nothing."""
    start = time.monotonic()
    door.say(begin)

    assert seconds * 0.9 < time.monotonic() - start < seconds + 5


def test_idle_sockets_stay(comfyui_door: Door) -> None:
    """A socket on which nothing happens outlives the patience with slow clients."""
    with connect(
        f"{comfyui_door.url.replace('http', 'ws')}/ws",
        additional_headers=comfyui_door.bearer,
        proxy=None,
        ping_interval=None,
    ) as connection:
        Ear(connection).silence(SLOW_SECONDS * 2.5)
        connection.send("{}")

        assert connection.ping().wait(5)


def test_brakes(opened: OpenDoor, echo: Echo, agent: Echo) -> None:
    """Whoever guesses is slowed down; the right token is not."""
    door = opened(echo.port, agent.port)
    logins = {door.http.post("/login", data={"token": "x"}).status_code for _ in range(40)}
    guesses = {door.http.get("/", headers={"Authorization": f"Bearer {n:022}"}).status_code for n in range(600)}

    assert (logins, guesses) == ({401, 429}, {401, 429})
    assert door.http.get("/", headers=door.bearer).status_code == 200
    assert door.http.get("/healthz").status_code == 200


def test_nothing_in_logs(opened: OpenDoor) -> None:
    """With nobody behind the gateway callers read why, and no log has the token, not even a misplaced one."""
    nobody = port.free(["comfyui", "agent"])
    door = opened(nobody["comfyui"], nobody["agent"])
    for path in ("/", f"/prompt?token={TOKEN}", "/ws", "/videogen/status"):
        answer = door.http.get(path, headers=door.bearer | {"Referer": f"{door.url}/?token={TOKEN}"})

        assert (answer.status_code, answer.json()) == (502, {"error": "the program behind the gateway does not answer"})
    door.say(f"GET /?token={TOKEN} HTTP/9\r\nAuthorization: Bearer {TOKEN}\r\n\r\n")

    assert TOKEN not in door.container.logs()
    assert door.cookie not in door.container.logs()


def test_keeps_its_files_for_itself(door: Door) -> None:
    """Nobody but the gateway reads its files, neither ComfyUI's user nor through its command line or environment."""
    for command in (f"ls {RUN}", f"cat {RUN}/nginx.conf", "cat /proc/1/environ"):
        done = door.container.run("sh", "-c", command, user="comfy")

        assert (done.returncode != 0, done.stdout) == (True, "")
    assert TOKEN not in door.container.run("sh", "-c", "cat /proc/1/cmdline; cat /proc/1/environ").stdout
    assert door.container.run("stat", "-c", "%U %a", RUN, f"{RUN}/nginx.conf").stdout == "gateway 700\ngateway 600\n"


def test_killed_gateway_starts_again(opened: OpenDoor, echo: Echo, agent: Echo) -> None:
    """After a SIGKILL nothing holds the port or stands in the way of the next start."""
    door = opened(echo.port, agent.port)
    subprocess.run(["docker", "kill", door.container.id], check=True, capture_output=True, timeout=30)
    subprocess.run(["docker", "start", door.container.id], check=True, capture_output=True, timeout=30)

    door.container.until(lambda: _answers(door))


def _answers(door: Door) -> bool:
    try:
        return door.http.get("/", headers=door.bearer).status_code == 200
    except httpx.TransportError:
        return False


def test_own_certificate(opened: OpenDoor, echo: Echo, agent: Echo, tmp_path: Path) -> None:
    """With a certificate the gateway itself speaks TLS, nothing older than 1.2, and its cookie is for TLS only."""
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x"]
    subprocess.run(
        [*make, "-keyout", tmp_path / "k.pem", "-out", tmp_path / "c.pem"], check=True, capture_output=True, timeout=60
    )
    tmp_path.chmod(0o755)
    (tmp_path / "k.pem").chmod(0o644)
    door = opened(
        echo.port,
        agent.port,
        mounts=(f"type=bind,source={tmp_path},destination=/tls,readonly",),
        certificate="/tls/c.pem",
        key="/tls/k.pem",
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(door.raw()) as connection:
        assert connection.version() == "TLSv1.3"

    assert door.http.get("/", headers=door.bearer).status_code == 200
    assert door.http.post("/login", data={"token": TOKEN}).headers["set-cookie"].endswith("; Secure")
