"""A headless Chromium, led over its own protocol: a page as a person would see it."""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")
DEADLINE = 30.0


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def open(self, url: str) -> None:
        """Goes there; `until` says when it has come."""
        self._ask("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression of the page's language, also of a promise; an exception fails the test."""
        answer = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Waits for a condition on the page."""
        end = time.monotonic() + DEADLINE
        while not self._holds(condition):
            assert time.monotonic() < end, f"not on the page: {condition}"
            time.sleep(0.05)

    def picture(self, path: Path) -> None:
        """What is seen, as PNG."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot")["data"]))

    def _holds(self, condition: str) -> bool:
        """Whether it does; a page that comes in the middle of the question counts as no."""
        answer = self._ask("Runtime.evaluate", expression=f"!!({condition})", returnByValue=True)
        return bool(answer.get("result", {}).get("value")) and "exceptionDetails" not in answer

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (said := json.loads(self._connection.recv(timeout=DEADLINE))).get("id") != number:
            pass
        answer: dict[str, Any] = said.get("result", {})
        return answer


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A browser with one empty tab and its profile in `folder`, ended afterwards."""
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--window-size=1280,800"]
    words += [
        "--no-first-run",
        "--disable-background-networking",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
    ]
    with subprocess.Popen([str(PROGRAM), *words, "about:blank"], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = next(line for line in process.stderr if "DevTools listening on ws://" in line)
            place = said.partition("ws://")[2].partition("/")[0]
            tabs = httpx.get(f"http://{place}/json", timeout=DEADLINE, trust_env=False).json()
            tab = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            with connect(tab, max_size=None, proxy=None) as connection:
                yield Page(connection)
        finally:
            process.terminate()
            process.wait(DEADLINE)
