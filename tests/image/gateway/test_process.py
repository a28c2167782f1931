"""The gateway as a program: its files, its log, its end, its certificate."""

import ssl
import subprocess
from pathlib import Path

import httpx

from tests.doubles.echo_server import Echo
from tests.doubles.gateway_container import RUN, TOKEN, Door
from tests.image.gateway.conftest import OpenDoor
from videogen import port


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
