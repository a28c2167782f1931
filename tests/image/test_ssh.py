"""sshd of the image, in a container that holds secrets as a rented worker does."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import testinfra

from tests.doubles.docker_engine import Container, Start, ssh_key
from tests.doubles.echo_server import Echo, echo_server
from videogen import port

CANARY = "canary-of-every-secret"
RUNS_IT = """
import json, os, pathlib, subprocess, sys
from videogen import process, ssh_server
given = json.loads(sys.argv[1])
settings = ssh_server.SshSettings(run=pathlib.Path("/run/videogen/ssh"), **given)
print(ssh_server.prepare(settings), flush=True)
# as ComfyUI is: the same user, and an environment without secrets
subprocess.Popen(["sleep", "600"], user="comfy", group="comfy", extra_groups=[], env={"PATH": "/usr/bin"})
subprocess.run(ssh_server.command(settings), env=process.bare_environment())
"""


@dataclass
class Server:
    """A running sshd, how to talk to it, and the ports that it may and may not lead to."""

    container: Container
    port: int
    key: Path
    allowed: Echo
    closed: Echo

    @property
    def options(self) -> list[str]:
        words = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
        words += ["LogLevel=ERROR", "ConnectTimeout=10", "ExitOnForwardFailure=yes"]
        return ["-F", "none", *(part for word in words for part in ("-o", word))]

    def ssh(self, *words: str, user: str = "comfy", key: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """`ssh` with the owner's key, or another one."""
        command = ["ssh", *self.options, "-p", str(self.port), "-i", str(key or self.key), "-l", user]
        return subprocess.run([*command, "127.0.0.1", *words], capture_output=True, text=True, timeout=30, check=False)

    @contextmanager
    def tunnel(self, *words: str) -> "Iterator[subprocess.Popen[str]]":
        """`ssh -N` with a forwarding, while it stays."""
        command = ["ssh", *self.options, "-N", "-p", str(self.port), "-i", str(self.key), "-l", "comfy", *words]
        with subprocess.Popen([*command, "127.0.0.1"], stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.terminate()


@pytest.fixture(scope="module")
def server(shared_container: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert shutil.which("ssh-keygen"), "these tests need ssh's client (Debian: openssh-client)"
    key = ssh_key(tmp_path_factory.mktemp("keys"))
    public = port.free(["ssh"])["ssh"]
    with echo_server() as allowed, echo_server() as closed, echo_server() as agent:
        given: dict[str, object] = {"port": public, "comfyui_port": allowed.port, "agent_port": agent.port}
        given |= {"public_keys": key.with_suffix(".pub").read_text()}
        canaries = dict.fromkeys(("VIDEOGEN_TOKEN", "RUNPOD_API_KEY", "AWS_SECRET_ACCESS_KEY"), CANARY)
        box = shared_container.python(RUNS_IT, given, port=public, environment=canaries)
        yield Server(box, public, key, allowed, closed)


def test_key_opens(server: Server) -> None:
    """The owner's key gives a shell as `comfy`, without more rights."""
    assert server.ssh("id -un; id -Gn; echo $HOME").stdout.split() == ["comfy", "comfy", "/home/comfy"]


def test_asks_as_testinfra_does(server: Server) -> None:
    """Tools that work over ssh find a shell."""
    options = " ".join(server.options)
    host = testinfra.get_host(
        f"ssh://comfy@127.0.0.1:{server.port}", ssh_identity_file=str(server.key), ssh_extra_args=options
    )

    assert host.check_output("whoami") == "comfy"


@pytest.mark.parametrize("user", ["root", "gateway", "nobody", "ubuntu"])
def test_nobody_else(server: Server, user: str) -> None:
    """The same key logs in nobody else."""
    assert server.ssh("id", user=user).returncode == 255


def test_other_key(server: Server, tmp_path: Path) -> None:
    """Another key opens nothing, and no other way is offered."""
    refused = server.ssh("id", key=ssh_key(tmp_path))

    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr


def test_own_host_key(server: Server) -> None:
    """The host key is made at each start, an ed25519 one whose fingerprint the log tells, and no other is there."""
    words = ["ssh-keyscan", "-p", str(server.port), "127.0.0.1"]
    offered = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout
    words = ["ssh-keygen", "-lf", "-"]
    shown = subprocess.run(words, input=offered, capture_output=True, text=True, timeout=30, check=True).stdout

    assert len(offered.splitlines()) == 1
    assert shown.split()[1] == server.container.logs().split()[0]
    assert server.container.run("sh", "-c", "ls /etc/ssh/ssh_host_* /run/videogen/ssh/*").stdout.split() == [
        f"/run/videogen/ssh/{name}" for name in ("authorized_keys", "host_ed25519", "host_ed25519.pub", "sshd_config")
    ]
    assert server.container.host.file("/run/videogen/ssh/host_ed25519").mode == 0o600


def test_environment_is_sealed(server: Server) -> None:
    """A login finds no secret of the container: not in its environment, not in any process that it may look into."""
    look = "env; cat /proc/1/environ; cat /proc/[0-9]*/environ; cat /proc/[0-9]*/cmdline; ls /proc/1/fd"
    seen = server.ssh(f"({look}) 2>&1 | tr '\\0' '\\n'").stdout

    assert "HOME=/home/comfy" in seen
    assert "/proc/1/environ: Permission denied" in seen
    assert CANARY not in seen
    assert CANARY in server.container.run("cat", "/proc/1/environ").stdout


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "LANG", "VIDEOGEN_TOKEN"])
def test_no_variables_from_outside(server: Server, variable: str) -> None:
    """A client hands no variable to its session, by its options or by a file in its home."""
    server.ssh(f"mkdir -p ~/.ssh && echo {variable}=planted > ~/.ssh/environment")

    assert "planted" not in server.ssh("-o", f"SetEnv={variable}=planted", "env").stdout


def test_tunnel(server: Server) -> None:
    """A tunnel leads to ComfyUI, by both names of loopback."""
    for name in ("127.0.0.1", "localhost"):
        here = port.free(["tunnel"])["tunnel"]
        with server.tunnel("-L", f"127.0.0.1:{here}:{name}:{server.allowed.port}") as process:
            assert port.wait_open(here, 10, lambda: process.poll() is None)
            _get(here)

        assert server.allowed.seen.pop().path == "/through"


def test_no_other_tunnel(server: Server) -> None:
    """No tunnel leads to another port, from the worker back, to a socket, or anywhere a client likes."""
    here = port.free(["tunnel"])["tunnel"]
    with server.tunnel("-L", f"127.0.0.1:{here}:127.0.0.1:{server.closed.port}") as process:
        assert port.wait_open(here, 10, lambda: process.poll() is None)
        assert _get(here) != 0
    assert not server.closed.seen
    assert server.ssh("-W", f"127.0.0.1:{server.closed.port}").returncode == 255
    assert server.ssh("-R", f"{here}:127.0.0.1:{server.closed.port}", "true").returncode == 255
    with server.tunnel("-L", f"127.0.0.1:{here}:/run/videogen/gateway/login.sock") as process:
        assert port.wait_open(here, 10, lambda: process.poll() is None)
        assert _get(here) != 0


def _get(here: int) -> int:
    """curl's exit code for a request through a tunnel."""
    words = ["curl", "-sS", "--noproxy", "*", "-m", "10", f"http://127.0.0.1:{here}/through"]
    return subprocess.run(words, capture_output=True, timeout=20, check=False).returncode


def test_no_agent_forwarding(server: Server) -> None:
    """Neither a client's agent nor its display is forwarded to where others could use it."""
    seen = server.ssh("-A", "-X", "echo agent=$SSH_AUTH_SOCK display=$DISPLAY").stdout

    assert seen == "agent= display=\n"


def test_files(server: Server, tmp_path: Path) -> None:
    """Files are copied out over the same port."""
    server.ssh("echo result > /tmp/result.txt")
    words = ["scp", "-q", *server.options, "-P", str(server.port), "-i", str(server.key)]
    subprocess.run([*words, "comfy@127.0.0.1:/tmp/result.txt", tmp_path], check=True, timeout=30, capture_output=True)

    assert (tmp_path / "result.txt").read_text() == "result\n"
