"""A pod's container as processes of this machine: namespaces of its own for processes and mounts, our entrypoint."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.doubles.image_accounts import entering
from tests.doubles.runpod.inside import injected, paths, take_ports
from tests.doubles.runpod.pod import Pod

REPOSITORY = Path(__file__).resolve().parents[3]
ENTRYPOINT = REPOSITORY / "images" / "comfyui" / "entrypoint.py"
# The first process of a container: hands SIGTERM on, and all the others end with it.
INIT = """
trap 'kill -TERM "$child"' TERM
"$@" & child=$!
while :; do wait "$child"; code=$?; kill -0 "$child" 2>/dev/null || exit "$code"; done
"""

ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Also when whoever started it is killed."""


def unable() -> str:
    """Why this machine cannot run such pods; empty when it can."""
    if os.geteuid() != 0:
        return "only root can run pods as processes"
    if not shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"])):
        return "nginx is missing"
    probe = [*ENDS_WITH_US, "unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=10, check=False)
    return f"no namespaces: {done.stderr.strip()}" if done.returncode else ""


class ProcessBox:
    """One pod's; a life after the other, on the same disk. `log` has what all of them said."""

    def __init__(self, pod: Pod, home: Path, volumes: Path, world: Mapping[str, str]) -> None:
        self._world = world
        self.pod, self.folder, self.volumes = pod, home / pod.id, volumes
        self.folder.mkdir(mode=0o755)
        self.workspace, self.log = self.folder / "workspace", self.folder / "log"
        self._enter = entering(self.folder, "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
        self._ports = take_ports(pod)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """A life."""
        self.workspace.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*ENDS_WITH_US, *self._enter, "sh", "-c", self._mounts() + INIT, "sh", sys.executable, str(ENTRYPOINT)],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        base = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": "/root", "PYTHONPATH": str(REPOSITORY / "src")}
        env = {**base, **self._world, **self.pod.env, **injected(self.pod)}
        return {**env, **self._ports, **paths(env, self.workspace)}

    def _mounts(self) -> str:
        """The shell words that put volumes where the pod wants them."""
        said = ""
        for mount in self.pod.shown["mounts"].get("network", []):
            volume = self.volumes / mount["volumeId"]
            volume.mkdir(parents=True, exist_ok=True)
            target = paths({"": mount["path"]}, self.workspace)[""]
            said += f"\nmkdir -p {shlex.quote(target)} && mount --bind {volume} {shlex.quote(target)} || exit 9"
        return said

    @property
    def alive(self) -> bool:
        """Whether anything of it runs."""
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """SIGTERM to its first process."""
        if self.alive and self._process:
            number = self._process.pid
            try:  # `unshare` itself hands no signal on
                first = Path(f"/proc/{number}/task/{number}/children").read_text().split()
            except FileNotFoundError:
                return
            for one in first:
                os.kill(int(one), signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        if self._process:
            self._process.kill()
            self._process.wait(10)

    def wipe(self) -> None:
        """Its disk is empty; volumes stay, as do the logs."""
        shutil.rmtree(self.workspace, ignore_errors=True)

    def remove(self) -> None:
        """Nothing of it is left."""
        shutil.rmtree(self.folder)

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
