"""What a pod sees of RunPod: the two ways to end it, on loopback. Ends the process that stands for the pod."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class PodApi:
    """Serves one pod. `answers`: what `terminate`, `DELETE` and `stop` are answered with; 0, nothing ever.

    An answer below 300 ends `process`, as RunPod does: by SIGTERM.
    """

    POD, KEY = "p1x2y3", "rpa_key-of-a-pod-1234"

    def __init__(self, answers: dict[str, int]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.process: int | None = None
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def environment(self) -> dict[str, str]:
        """What RunPod injects into the pod, and where its API is."""
        address = f"http://127.0.0.1:{self._server.server_address[1]}/v2"
        return {"RUNPOD_POD_ID": self.POD, "RUNPOD_API_KEY": self.KEY, "VIDEOGEN_RUNPOD_URL": address}

    def took(self, word: str) -> int:
        """The status for a request; ends the pod where that is the answer."""
        self.asked.append(word)
        status = self.answers[word]
        if 200 <= status < 300 and self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGTERM)
        return status

    @contextmanager
    def serving(self) -> Iterator["PodApi"]:
        """Serves until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _handler(api: PodApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(body["action"] if self.path == f"/v2/pods/{api.POD}/action" else None)

        def do_DELETE(self) -> None:
            self._answer("DELETE" if self.path == f"/v2/pods/{api.POD}" else None)

        def _answer(self, word: str | None) -> None:
            known = self.headers["Authorization"] == f"Bearer {api.KEY}" and self.headers["User-Agent"] == "videogen"
            status = 404 if word is None else api.took(word) if known else 401
            if not status:
                api.over.wait(60)
                return
            text = b"" if status == 204 else b'{"title": "said by the API"}'
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler
