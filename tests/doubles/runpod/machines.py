"""The hosts of the fake cloud: what runs there follows what the account says, as it does at RunPod."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.doubles.runpod.account import Account
from tests.doubles.runpod.pod import Pod

GRACE = 5.0
"""Seconds of real time between SIGTERM and SIGKILL."""
BACK_OFF = (0.2, 5.0)
"""Seconds before a container that exited is started again: the first time, and the most; twice as long each time."""


class Box(Protocol):
    """A pod's container, dead or alive."""

    pod: Pod

    def start(self) -> None: ...
    @property
    def alive(self) -> bool: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def wipe(self) -> None: ...
    def remove(self) -> None: ...
    def said(self) -> str: ...


Build = Callable[[Pod, Path, Path], Box]
"""Pod, folder for boxes, folder for volumes → its box."""


@dataclass
class _Kept:
    box: Box
    life: int
    """The pod's, which this container belongs to."""
    starts: int = 0
    not_before: float = 0.0
    asked_to_end: float | None = None


class Machines:
    """Starts and ends boxes on a thread of its own; `boxes`: pod's id → what runs or still has to vanish."""

    def __init__(self, account: Account, build: Build, look: float) -> None:
        """`look`: seconds between two looks at everything."""
        self.account, self._build, self._look = account, build, look
        self._home = Path(tempfile.mkdtemp(prefix="videogen-runpod-"))
        self._home.chmod(0o755)  # the image's users must get through
        self.volumes = self._home / "volumes"
        """Each network volume in use is a folder."""
        self._kept: dict[str, _Kept] = {}
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="fake RunPod's machines")

    def start(self) -> None:
        """From now on pods run."""
        self._thread.start()

    def stop(self) -> None:
        """Kills everything, volumes too."""
        self._stop.set()
        self._thread.join(30)
        for kept in self._kept.values():
            kept.box.kill()
            kept.box.remove()
        shutil.rmtree(self._home)

    def box(self, pod: Pod) -> Box:
        """The container of a pod that has started."""
        with self._lock:
            return self._kept[pod.id].box

    def starts(self, pod: Pod) -> int:
        """How often its container was started in this life."""
        with self._lock:
            return self._kept[pod.id].starts if pod.id in self._kept else 0

    def left(self) -> list[str]:
        """Names of ended pods of which something still runs or lies about."""
        with self._lock:
            return [kept.box.pod.name for kept in self._kept.values() if kept.box.pod.ended]

    def _run(self) -> None:
        while not self._stop.wait(self._look):
            with self.account.lock:
                now = self.account.settle()
                pods = list(self.account.pods.values())
                running = {pod.id for pod in pods if pod.status(now) in ("STARTING", "RUNNING") and not pod.stuck}
            with self._lock:
                for pod in pods:
                    if not pod.planted:
                        self._tend(pod, wanted=pod.id in running)

    def _tend(self, pod: Pod, *, wanted: bool) -> None:
        kept = self._kept.get(pod.id)
        if kept is None:
            if not wanted:
                return
            kept = self._kept[pod.id] = _Kept(self._build(pod, self._home, self.volumes), pod.life)
        now = time.monotonic()
        if not wanted or kept.life != pod.life:
            self._end(kept, now, pod)
        elif not kept.box.alive and now >= kept.not_before:
            first, most = BACK_OFF
            kept.not_before = now + min(first * 2**kept.starts, most)
            kept.starts += 1
            kept.box.start()

    def _end(self, kept: _Kept, now: float, pod: Pod) -> None:
        if kept.box.alive:
            if kept.asked_to_end is None:
                kept.asked_to_end = now
                kept.box.terminate()
            elif now > kept.asked_to_end + GRACE:
                kept.box.kill()
        elif pod.ended:
            kept.box.remove()
            del self._kept[pod.id]
        elif kept.starts:
            kept.box.wipe()  # a container disk does not outlive a stop or a restart
            kept.life, kept.starts, kept.not_before, kept.asked_to_end = pod.life, 0, 0.0, None
