"""This repository as a checkout on a worker's disk, at a pinned ref: for its workflows and templates, not its code.

git is run without anybody's configuration, questions or hooks. A private key exists as a file only while one call of
git runs, readable by this process's user alone.
"""

import os
import re
import secrets
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from videogen import project
from videogen.errors import Fault, InputError, Interrupted, ProcessError, ToolMissing
from videogen.secret import Secret

_LOOK_SECONDS = 0.05
_END_SECONDS = 1.0
_TAIL = 2000
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*")
_FIXED = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    "advice.detachedHead=false",
    "gc.auto=0",  # it would go on in the background
    "maintenance.auto=false",
    "submodule.recurse=false",
    "transfer.fsckObjects=true",
)
_OVER_THE_NET = ("clone", "fetch")
_PASSED_ON = ("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")


@dataclass(frozen=True)
class Repository:
    """Where the checkout comes from; raises `InputError` for an address or a ref that git could take for an option."""

    url: str
    ref: str
    key: Secret | None = None
    update: bool = False
    """Whether a checkout that is there is fetched anew; a branch stays where it was without."""

    def __post_init__(self) -> None:
        faults = []
        if self.url.startswith("-") or "::" in self.url or not self.url.isprintable():
            faults.append(Fault("environment: VIDEOGEN_REPOSITORY", "is no address of a git repository"))
        if not _REF.fullmatch(self.ref) or ".." in self.ref:
            faults.append(Fault("environment: VIDEOGEN_REPOSITORY_REF", "should be a commit, a tag or a branch"))
        if faults:
            raise InputError(faults)


def check_out(wanted: Repository, folder: Path, *, known_hosts: Path, deadline: float, stop: threading.Event) -> str:
    """Makes `folder` the checkout at the ref; the commit's name.

    `known_hosts` keeps the keys of servers that were met, so that none can change unseen; `deadline` is on the
    monotonic clock. Raises `ProcessError` for a checkout that was changed by hand, for one of another repository, for a
    ref that is not there, and with git's own words; `ToolMissing`; `Interrupted` when `stop` is set.
    """
    git = _Git(wanted, known_hosts, deadline, stop)
    if not folder.exists():
        _clone(git, wanted, folder)
    elif not (folder / ".git").is_dir():
        raise ProcessError(f"{folder} is no git checkout", "something else lies there: move it away")
    else:
        _require_ours(git, wanted, folder)
        if wanted.update:
            git.run("fetch", "--quiet", "--prune", "--tags", "--force", "origin", folder=folder)
    commit = _commit(git, wanted, folder)
    if git.ask("rev-parse", "--verify", "--quiet", "HEAD", folder=folder) != commit:
        git.run("checkout", "--quiet", "--detach", commit, folder=folder)
    if not project.is_checkout(folder):
        raise ProcessError(f"{wanted.url} at {wanted.ref} is not video-gen", f"it lacks {' or '.join(project.MARKERS)}")
    return commit


def _clone(git: "_Git", wanted: Repository, folder: Path) -> None:
    """Half a clone never has the folder's name; of two workers on one volume, the quicker one's clone stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        git.run("clone", "--quiet", "--no-checkout", "--template=", "--", wanted.url, str(made), folder=folder.parent)
        git.run("checkout", "--quiet", "--detach", _commit(git, wanted, made), folder=made)
        with suppress(OSError):
            made.rename(folder)
        if not folder.exists():
            raise ProcessError(f"{folder} cannot be made")
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _require_ours(git: "_Git", wanted: Repository, folder: Path) -> None:
    origin = git.run("config", "--local", "--default", "", "--get", "remote.origin.url", folder=folder)
    if origin != wanted.url:
        raise ProcessError(f"{folder} is a checkout of another repository", "move it away, and it is cloned anew")
    if changed := git.run("status", "--porcelain", "--untracked-files=all", folder=folder):
        listed = ", ".join(line[3:] for line in changed.splitlines()[:5])
        raise ProcessError(f"{folder} was changed by hand: {listed}", "commit and push that, or take it back")


def _commit(git: "_Git", wanted: Repository, folder: Path) -> str:
    """The ref's commit. A branch is the server's, as it was fetched last."""
    for name in (f"refs/remotes/origin/{wanted.ref}", f"refs/tags/{wanted.ref}", wanted.ref):
        if name == wanted.ref and not re.fullmatch("[0-9a-f]{7,64}", wanted.ref):
            continue
        if found := git.ask(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", folder=folder
        ):
            return found
    hint = "was it pushed?" if wanted.update else "was it pushed? VIDEOGEN_REPOSITORY_UPDATE=1 fetches what is new"
    raise ProcessError(f"{folder} has no commit, tag or branch {wanted.ref}", hint)


class _Git:
    def __init__(self, wanted: Repository, known_hosts: Path, deadline: float, stop: threading.Event) -> None:
        self._program = shutil.which("git")
        if self._program is None:
            raise ToolMissing("git is not installed", "it is part of the image")
        self._wanted, self._known_hosts = wanted, known_hosts
        self._deadline, self._stop = deadline, stop

    def run(self, *words: str, folder: Path) -> str:
        """What git prints; raises `ProcessError` with its complaint."""
        code, said, complaint = self._call(words, folder)
        if code:
            raise ProcessError(f"git {words[0]}: {complaint or f'failed with code {code}'}")
        return said

    def ask(self, *words: str, folder: Path) -> str:
        """What git prints; nothing when it says no."""
        code, said, _ = self._call(words, folder)
        return "" if code else said

    def _call(self, words: tuple[str, ...], folder: Path) -> tuple[int, str, str]:
        fixed = [word for setting in _FIXED for word in ("-c", setting)]
        with tempfile.TemporaryDirectory(prefix="videogen-git-") as home, _files() as (out, err):
            started = subprocess.Popen(
                [str(self._program), *fixed, *words],
                cwd=folder,
                env=self._environment(Path(home), with_key=words[0] in _OVER_THE_NET),
                stdin=subprocess.DEVNULL,
                stdout=out,  # files: a pipe would be waited for while a child of a killed git holds it
                stderr=err,
            )
            try:
                while (code := started.poll()) is None:
                    if time.monotonic() > self._deadline:
                        raise ProcessError(f"git {words[0]}: not done in time", "is its server reachable from here?")
                    if self._stop.wait(_LOOK_SECONDS):
                        raise Interrupted(f"stopped during git {words[0]}")
            finally:
                _end(started)
            return code, _tail(out), _tail(err)

    def _environment(self, home: Path, *, with_key: bool) -> Mapping[str, str]:
        given = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        ssh = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new"]
        ssh += [
            "-o",
            f'UserKnownHostsFile="{self._known_hosts}"',
            "-o",
            "ConnectTimeout=20",
            "-o",
            "IdentityAgent=none",
        ]
        if with_key and self._wanted.key is not None:
            key = home / "key"
            with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(self._wanted.key.reveal().replace("\\n", "\n").strip() + "\n")
            ssh += ["-i", str(key), "-o", "IdentitiesOnly=yes"]
        return {
            **given,
            "HOME": str(home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "false",
            "GIT_ALLOW_PROTOCOL": "file:https:ssh",
            "GIT_SSH_COMMAND": shlex.join(ssh),
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_OPTIONAL_LOCKS": "0",
        }


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # git then removes what it has half done
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _files() -> Iterator[tuple["tempfile._TemporaryFileWrapper[bytes]", "tempfile._TemporaryFileWrapper[bytes]"]]:
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        yield out, err


def _tail(file: "tempfile._TemporaryFileWrapper[bytes]") -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip()[-_TAIL:]
