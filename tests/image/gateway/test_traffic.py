"""What goes through the gateway: jobs, sockets and uploads, slow callers and too many of them."""

import json
import time

import pytest
from websockets.sync.client import connect

from tests.doubles.echo_server import Echo
from tests.doubles.gateway_container import LIMIT_MB, RUN, SLOW_SECONDS, TOKEN, Door
from tests.doubles.standin_process import Ear, StandinProcess, over
from tests.image.gateway.conftest import OpenDoor


def test_events(comfyui_door: Door, comfyui: StandinProcess) -> None:
    """A job that is posted through the gateway is followed through the gateway, from its start to its file."""
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "gateway"}},
    }
    with connect(comfyui_door.ws("/ws?clientId=me"), additional_headers=comfyui_door.bearer, proxy=None) as connection:
        answer = comfyui_door.http.post(
            "/prompt", json={"prompt": graph, "client_id": "me"}, headers=comfyui_door.bearer
        )
        heard = [event["type"] for event in Ear(connection).hear(over)]
        job = answer.json()["prompt_id"]
    outputs = comfyui_door.http.get(f"/history/{job}", headers=comfyui_door.bearer).json()[job]["outputs"]
    image = outputs["2"]["images"][0]

    assert {"execution_start", "executed", "execution_success"} <= set(heard)
    assert comfyui_door.http.get("/view", params=image, headers=comfyui_door.bearer).content[:4] == b"\x89PNG"


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
        comfyui_door.ws(),
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


def test_no_prompt_on_the_way_out(opened: OpenDoor, echo: Echo, agent: Echo) -> None:
    """A worker that leaves takes no prompt, and says so; everything else goes on, and strangers learn nothing."""
    door = opened(echo.port, agent.port)
    assert door.http.post("/prompt", headers=door.bearer).json()["path"] == "/prompt"
    door.container.run("touch", f"{RUN}/leaving")
    before = len(echo.seen)
    for path in ("/prompt", "/api/prompt", "/prompt?x=1"):
        answer = door.http.post(path, headers=door.bearer)

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert answer.json() == {"error": "this worker is leaving and takes no more jobs", "leaving": True}
        assert door.http.post(path).status_code == 401
    assert len(echo.seen) == before
    assert door.http.get("/prompt", headers=door.bearer).json()["method"] == "GET"
    assert door.http.post("/queue", headers=door.bearer).json()["path"] == "/queue"
