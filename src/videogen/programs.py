"""The programs of a worker: started, kept running while it waits for anything, ended in order."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from videogen import port
from videogen.child import Child
from videogen.errors import ProcessError
from videogen.log_shipping import LogShipping
from videogen.status_board import StatusBoard

GRACE_SECONDS = 8.0
"""For a program to end by itself."""
OPEN_SECONDS = 20.0
"""For a program to listen."""


class Programs:
    """All that were started; `held` are descriptors that each of them keeps open, and `logs` follows theirs."""

    def __init__(self, board: StatusBoard, held: Sequence[int], logs: LogShipping | None) -> None:
        self._board, self._held, self._logs = board, tuple(held), logs
        self._children: list[Child] = []

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        user: str | None = None,
    ) -> Child:
        """One more, as `Child` starts it."""
        child = Child(name, argv, folder=folder, environment=environment, log=log, held=self._held, user=user)
        self._children.append(child)
        if self._logs is not None:
            self._logs.follow(name, log)
        return child

    def tend(self) -> bool:
        """Starts again what died; whether anything did. What ComfyUI had in its queue is lost; its clients see that."""
        died = [child for child in self._children if child.tend()]
        for child in died:
            self._board.restarting(child.name)
        return bool(died)

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Waits as long as the lease allows, and keeps everything running meanwhile."""
        while not done():
            self._board.check()
            self.tend()
            self._board.stop.wait(0.02)

    def wait_open(self, child: Child, number: int) -> None:
        """Returns when the program listens; raises `ProcessError` when it dies first, or does not in time."""
        if not port.wait_open(number, OPEN_SECONDS, lambda: not child.tend() and not self._board.stop.is_set()):
            self._board.check()
            message = f"{child.name}: nobody listens on port {number} after {OPEN_SECONDS:g} s"
            raise ProcessError(message, child.last_words())
        child.proven = True

    def end(self, child: Child) -> None:
        """Ends a program and what it started, politely until there is a hurry."""
        child.end(GRACE_SECONDS, self._board.hurry)
