"""A pod's container in a Docker engine: an image of ours, in the network of this machine, so that it reaches loopback."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.doubles.runpod.inside import injected, take_ports
from tests.doubles.runpod.pod import Pod

DEADLINE = 60.0


def docker(*words: str, env: dict[str, str] | None = None) -> str:
    """What it says, both streams; the test fails with its words when it fails."""
    done = subprocess.run(
        ["docker", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, f"docker {words[0]}: {done.stdout}"
    return done.stdout.strip()


class ContainerBox:
    """One pod's. Each life is the same container started again, as RunPod does when one exits."""

    def __init__(self, pod: Pod, home: Path, volumes: Path, image: str) -> None:
        self.pod, self.image, self.volumes = pod, image, volumes
        self.folder = home / pod.id
        self.folder.mkdir(mode=0o755)
        self._ports = take_ports(pod)
        self._id = ""

    def start(self) -> None:
        """A life."""
        if self._id:
            docker("start", self._id)
            return
        variables = {**self.pod.env, **injected(self.pod), **self._ports}
        words = ["--network", "host", "--name", f"videogen-fake-{self.pod.id}"]
        for name in variables:  # by name: values would stand in the list of processes
            words += ["--env", name]
        for mount in self.pod.shown["mounts"].get("network", []):
            volume = self.volumes / mount["volumeId"]
            volume.mkdir(parents=True, exist_ok=True)
            words += ["--mount", f"type=bind,source={volume},destination={mount['path']}"]
        self._id = docker("run", "--detach", *words, self.image, env={**os.environ, **variables})

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return bool(self._id) and json.loads(docker("inspect", "--format", "{{json .State.Running}}", self._id))

    def terminate(self) -> None:
        """SIGTERM to its first process."""
        if self.alive:
            docker("kill", "--signal", "TERM", self._id)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        if self.alive:
            docker("kill", self._id)

    def wipe(self) -> None:
        """Its disk is empty: the next life is another container's."""
        if self._id:
            docker("rm", "--force", "--volumes", self._id)
            self._id = ""

    def remove(self) -> None:
        """Nothing of it is left."""
        self.wipe()
        shutil.rmtree(self.folder)

    def said(self) -> str:
        """Its log."""
        return docker("logs", self._id) if self._id else ""
