"""A server on loopback that tells what reached it: path, headers and body of each request, as they come."""

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Seen:
    """One request; `read` grows while its body arrives."""

    method: str
    path: str
    headers: dict[str, str]
    read: int = 0


@dataclass
class Echo:
    """A running server and all that it was asked."""

    port: int
    seen: list[Seen] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    echo: Echo

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 20

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self._tell
        raise AttributeError(name)

    def _tell(self) -> None:
        seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.server.echo.seen.append(seen)
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().strip() or b"0", 16):
                self._read(seen, size + 2)
        self._read(seen, int(self.headers.get("Content-Length", "0")))
        body = json.dumps(
            {"method": seen.method, "path": seen.path, "headers": seen.headers, "read": seen.read}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body)

    def _read(self, seen: Seen, left: int) -> None:
        while left and (part := self.rfile.read1(min(left, 1 << 16))):
            seen.read += len(part)
            left -= len(part)

    def log_message(self, *words: object) -> None:
        """Says nothing."""


@contextlib.contextmanager
def echo_server() -> Iterator[Echo]:
    """The server, ended afterwards."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.echo = Echo(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.echo
        finally:
            server.shutdown()
            thread.join(10)
