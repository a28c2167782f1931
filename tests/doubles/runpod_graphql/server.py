"""The GraphQL endpoint over HTTP."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from tests.doubles.runpod.account import Account
from tests.doubles.runpod.problem import NO_CAPACITY, Problem
from tests.doubles.runpod_graphql.operations import Operations

Mood = Literal["good", "no capacity", "ended", "nobody"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that went away is none of its business."""


@dataclass(frozen=True)
class Asked:
    """An operation as it arrived with the account's key."""

    operation: str
    variables: Any


@dataclass
class RunpodGraphql:
    """Serves an account on loopback to whoever shows its key.

    `mood`: `good`; `no capacity` refuses each mutation with the text for that; `ended` answers 410 to everything, as a
    retired API does; `nobody` knows no `myself`, as for a key that lost its account.
    """

    account: Account
    key: str
    mood: Mood = "good"
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.operations = Operations(self.account)
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def address(self) -> str:
        """For `RUNPOD_API_URL`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/graphql"

    def said(self, operation: str) -> list[Any]:
        """The variables of every call of an operation, in order."""
        return [one.variables for one in self.asked if one.operation == operation]

    def _answer(self, path: str, bearer: str | None, sent: bytes) -> tuple[int, dict[str, Any]]:
        if self.mood == "ended":
            return 410, {"message": "this API is no longer available"}
        if path != "/graphql":
            return 404, {"message": "not found"}
        if bearer != f"Bearer {self.key}":
            return 401, {"message": "Unauthorized"}
        try:
            body = json.loads(sent)
        except ValueError:
            return 400, _error("the body is no JSON")
        if not isinstance(body, dict) or body.keys() - {"query", "variables", "operationName"}:
            return 400, _error("the body is no operation")
        name, query = body.get("operationName"), str(body.get("query"))
        if not isinstance(name, str) or f" {name}" not in query:
            return 400, _error("operationName does not name an operation of the query")
        self.asked.append(Asked(name, body.get("variables")))
        if self.mood == "no capacity" and query.lstrip().startswith("mutation"):
            return 200, _error(NO_CAPACITY)
        try:
            data = self.operations.answer(name, body.get("variables"))
        except Problem as problem:
            return 200, _error(str(problem.body()["detail"]))
        if self.mood == "nobody" and "myself" in data:
            data = {"myself": None}
        return 200, {"data": data}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = double._answer(self.path, self.headers.get("Authorization"), sent)
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler


def _error(message: str) -> dict[str, Any]:
    return {"errors": [{"message": message}], "data": None}
