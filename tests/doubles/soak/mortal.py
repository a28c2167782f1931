"""Programs that can be killed between any two things that they do to the world, as `kill -9` does."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

from videogen.pace import Pace
from videogen.runpod_api import Answer, RunpodApi
from videogen.secret import Secret


class Killed(BaseException):
    """Nothing catches it that only means errors; and what does catch it cannot do anything any more."""


@dataclass
class Life:
    """Of one program; `left`: so many acts until it is killed, nothing: it is not."""

    left: int | None = None
    dead: bool = False

    def act(self) -> None:
        """Before everything that the world would notice."""
        self.dead = self.dead or self.left == 0
        if self.dead:
            raise Killed
        if self.left is not None:
            self.left -= 1


class MortalApi(RunpodApi):
    """RunPod's API in the hands of such a program."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, Secret(key))
        # a new connection for each of ten thousand requests would be half of the drill's time
        self._http.close()
        self._http = httpx.Client(headers=self._http.headers, timeout=self._http.timeout)
        self._life = Life()

    def of(self, life: Life, pace: Pace) -> "MortalApi":
        """The same in the hands of another program: a new one takes long to make."""
        other = copy.copy(self)
        other._life, other._pace = life, pace
        return other

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def get(self, path: str, **query: str) -> Answer:
        """As there."""
        self._life.act()
        return super().get(path, **query)

    def delete(self, path: str) -> Answer:
        """As there."""
        self._life.act()
        return super().delete(path)

    def order(
        self, method: Literal["POST", "PATCH"], path: str, body: object, secrets: Sequence[Secret] = ()
    ) -> Answer:
        """As there."""
        self._life.act()
        try:
            return super().order(method, path, body, secrets)
        finally:
            self._pace.sleep(1)
