"""GitHub's comments under pull requests: a small server on loopback that believes one token and keeps what it is given."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

AUTHOR = "github-actions[bot]"
REPOSITORY = "me/video-gen"


@dataclass
class Github:
    """One repository, whose comments are all under one pull request."""

    url: str
    token: str
    pull_request: int
    comments: list[dict[str, Any]] = field(default_factory=list)

    def say(self, body: str, login: str) -> dict[str, Any]:
        """A comment of somebody's."""
        self.comments.append({"id": 1000 + len(self.comments), "user": {"login": login}, "body": body})
        return self.comments[-1]

    def answer(self, verb: str, address: str, token: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and answer."""
        path, asked = urlsplit(address).path, parse_qs(urlsplit(address).query)
        if token != f"Bearer {self.token}":
            return 401, {"message": "Bad credentials"}
        if path == f"/repos/{REPOSITORY}/issues/{self.pull_request}/comments":
            if verb == "POST":
                return 201, self.say(body["body"], AUTHOR)
            size, page = (int(asked.get(name, [other])[0]) for name, other in (("per_page", "30"), ("page", "1")))
            return 200, self.comments[(page - 1) * size : page * size]
        found = re.fullmatch(rf"/repos/{REPOSITORY}/issues/comments/(\d+)", path)
        one = next((comment for comment in self.comments if found and comment["id"] == int(found[1])), None)
        if verb != "PATCH" or one is None:
            return 404, {"message": "Not Found"}
        if one["user"]["login"] != AUTHOR:
            return 403, {"message": "Resource not accessible by integration"}
        one["body"] = body["body"]
        return 200, one


@contextmanager
def github(token: str = "ghs_0123456789abcdef0123", pull_request: int = 7) -> Iterator[Github]:
    """Serves until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            """Whatever is asked."""
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            status, told = made.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_words: object) -> None:
            """Says nothing."""

    for verb in ("GET", "POST", "PATCH"):
        setattr(Handler, f"do_{verb}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Github(f"http://127.0.0.1:{server.server_port}", token, pull_request)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
