"""The worker's own face: says over HTTP how it is, and ends it when asked. Without the token it says nothing.

`GET /status` answers with a `WorkerStatus`, `PUT /lease` takes `LeaseTerms` (409 before the lease has begun),
`POST /stop` begins the end; both answer with the status then.
"""

import hmac
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import ValidationError

from videogen.errors import ProcessError
from videogen.lease import LeaseTerms
from videogen.redaction import Redaction
from videogen.secret import Secret
from videogen.status_board import StatusBoard

_SLOWEST_CLIENT_SECONDS = 10.0
_LARGEST_BODY = 4096
_HEARD_WITHIN_SECONDS = 0.1


@contextmanager
def serving(board: StatusBoard, port: int, token: Secret, redaction: Redaction | None = None) -> Iterator[None]:
    """Serves on that port of loopback meanwhile; raises `ProcessError` when it is taken."""
    try:
        server = _Server(board, port, token, redaction or Redaction([token]))
    except OSError as error:
        message = f"agent: port {port} of 127.0.0.1 is taken: {error.strerror}"
        raise ProcessError(message, "another worker on this machine? choose another port") from error
    thread = threading.Thread(target=server.serve_forever, args=(_HEARD_WITHIN_SECONDS,), name="agent", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def __init__(self, board: StatusBoard, port: int, token: Secret, redaction: Redaction) -> None:
        self.board, self._redaction = board, redaction
        self._bearer = f"Bearer {token.reveal()}".encode()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Without the inherited look-up of the host's name, which may wait for a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def status(self) -> str:
        """What the board says, as JSON; a program's last words in it may have quoted a secret."""
        return json.dumps(self._redaction.within(self.board.status().model_dump(mode="json")))

    def admits(self, authorization: str) -> bool:
        """Whether the header holds the token."""
        return hmac.compare_digest(authorization.encode(errors="replace"), self._bearer)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SLOWEST_CLIENT_SECONDS

    def do_GET(self) -> None:
        """Answers `GET`."""
        self._route("GET")

    def do_POST(self) -> None:
        """Answers `POST`."""
        self._route("POST")

    def do_PUT(self) -> None:
        """Answers `PUT`."""
        self._route("PUT")

    def _route(self, method: str) -> None:
        board = self.server.board
        if not self.server.admits(self.headers.get("Authorization", "")):
            self._answer(HTTPStatus.UNAUTHORIZED)
        elif (method, self.path) == ("GET", "/status"):
            self._answer(HTTPStatus.OK, self.server.status())
        elif (method, self.path) == ("POST", "/stop"):
            board.end("asked through the agent")
            self._answer(HTTPStatus.OK, self.server.status())
        elif (method, self.path) == ("PUT", "/lease"):
            self._renew()
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def _renew(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _LARGEST_BODY:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE if length else HTTPStatus.LENGTH_REQUIRED)
            return
        try:
            terms = LeaseTerms.model_validate_json(self.rfile.read(int(length)))
        except ValidationError:
            self._answer(HTTPStatus.BAD_REQUEST)
            return
        board = self.server.board
        if board.keep_terms is None:  # it might be over already, or be granted other terms by its record
            self._answer(HTTPStatus.CONFLICT)
            return
        board.renew(terms)
        board.keep_terms(terms)
        self._answer(HTTPStatus.OK, self.server.status())

    def _answer(self, status: HTTPStatus, body: str = "") -> None:
        data = body.encode()
        self.send_response_only(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
