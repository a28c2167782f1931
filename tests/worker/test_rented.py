"""A rented worker: ComfyUI and gateway as users of their own, one public address, and an sshd for whoever has a key.

Run by root only, in a mount namespace whose list of accounts has those of the image.
"""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import WorkerProcess, fill, manifest_text, settings, ticks, worker
from tests.store.test_sync import CAN_MOUNT
from videogen import port
from videogen.boot_report import WorkerStatus
from videogen.secret import Secret
from videogen.worker_lease import Moment, WorkerLease

TOKEN = Secret("a-token-of-the-tests-0123456789")
TOOLS = ("nginx", "sshd", "ssh", "ssh-keygen")
SEARCHED = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])

pytestmark = [
    pytest.mark.skipif(not CAN_MOUNT or os.geteuid() != 0, reason="this user cannot mount anything"),
    pytest.mark.skipif(not all(shutil.which(tool, path=SEARCHED) for tool in TOOLS), reason="nginx or sshd is missing"),
]

ACCOUNTS = {
    "passwd": "comfy:x:61000:61000::{home}:/bin/sh\ngateway:x:61001:61001::/:/usr/sbin/nologin\n",
    "group": "comfy:x:61000:\ngateway:x:61001:\n",
    "shadow": "comfy:*:19000:0:99999:7:::\ngateway:!:19000::::::\n",
}
ENTER = """
for file in passwd group shadow; do mount --bind "$0/$file" "/etc/$file" || exit 9; done
# An interpreter below a folder that only its owner may enter, such as /root, is shown to the other users, too.
if [ -n "$CLOSED" ]; then
  mount --bind "$PYTHON" "$0/python" && mount -t tmpfs -o mode=755 none "$CLOSED" || exit 9
  mkdir -p "$PYTHON" && mount --bind "$0/python" "$PYTHON" || exit 9
fi
unset CLOSED PYTHON
exec "$@"
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="videogen-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def image(place: Path) -> Sequence[str]:
    """The words that start a program where the accounts exist."""
    folder = place / "etc"
    folder.mkdir()
    (place / "home").mkdir()
    os.chown(place / "home", 61000, 61000)
    for name, text in ACCOUNTS.items():
        (folder / name).write_text(Path("/etc", name).read_text() + text.format(home=place / "home"))
    (folder / "python").mkdir()
    python = Path(sys.base_prefix).resolve()
    closed = [str(one) for one in python.parents if not one.stat().st_mode & stat.S_IXOTH]
    told = [f"CLOSED={closed[-1] if closed else ''}", f"PYTHON={python}"]
    return ["env", *told, "unshare", "--mount", "sh", "-c", ENTER, str(folder)]


def rented(s3: S3Server, place: Path, **more: Any) -> Any:
    """The settings of a rented worker."""
    ports = port.free(["gateway", "ssh"])
    more = {"gateway_port": ports["gateway"], "ssh_port": ports["ssh"], "token": TOKEN} | more
    return settings(s3, place / "disk", fill(s3, manifest_text()), **more)


def status(one: WorkerProcess, path: str = "/videogen/status") -> WorkerStatus | None:
    """What the agent says through the gateway; nothing when it does not."""
    url = f"http://127.0.0.1:{one.settings.gateway_port}{path}"
    try:
        answer = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN.reveal()}"}, trust_env=False)
    except httpx.TransportError:
        return None
    return WorkerStatus.model_validate_json(answer.content) if answer.status_code == 200 else None


def until(one: WorkerProcess, state: str, **restarts: int) -> WorkerStatus:
    """Its status through the gateway, once it is in that state and this often restarted something."""
    for _ in ticks(20):
        now = status(one)
        if now and now.state == state and all(now.restarts.get(name) == count for name, count in restarts.items()):
            return now
    raise AssertionError(one.said())


def of(one: WorkerProcess, word: str) -> Path:
    """`/proc/<pid>` of the worker's program with the word in its command line."""
    found = [pid for pid in one.members() if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(found) == 1, (word, found)
    return Path(f"/proc/{found[0]}")


def owner(process: Path) -> tuple[list[str], str]:
    """User numbers and further groups."""
    lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    return lines["Uid"].split(), lines["Groups"].strip()


def test_users(s3: S3Server, place: Path, image: Sequence[str], tmp_path: Path) -> None:
    """ComfyUI and gateway are nobody else than they should be and know no secret; the gateway reaches both servers."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    wanted = rented(s3, place, ssh_public_keys=(tmp_path / "key.pub").read_text())
    with worker(wanted, tmp_path / "w", image) as one:
        until(one, "ready")
        comfyui, nginx, sshd = of(one, "videogen.standin"), of(one, "nginx"), of(one, "sshd")
        run_by = (nginx / "cmdline").read_text() + (sshd / "cmdline").read_text()
        folders = [Path(path) for path in sorted(set(re.findall(r"/run/videogen-\w+-\w+", run_by)))]
        assert [folder.is_dir() for folder in folders] == [True, True]
        assert owner(comfyui) == (["61000"] * 4, "")
        assert owner(nginx) == (["61001"] * 4, "")
        assert owner(sshd)[0] == ["0"] * 4
        for process in (comfyui, nginx, sshd):
            known = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            assert b"VIDEOGEN_" not in known
            assert TOKEN.reveal().encode() not in known
        assert f"HOME={place / 'home'}".encode() in (comfyui / "environ").read_bytes()
        url = f"http://127.0.0.1:{wanted.gateway_port}/system_stats"
        assert httpx.get(url, trust_env=False).status_code == 401
        key = place / "key"
        shutil.copy(tmp_path / "key", key)
        key.chmod(0o600)
        told = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
        login = ["ssh", "-F", "none", "-i", str(key), "-p", str(wanted.ssh_port), *told, "comfy@127.0.0.1"]
        said = subprocess.run([*login, "id -u; env"], capture_output=True, text=True, timeout=20, check=False)
        assert said.stdout.startswith("61000\n"), said.stderr + one.said()
        assert "VIDEOGEN_" not in said.stdout
        one.process.terminate()
        assert one.ends(10) == 0
    assert not [folder for folder in folders if folder.exists()]


def test_gateway_dies(s3: S3Server, place: Path, image: Sequence[str], tmp_path: Path) -> None:
    """A gateway that dies is started again; one that dies again and again ends the worker, which says why."""
    with worker(rented(s3, place), tmp_path / "w", image) as one:
        until(one, "ready")
        for count in range(1, 4):
            os.kill(int(of(one, "nginx").name), signal.SIGKILL)
            until(one, "ready", gateway=count)
        os.kill(int(of(one, "nginx").name), signal.SIGKILL)

        assert one.ends(10) == 1
    assert "gateway died 4 times within 10 minutes, at last by signal 9" in one.said()


def test_failure_is_told_outside(s3: S3Server, place: Path, image: Sequence[str], tmp_path: Path) -> None:
    """A boot that fails says why through the gateway."""
    s3.store()
    with worker(rented(s3, place, manifest="0" * 64, linger_seconds=20), tmp_path / "w", image) as one:
        found = until(one, "failed")
        one.process.terminate()
        assert one.ends(5) == 1

    assert "has no manifest" in (found.error or "")


@pytest.mark.parametrize("fault", ["over", "folders"])
def test_refusal_is_told_outside(s3: S3Server, place: Path, image: Sequence[str], tmp_path: Path, fault: str) -> None:
    """A lease that is over, or a disk that cannot be used, is told through the gateway, and nothing else begins."""
    wanted = rented(s3, place, linger_seconds=20, repository="file:///nowhere", repository_ref="main")
    if fault == "over":
        lease = WorkerLease.begin(place / "disk", "w1", Moment.now(), goes_on=True)
        lease.finish("it was idle", Moment.now())
    else:
        (place / "disk").mkdir()
        (place / "disk" / "models").write_text("no folder")
    with worker(wanted, tmp_path / "w", image, VIDEOGEN_RESTARTS_BILL="1") as one:
        found = until(one, "failed")
        one.process.terminate()
        assert one.ends(5) == {"over": 3, "folders": 2}[fault]

    assert {"over": "the lease of w1 is over: it was idle", "folders": "cannot be used"}[fault] in (found.error or "")
    assert [step.name for step in found.steps][1:] == ["gateway", "folders", "lease"][: 3 if fault == "over" else 2]


def test_login_ends_while_the_machine_waits(s3: S3Server, place: Path, image: Sequence[str], tmp_path: Path) -> None:
    """Where the machine waits for its end, open sessions and what they started in the background are closed."""
    key = place / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    wanted = rented(s3, place, ssh_public_keys=(place / "key.pub").read_text(), restarts_bill=True)
    told = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    login = ["ssh", "-F", "none", "-i", str(key), "-p", str(wanted.ssh_port), *told, "comfy@127.0.0.1"]
    with worker(wanted, tmp_path / "w", image) as one:
        until(one, "ready")
        command = [*login, "nohup sleep 33.98765 >/dev/null 2>&1 & echo in; sleep 33.98765"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as session:
            assert session.stdout
            assert session.stdout.readline() == "in\n"
            httpx.post(f"{one.agent}/stop", headers={"Authorization": f"Bearer {TOKEN.reveal()}"}, trust_env=False)
            assert session.wait(15) == 255
        for _ in ticks(10):
            if "does nothing any more" in one.said():
                break
        left = subprocess.run(["pgrep", "-f", "sleep 33.98765"], capture_output=True, text=True, check=False)
        assert (one.process.poll(), left.stdout) == (None, "")


def test_not_our_image(s3: S3Server, place: Path, tmp_path: Path) -> None:
    """Root on a machine without the accounts does not run ComfyUI as root behind a public address."""
    with worker(rented(s3, place), tmp_path / "w") as one:
        assert one.ends() == 1
    assert "this machine has no account `comfy`" in one.said()


def test_weak_token(s3: S3Server, place: Path, image: Sequence[str], tmp_path: Path) -> None:
    """A short token opens no gateway."""
    with worker(rented(s3, place, token=Secret("short")), tmp_path / "w", image) as one:
        assert one.ends() == 2
    assert "environment: VIDEOGEN_TOKEN: should be 22 to 128" in one.said()
