"""A worker's checkout is the pinned commit of our repository, or the boot fails; its key is seen by nobody."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from videogen import port
from videogen.errors import InputError, Interrupted, ProcessError
from videogen.repository import Repository, check_out
from videogen.secret import Secret


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository that looks like ours: a tag `v1`, and a commit more on `main`."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name in ("Pulumi.yaml", "models_manifest.yaml"):
        (folder / name).write_text("x\n")
    (folder / ".gitignore").write_text("*.pyc\n")
    commit(folder, "one")
    git(folder, "tag", "v1")
    commit(folder, "two")
    return folder


def git(folder: Path, *words: str) -> str:
    """What git prints."""
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, word: str) -> str:
    """A commit in which `word` is the text of a file; its name."""
    (folder / "word").write_text(word)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", word)
    return git(folder, "rev-parse", "HEAD")


def out(
    folder: Path,
    origin: Path | str,
    ref: str,
    key: Secret | None = None,
    update: bool = False,
    seconds: float = 20,
    stop: threading.Event | None = None,
) -> tuple[str, str]:
    """The commit and the word of a checkout below `folder`."""
    url = str(origin) if isinstance(origin, str) else f"file://{origin}"
    deadline = time.monotonic() + seconds
    hosts = folder / "known hosts"
    place = folder / "repos" / "video-gen"
    wanted = Repository(url, ref, key, update)
    found = check_out(wanted, place, known_hosts=hosts, deadline=deadline, stop=stop or threading.Event())
    return found, (place / "word").read_text()


def test_refs(origin: Path, tmp_path: Path) -> None:
    """A tag, a branch, a whole and a short commit are found; a second boot finds what is there."""
    head, tagged = git(origin, "rev-parse", "main"), git(origin, "rev-parse", "v1")

    assert out(tmp_path, origin, "v1") == (tagged, "one")
    assert out(tmp_path, origin, "main") == (head, "two")
    assert out(tmp_path, origin, tagged) == (tagged, "one")
    assert out(tmp_path, origin, head[:10]) == (head, "two")
    assert [path.name for path in (tmp_path / "repos").iterdir()] == ["video-gen"]


def test_update(origin: Path, tmp_path: Path) -> None:
    """What is pushed later is seen only where an update is wanted; nothing of the net is needed without."""
    first = out(tmp_path, origin, "main")
    third = commit(origin, "three")
    still = out(tmp_path, origin, "main")
    with pytest.raises(ProcessError, match=f"has no commit, tag or branch {third}"):
        out(tmp_path, origin, third)

    assert first == still
    assert out(tmp_path, origin, "main", update=True) == (third, "three")
    git(origin, "tag", "--force", "v1")
    assert out(tmp_path, origin, "v1", update=True) == (third, "three")
    origin.rename(tmp_path / "gone")
    assert out(tmp_path, origin, "main") == (third, "three")
    with pytest.raises(ProcessError, match="git fetch: "):
        out(tmp_path, origin, "main", update=True)


@pytest.mark.parametrize("change", ["changed", "new", "staged"])
def test_dirty(origin: Path, tmp_path: Path, change: str) -> None:
    """A checkout that somebody changed is refused and left as it is; files that git ignores do not count."""
    out(tmp_path, origin, "main")
    place = tmp_path / "repos" / "video-gen"
    (place / "x.pyc").touch()
    out(tmp_path, origin, "main")
    file = place / ("new file" if change == "new" else "word")
    file.write_text("mine")
    if change == "staged":
        git(place, "add", "--all")

    with pytest.raises(ProcessError, match="was changed by hand"):
        out(tmp_path, origin, "v1", update=True)
    assert file.read_text() == "mine"


def test_not_ours(origin: Path, tmp_path: Path) -> None:
    """Another repository's checkout, a folder that is none, and a repository that is not video-gen are refused."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet", "--initial-branch=main")
    commit(other, "other")
    with pytest.raises(ProcessError, match="is not video-gen"):
        out(tmp_path / "a", other, "main")
    with pytest.raises(ProcessError, match="checkout of another repository"):
        out(tmp_path / "a", origin, "main")
    (tmp_path / "b" / "repos" / "video-gen").mkdir(parents=True)
    with pytest.raises(ProcessError, match="is no git checkout"):
        out(tmp_path / "b", origin, "main")


def test_missing_ref(origin: Path, tmp_path: Path) -> None:
    """A ref that is not there fails, and nothing stays."""
    with pytest.raises(ProcessError, match="has no commit, tag or branch v2"):
        out(tmp_path, origin, "v2")
    assert list((tmp_path / "repos").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "ref"), [("-x", "main"), ("ext::sh -c x", "main"), ("/x", "-x"), ("/x", ""), ("/x", "a..b")]
)
def test_no_options(url: str, ref: str) -> None:
    """Nothing that git could take for an option or a command comes through."""
    with pytest.raises(InputError, match="VIDEOGEN_REPOSITORY"):
        Repository(url, ref)


def test_deadline_and_stop(tmp_path: Path) -> None:
    """A server that says nothing is given up at the deadline, and at once when the worker shall end."""
    with pytest.raises(ProcessError, match=r"git clone: (?s:.*)not allowed"):
        out(tmp_path / "a", "git://127.0.0.1/x", "main")
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with silent() as address:
        began = time.monotonic()
        with pytest.raises(ProcessError, match="git clone: not done in time"):
            out(tmp_path / "b", f"ssh://{address}/x", "main", seconds=0.5)
        with pytest.raises(Interrupted):
            out(tmp_path / "c", f"ssh://{address}/x", "main", stop=stop)
    assert time.monotonic() - began < 5
    assert list((tmp_path / "b" / "repos").iterdir()) == []


@contextmanager
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Secret]]:
    """An sshd into which one key may log in as this user; its address, and the key."""
    folder = tmp_path / "sshd"
    folder.mkdir()
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    number = port.free(["sshd"])["sshd"]
    lines = (
        f"ListenAddress 127.0.0.1:{number}",
        f"HostKey {folder / 'host'}",
        f"AuthorizedKeysFile {folder / 'key.pub'}",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "PidFile none",
    )
    (folder / "config").write_text("\n".join(lines) + "\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    assert SSHD
    process = subprocess.Popen([SSHD, "-D", "-f", str(folder / "config")], stderr=subprocess.DEVNULL)
    try:
        assert port.wait_open(number, 5, lambda: process.poll() is None)
        key = (folder / "key").read_text()
        (folder / "key").unlink()
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{number}", Secret(key)
    finally:
        process.terminate()
        process.wait(5)


@pytest.mark.skipif(not SSHD, reason="no sshd on this machine")
def test_deploy_key(origin: Path, tmp_path: Path, server: tuple[str, Secret], monkeypatch: pytest.MonkeyPatch) -> None:
    """A key opens a repository over ssh, its line ends written out or not; no file of it is left, and none of ~/.ssh."""
    address, key = server
    head = git(origin, "rev-parse", "main")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    escaped = Secret(key.reveal().strip().replace("\n", "\\n"))

    assert out(tmp_path / "a", f"{address}{origin}", "main", key) == (head, "two")
    assert out(tmp_path / "b", f"{address}{origin}", "main", escaped) == (head, "two")
    assert out(tmp_path / "b", f"{address}{origin}", "main", key, update=True) == (head, "two")
    with pytest.raises(ProcessError, match=r"git clone: (?s:.*)Permission denied"):
        out(tmp_path / "c", f"{address}{origin}", "main")
    assert list(temporary.iterdir()) == []
    held = [path for path in (tmp_path / "a").rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert held == []
    assert "127.0.0.1" in (tmp_path / "a" / "known hosts").read_text()


@pytest.mark.skipif(not SSHD, reason="no sshd on this machine")
def test_another_server(origin: Path, tmp_path: Path, server: tuple[str, Secret]) -> None:
    """A server that was met with another key is not believed."""
    address, key = server
    out(tmp_path, f"{address}{origin}", "main", key)
    hosts = tmp_path / "known hosts"
    other = (tmp_path / "sshd" / "key.pub").read_text().split()[1]
    hosts.write_text(" ".join([*hosts.read_text().split()[:1], "ssh-ed25519", other]) + "\n")

    with pytest.raises(ProcessError, match="git fetch: "):
        out(tmp_path, f"{address}{origin}", "main", key, update=True)
