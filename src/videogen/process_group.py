"""A process group that does not outlive its leader, however the leader ends.

A shell in the group reads from a pipe whose other end only the leader holds. The kernel closes that end with the
leader, after `kill -9` too, and the shell kills the group. Parent-death signals are Linux only and follow the thread,
not the process, that started a child.
"""

import os
import subprocess
from collections.abc import Collection

_WAIT_THEN_KILL = "trap '' HUP INT TERM; read -r nothing; kill -KILL 0"

_watchers: list[subprocess.Popen[bytes]] = []


def lead(held: Collection[int] = ()) -> None:
    """Makes this process the leader of a group of its own that ends with it; children join it by being started.

    The descriptors in `held` stay open until the last of the group is gone.
    """
    if os.getpgrp() != os.getpid():
        os.setsid()
    reading, _held_until_the_end = os.pipe()  # a bare number: no object's end closes it before the process ends
    _watchers.append(
        subprocess.Popen(
            ["/bin/sh", "-c", _WAIT_THEN_KILL],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},  # it outlives its leader by a moment, and needs none of the leader's secrets
            pass_fds=tuple(held),
        )
    )
    os.close(reading)
