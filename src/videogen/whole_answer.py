"""An object read in order from one answer: the way through a store, or a proxy before it, that ignores ranges."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.client import HTTPException, HTTPResponse

_SCRATCH = 1 << 20

Ask = Callable[[], AbstractContextManager[HTTPResponse]]
"""A new answer, from the object's first byte on."""


class WholeAnswer:
    """An answer that stays open between reads; for one thread at a time. Close it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._open = ExitStack()
        self._answer: HTTPResponse | None = None
        self._size = 0

    @contextmanager
    def at(self, position: int) -> Iterator[HTTPResponse]:
        """The answer, with `position` for its next byte; what nobody wants before it is read and dropped.

        A byte that has passed, and any error in the block, cost a new answer from the beginning.
        """
        try:
            if self._answer is None or self._passed(self._answer) > position:
                self.close()
                self._answer = self._open.enter_context(self._ask())
                self._size = self._answer.length or 0
            while missing := position - self._passed(self._answer):
                if not self._answer.read(min(_SCRATCH, missing)):
                    raise HTTPException(f"the connection was closed before byte {position}")
            yield self._answer
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends it; may be called again."""
        self._answer = None
        self._open.close()

    def _passed(self, answer: HTTPResponse) -> int:
        return self._size - (answer.length or 0)
