"""A forward proxy as companies have one: plain HTTP by whole addresses, HTTPS by CONNECT; it alone knows some names."""

import base64
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit


class ForwardProxy:
    """Serves on loopback until the block ends.

    `names` leads a name, and every name below it, to a port of loopback. `access`: `user:password`, without which it
    refuses; `asked` holds the first line of each request that it passed on.
    """

    def __init__(self, names: Mapping[str, int], access: str = "") -> None:
        self.asked: list[str] = []
        self._names, self._access = names, access
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> "ForwardProxy":
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    @property
    def url(self) -> str:
        """What stands in `HTTP_PROXY` and `HTTPS_PROXY`."""
        access = f"{self._access}@" if self._access else ""
        return f"http://{access}127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            self._threads.append(threading.Thread(target=self._serve, args=(client,)))
            self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        """One connection: a tunnel, or one request, after which it is closed."""
        with client, suppress(OSError):
            head, _, rest = _head(client).partition(b"\r\n\r\n")
            first, *headers = head.decode("latin-1").split("\r\n")
            method, target, version = first.split(" ", 2)
            shown = {line.partition(": ")[2] for line in headers if line.lower().startswith("proxy-authorization:")}
            if self._access and f"Basic {base64.b64encode(self._access.encode()).decode()}" not in shown:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            tunnel = method == "CONNECT"
            place = urlsplit(f"//{target}" if tunnel else target)
            port = self._port(place.hostname or "")
            if port is None:
                client.sendall(b"HTTP/1.1 502 No Such Name\r\nContent-Length: 0\r\n\r\n")
                return
            self.asked.append(first)
            with socket.create_connection(("127.0.0.1", port)) as server:
                self._open.append(server)
                if tunnel:
                    client.sendall(b"HTTP/1.1 200 Connection Established\r\n\r\n")
                else:
                    path = place.path + (f"?{place.query}" if place.query else "")
                    kept = [line for line in headers if not line.lower().startswith(("proxy-", "connection:"))]
                    lines = [f"{method} {path} {version}", *kept, "Connection: close"]
                    rest = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + rest
                server.sendall(rest)
                back = threading.Thread(target=_copy, args=(server, client))
                back.start()
                _copy(client, server)
                back.join(10)

    def _port(self, host: str) -> int | None:
        return next((port for name, port in self._names.items() if f".{host}".endswith(f".{name}")), None)


def _head(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (more := client.recv(1 << 16)):
        data += more
    return data


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
