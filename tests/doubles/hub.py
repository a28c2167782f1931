"""A small model hub: pages of files that redirect to another host, with tokens, ranges, and every way to go wrong."""

import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal
from urllib.parse import unquote, urlsplit

Mood = Literal[
    "good", "truncated", "cutting", "flipped", "no ranges", "slow", "busy", "silent", "longer", "other range"
]
COMMIT = "c0ffee" + "0" * 34


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that went away is none of its business."""


@dataclass(frozen=True)
class Asked:
    """A request as one of the two hosts saw it."""

    host: Literal["hub", "store"]
    method: str
    path: str
    query: str
    authorization: str | None
    range: str | None


@dataclass
class Hub:
    """Files under `<repository>/resolve/<revision>/<path>`; the bytes come from a second host, as signed addresses do.

    `truncated`: ends in good order after `limit` bytes, without saying a length; `cutting`: promises all and closes
    after `limit` bytes of each answer; `flipped`: one byte is another one; `no ranges`: answers 200 with everything;
    `slow`: `limit` bytes a second; `busy`: 503 with `Retry-After: 0` to the first `count` requests; `silent`: takes
    requests and says nothing; `longer`: the file has one byte more; `other range`: answers a later range than asked.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    """Path behind the host → content."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Path → the token that it wants."""
    mood: Mood = "good"
    limit: int = 1 << 16
    count: int = 0
    states_hash: bool = True
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> "Hub":
        self._over = threading.Event()
        self._servers = {name: _Server(("127.0.0.1", 0), self._handler(name)) for name in ("hub", "store")}
        self._threads = []
        for server in self._servers.values():
            self._threads.append(threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}))
            self._threads[-1].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join(10)

    @property
    def address(self) -> str:
        """Of the hub."""
        return f"http://127.0.0.1:{self._servers['hub'].server_address[1]}"

    @property
    def store(self) -> str:
        """Of the host that has the bytes."""
        return f"http://127.0.0.1:{self._servers['store'].server_address[1]}"

    def put(self, repository: str, path: str, content: bytes, revision: str = "main") -> None:
        """A file of a repository."""
        self.files[f"/{repository}/resolve/{revision}/{path}"] = content

    def sent(self) -> int:
        """How many requests for bytes the second host got."""
        return sum(asked.host == "store" and asked.method == "GET" for asked in self.asked)

    def _handler(self, name: str) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Says nothing."""

            def do_HEAD(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.answer()

            def answer(self) -> None:
                parts = urlsplit(self.path)
                path = unquote(parts.path)
                said = self.headers
                hub.asked.append(
                    Asked("hub" if name == "hub" else "store", self.command, path, parts.query,
                          said.get("Authorization"), said.get("Range"))
                )  # fmt: skip
                self.hub_answers(path) if name == "hub" else self.store_answers(path)

            def hub_answers(self, path: str) -> None:
                if path not in hub.files:
                    self.plain(404)
                elif (wanted := hub.tokens.get(path)) and self.headers.get("Authorization") != f"Bearer {wanted}":
                    self.plain(403 if self.headers.get("Authorization") else 401)
                else:
                    content = hub.files[path]
                    more = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(content))}
                    if hub.states_hash:
                        more["X-Linked-ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
                    self.plain(302, {"Location": f"{hub.store}{path}?signature=secret-of-this-address", **more})

            def plain(self, status: int, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for key, value in {"Content-Length": "0", **(headers or {})}.items():
                    self.send_header(key, value)
                self.end_headers()

            def store_answers(self, path: str) -> None:
                if path not in hub.files:
                    self.plain(404)
                    return
                if hub.mood == "busy" and hub.count > 0:
                    hub.count -= 1
                    self.plain(503, {"Retry-After": "0"})
                    return
                if hub.mood == "silent":
                    hub._over.wait(20)
                    return
                content = hub.files[path] + (b"!" if hub.mood == "longer" else b"")
                if hub.mood == "flipped":
                    content = content[:-1] + bytes([content[-1] ^ 1])
                asked = self.headers.get("Range")
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and hub.mood != "no ranges" else 0
                if hub.mood == "other range":
                    start += 1
                body = content[start:]
                self.send_response(206 if asked and hub.mood != "no ranges" else 200)
                if asked and hub.mood != "no ranges":
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                if hub.mood == "truncated":
                    self.send_header("Connection", "close")
                else:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.body(body)

            def body(self, body: bytes) -> None:
                try:
                    if hub.mood in ("truncated", "cutting"):
                        self.wfile.write(body[: hub.limit])
                        self.close_connection = True
                    elif hub.mood == "slow":
                        for at in range(0, len(body), max(1, hub.limit // 10)):
                            self.wfile.write(body[at : at + max(1, hub.limit // 10)])
                            if hub._over.is_set():
                                break
                            time.sleep(0.1)
                    else:
                        self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # the client went away

        return Handler
