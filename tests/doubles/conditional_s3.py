"""A bucket in memory that obeys or refuses `If-None-Match`, and may be late in saying that an object is there."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from videogen.secret import Secret
from videogen.stack_outputs import Store as Place
from videogen.stack_outputs import StoreAccess
from videogen.store import Store


class ConditionalS3:
    """Serves on loopback; believes every signature.

    `conditions`: "obeyed"; "refused", which some stores do with any header that they do not know. `blind`: so many
    HEADs are answered with 404 whatever there is, as if another client were just ahead.
    """

    def __init__(self, conditions: Literal["obeyed", "refused"], blind: int = 0) -> None:
        self.conditions, self.blind = conditions, blind
        self.objects: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @contextmanager
    def serving(self) -> Iterator[Store]:
        """A client of it, until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        place = Place(endpoint=address, region="us-east-1", models="models", outputs="outputs")
        try:
            yield Store(place, StoreAccess(key=Secret("k"), secret=Secret("s")), patience_seconds=2)
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _handler(bucket: ConditionalS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            with bucket.lock:
                found = bucket.objects.get(self.path) if not bucket.blind else None
                bucket.blind = max(0, bucket.blind - 1)
            self._answer(200 if found is not None else 404, found or b"", head=True)

        def do_GET(self) -> None:
            self._answer(200, bucket.objects[self.path])

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            condition = self.headers["If-None-Match"]
            status, word = 200, ""
            with bucket.lock:
                if condition and bucket.conditions == "refused":
                    status, word = 501, "NotImplemented"
                elif condition and self.path in bucket.objects:
                    status, word = 412, "PreconditionFailed"
                else:
                    bucket.objects[self.path] = data
            self._answer(status, f"<Error><Code>{word}</Code></Error>".encode() if word else b"")

        def _answer(self, status: int, body: bytes, *, head: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", hashlib.md5(body, usedforsecurity=False).hexdigest())
            self.end_headers()
            if not head:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler
