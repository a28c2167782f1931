"""A TCP relay between a client and a server that can be told to be slow, to cut connections, or to say nothing."""

import socket
import threading
import time
from types import TracebackType
from typing import Literal

from videogen import port

Mood = Literal["good", "silent", "cutting", "slow"]


class BadLink:
    """Relays to a loopback port. `silent`: takes bytes, gives none; `cutting`: closes after `limit` bytes of an answer;
    `slow`: gives `limit` bytes a second. Of what begins with `held` it passes nothing on for `hold` seconds, then all of
    it, also where the client has left meanwhile."""

    def __init__(self, target: int) -> None:
        self.port = port.free(["link"])["link"]
        self.mood: Mood = "good"
        self.limit = 1 << 20
        self.cuts = 0
        self.held, self.hold = b"", 0.0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listener.settimeout(0.1)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> "BadLink":
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._relay, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            ways = threading.Thread(target=self._copy, args=(client, server), kwargs={"answer": False})
            ways.start()
            self._copy(server, client, answer=True)
            ways.join(10)

    def _copy(self, source: socket.socket, sink: socket.socket, *, answer: bool) -> None:
        source.settimeout(0.1)
        passed = 0
        while not self._over.is_set():
            try:
                data = source.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                break
            if not data:
                break
            if not answer and self.held and data.startswith(self.held):
                time.sleep(self.hold)
            if answer and self.mood == "silent":
                continue
            if answer and self.mood == "slow":
                time.sleep(len(data) / self.limit)
            passed += len(data)
            if answer and self.mood == "cutting" and passed > self.limit:
                self.cuts += 1
                break
            try:
                sink.sendall(data)
            except OSError:
                break
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
