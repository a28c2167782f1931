"""Where models come from: a model hub or any https address, read in one stream that survives broken connections.

A token goes to the host that it is for and to nobody else, also not where that host redirects to.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import httpx

from videogen.errors import Interrupted, OriginError, WrongHash
from videogen.model import LOOPBACK, Repository, Url
from videogen.secret import Secret

HUB = "https://huggingface.co"
"""Of sources that name a repository; `HF_ENDPOINT` names another one that answers in the same way."""
HUB_TOKEN = "HF_TOKEN"  # noqa: S105 - the variable's name
_MOST_REDIRECTS = 5
_ANSWER_SECONDS = 10.0
"""Longest silence before the connection is given up; the next one goes on where it was."""
_LONGEST_PAUSE = 10.0


@dataclass(frozen=True)
class Statement:
    """What an origin says of a file before it is read; nothing where it does not say."""

    size: int | None
    sha256: str | None
    revision: str | None


class Origins:
    """Reads from origins; may be used from many threads.

    `environment` holds the tokens: `HF_TOKEN` for the hub, `VIDEOGEN_TOKEN_<HOST>` for any other host, in capitals and
    with `_` for everything that is no letter or digit. `patience_seconds`: how long no byte may arrive.
    """

    def __init__(self, environment: Mapping[str, str], *, patience_seconds: float = 60.0) -> None:
        self._environment = environment
        self._hub = (environment.get("HF_ENDPOINT") or HUB).rstrip("/")
        self._patience = patience_seconds
        self._timeout = httpx.Timeout(min(_ANSWER_SECONDS, patience_seconds))

    def _client(self) -> httpx.Client:
        return httpx.Client(
            timeout=self._timeout,
            headers={"User-Agent": "videogen", "Accept-Encoding": "identity"},
            follow_redirects=False,
            mounts={f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")},  # never through a proxy
        )

    def address(self, source: Repository | Url) -> str:
        """Where the file is."""
        if isinstance(source, Url):
            return source.url
        return f"{self._hub}/{source.repository}/resolve/{quote(source.revision, safe='')}/{quote(source.path)}"

    def statement(self, source: Repository | Url) -> Statement:
        """What the origin says of the file, without reading it; raises `OriginError`."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with self._answer("HEAD", self.address(source), {}) as (answer, said):
                    self._refuse(answer, self.address(source))
                    return _statement(answer, said)
            except _Busy as error:
                self._pause(error, deadline, None)

    def read(
        self, source: Repository | Url, start: int = 0, *, size: int | None = None, stop: threading.Event | None = None
    ) -> Iterator[bytes]:
        """The file's bytes from `start` on; goes on where a connection broke.

        Raises `OriginError`; `WrongHash` at once when the origin's file has not `size` bytes; `Interrupted`.
        """
        address, done, deadline = self.address(source), start, time.monotonic() + self._patience
        while size is None or done < size:
            try:
                with self._answer("GET", address, {"Range": f"bytes={done}-"} if done else {}) as (answer, _):
                    self._refuse(answer, address)
                    total, skip = _span(answer, done)
                    if size is not None and total is not None and total != size:
                        raise WrongHash(f"{_shown(address)} has {total} bytes, the manifest says {size}")
                    for piece in answer.iter_raw():  # as they come: a larger piece would be lost where it breaks
                        if stop is not None and stop.is_set():
                            raise Interrupted(f"stopped while reading {_shown(address)}")
                        fresh = piece[min(skip, len(piece)) :]
                        skip -= len(piece) - len(fresh)
                        if fresh:
                            done += len(fresh)
                            deadline = time.monotonic() + self._patience
                            yield fresh
                    whole = size if total is None else total
                    if whole is None or done >= whole:
                        return
                    raise _Busy(f"{_shown(address)} ended at byte {done} of {whole}")
            except (_Busy, httpx.TransportError, httpx.StreamError) as error:
                self._pause(error, deadline, stop)

    @contextmanager
    def _answer(
        self, method: str, address: str, headers: dict[str, str]
    ) -> Iterator[tuple[httpx.Response, dict[str, str]]]:
        """The answer behind all redirects, and the headers of the whole way."""
        home, token, said = _origin(address), self._token(address), dict[str, str]()
        with self._client() as client:
            for _ in range(_MOST_REDIRECTS + 1):
                to_home = token is not None and _origin(address) == home
                more = {"Authorization": f"Bearer {token.reveal()}"} if token is not None and to_home else {}
                answer = _send(client, method, address, {**headers, **more})
                try:
                    for name, value in answer.headers.items():
                        said.setdefault(name, value)
                    if not answer.has_redirect_location or (method == "HEAD" and "x-linked-etag" in said):
                        yield answer, said
                        return
                    target = urljoin(address, answer.headers["location"])
                finally:
                    answer.close()
                parts = urlsplit(target)
                if parts.scheme != "https" and parts.hostname not in LOOPBACK:
                    raise OriginError(f"{_shown(address)} redirects to {_shown(target)}, which is not https")
                address = target
        raise OriginError(f"{_shown(address)}: redirects without end")

    def _refuse(self, answer: httpx.Response, address: str) -> None:
        """Raises unless the answer is the file."""
        status = answer.status_code
        if status in (200, 206) or answer.has_redirect_location:
            return
        shown = f"{_shown(address)}: HTTP {status}"
        if _origin(str(answer.url)) != _origin(address):
            shown += f" from {answer.url.host}"
        if status in (401, 403):
            variable = self._variable(address)
            has = f"{variable} is set, but may not read it" if self._environment.get(variable) else f"set {variable}"
            raise OriginError(f"{shown}: not allowed", f"{has}; some files ask you to accept their terms on the page")
        if status == 429 or status >= 500:
            raise _Busy(shown, answer.headers.get("retry-after"))
        raise OriginError(shown, "look at the entry's source: repository, revision and path, or url")

    def _pause(self, error: Exception, deadline: float, stop: threading.Event | None) -> None:
        """Waits before another try; raises `OriginError` when the patience ends before."""
        asked = error.seconds if isinstance(error, _Busy) else None
        pause = asked if asked is not None else min(1.0, self._patience / 10)
        if time.monotonic() + pause > deadline:
            message = f"{error} (no byte for {self._patience:g} s)"
            raise OriginError(message, "what arrived is kept; run it again to go on") from error
        if (stop or threading.Event()).wait(pause):
            raise Interrupted("stopped while an origin was not answering")

    def _variable(self, address: str) -> str:
        if _origin(address) == _origin(self._hub):
            return HUB_TOKEN
        return "VIDEOGEN_TOKEN_" + re.sub(r"[^A-Z0-9]", "_", (urlsplit(address).hostname or "").upper())

    def _token(self, address: str) -> Secret | None:
        value = self._environment.get(self._variable(address), "").strip()
        return Secret(value) if value else None


class _Busy(Exception):
    """Worth another try; `seconds` is how long the origin asks to wait."""

    def __init__(self, message: str, retry_after: str | None = None) -> None:
        super().__init__(message)
        given = (retry_after or "").strip()
        self.seconds = min(float(given), _LONGEST_PAUSE) if given.isdigit() else None


def _send(client: httpx.Client, method: str, address: str, headers: dict[str, str]) -> httpx.Response:
    try:
        return client.send(client.build_request(method, address, headers=headers), stream=True)
    except httpx.TransportError as error:
        raise _Busy(f"{_shown(address)}: {type(error).__name__}: {error}") from error
    except (httpx.InvalidURL, UnicodeError) as error:
        raise OriginError(f"{_shown(address)} is no address: {error}") from None


def _statement(answer: httpx.Response, said: Mapping[str, str]) -> Statement:
    hashed = said.get("x-linked-etag", "").strip('W/"')
    length = said.get("x-linked-size") or (answer.headers.get("content-length") if answer.is_success else None)
    return Statement(
        size=int(length) if length and length.isdigit() else None,
        sha256=hashed if re.fullmatch(r"[0-9a-f]{64}", hashed) else None,
        revision=said.get("x-repo-commit"),
    )


def _span(answer: httpx.Response, wanted: int) -> tuple[int | None, int]:
    """Bytes of the whole file where the answer says it, and how many of its bytes are to be skipped."""
    if answer.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("content-range", "").strip())
        if not match or int(match[1]) > wanted:
            raise OriginError(f"{_shown(str(answer.url))} answers another range than byte {wanted} and on")
        return (int(match[2]) if match[2] != "*" else None), wanted - int(match[1])
    length = answer.headers.get("content-length", "")
    return (int(length) if length.isdigit() else None), wanted


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _shown(address: str) -> str:
    """Without query, user and password: signed addresses carry secrets there."""
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
