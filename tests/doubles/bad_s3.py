"""A proxy before a real S3 server that misbehaves as told, answer by answer.

A signature covers the host that the client asked for, which is passed on unchanged, so the real server accepts it.
"""

import random
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal

from tests.doubles.s3_server import S3Server
from videogen import stack_outputs
from videogen.store import Store

Kind = Literal["truncated", "flipped", "too long", "error", "reset", "forbidden", "replaced", "whole", "slow", "silent"]
_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class Fault:
    """What goes wrong with GETs whose key holds `key`: at most `times` of them, after the first `after`."""

    kind: Kind
    times: int = 1
    after: int = 0
    key: str = ""
    status: int = 503
    retry_after: str | None = None
    """Of an `error`."""
    rate: int = 1 << 20
    """Bytes a second and connection when `slow`."""
    met: int = field(default=0, init=False)


class BadS3:
    """Serves on loopback until the block ends; `hits` counts the faults that were played, `asked` all GETs.

    `thought`: seconds before it answers a HEAD or a list.
    """

    def __init__(self, behind: S3Server, *faults: Fault, seed: int = 0, thought: float = 0) -> None:
        self.thought = thought
        self.dropped: set[str] = set()
        """Headers in lower case that it does not pass on."""
        self.faults, self.hits, self.asked = list(faults), 0, 0
        self.over = threading.Event()
        self._behind, self._random = behind, random.Random(seed)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> "BadS3":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def store(self, patience_seconds: float = 5.0) -> Store:
        """A client that reaches the server through the proxy."""
        place = self._behind.place.model_copy(update={"endpoint": f"http://127.0.0.1:{self._server.server_port}"})
        return Store(stack_outputs.Store.model_validate(place), self._behind.access, patience_seconds=patience_seconds)

    def fault_for(self, path: str) -> Fault | None:
        """The fault of this GET; counts it."""
        with self._lock:
            self.asked += 1
            for fault in self.faults:
                if fault.key in path:
                    fault.met += 1
                    if fault.after < fault.met <= fault.after + fault.times:
                        self.hits += 1
                        return fault
        return None

    def somewhere(self, size: int) -> int:
        """A random byte in the middle of an answer."""
        with self._lock:
            return self._random.randrange(1, max(2, size))

    def ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
        """The real server's answer."""
        connection = HTTPConnection("127.0.0.1", self._behind.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in self.dropped:
                    connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


def _handler(bad: BadS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Says nothing."""

        def do_HEAD(self) -> None:
            bad.over.wait(bad.thought)
            status, headers, _ = bad.ask("HEAD", self.path, dict(self.headers.items()))
            lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
            self._head(status, headers, max(lengths, default=0))

        def do_GET(self) -> None:
            if "list-type=2" in self.path:
                bad.over.wait(bad.thought)
            fault = bad.fault_for(self.path)
            asked = dict(self.headers.items())
            if fault and fault.kind == "whole":
                asked.pop("Range", None)
            if fault and fault.kind in {"error", "forbidden"}:
                self._refuse(fault)
                return
            if fault and fault.kind == "silent":
                bad.over.wait(30)
                self.close_connection = True
                return
            status, headers, body = bad.ask("GET", self.path, asked)
            if fault and fault.kind == "flipped":
                at = bad.somewhere(len(body))
                body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            if fault and fault.kind == "replaced":
                headers = [(name, '"another"' if name.lower() == "etag" else value) for name, value in headers]
            if fault and fault.kind == "truncated":
                body, status = body[: bad.somewhere(len(body))], 200
            self._head(status, headers, len(body) + (1000 if fault and fault.kind == "too long" else 0))
            send: Callable[[bytes], object] = self.wfile.write
            try:
                if fault and fault.kind == "reset":
                    send(body[: bad.somewhere(len(body))])
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                elif fault and fault.kind == "slow":
                    step = max(1, fault.rate // 50)
                    for start in range(0, len(body), step):
                        send(body[start : start + step])
                        if bad.over.wait(step / fault.rate):
                            break
                else:
                    send(body)
            except OSError:
                self.close_connection = True  # the client hung up
            if fault and fault.kind in {"too long", "slow"}:
                self.close_connection = True

        def _head(self, status: int, headers: list[tuple[str, str]], length: int) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def _refuse(self, fault: Fault) -> None:
            status, word = (403, "AccessDenied") if fault.kind == "forbidden" else (fault.status, "SlowDown")
            body = f"<Error><Code>{word}</Code><Message>as told</Message></Error>".encode()
            self._head(status, [("Retry-After", fault.retry_after)] if fault.retry_after else [], len(body))
            self.wfile.write(body)

    return Handler
