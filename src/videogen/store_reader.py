"""The bytes of objects, received straight into the caller's buffers: HTTP ranges over `http.client`.

botocore signs and boto3 spells addresses; a request through all of boto3 costs 1.0 ms of processor time, one here 0.3.
Large bodies cost nearly the same in both (docs/decisions/0010).
A range is known by `Content-Range`, not by its status: rclone answers ranges with 200.
"""

import base64
import re
import select
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from videogen.errors import Interrupted, ObjectChanged, ObjectMissing, RangeIgnored, StoreError
from videogen.store_client import BROKEN, THOUGHT, Busy, StoreClient, is_busy, is_loopback, is_untrusted, seconds, wait
from videogen.whole_answer import WholeAnswer

_PIECE = 1 << 20
_IDLE = 32
_SAFE = "/-._~"


class Described(NamedTuple):
    """What an answer says of its object; `etag` is empty where the store gives none."""

    size: int
    etag: str
    modified: datetime | None


class StoreReader:
    """Reads objects; may be used from many threads, each request on a connection of its own."""

    def __init__(self, client: StoreClient) -> None:
        self._client = client
        self._signer = S3SigV4Auth(
            Credentials(client.access.key.reveal(), client.access.secret.reveal()), "s3", client.place.region
        )
        self._bases: dict[str, str] = {}
        self._idle: list[tuple[str, HTTPConnection]] = []
        self._busy: dict[HTTPConnection, threading.Event | None] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def head(self, bucket: str, key: str, stop: threading.Event | None = None) -> Described | None:
        """What the store says of an object now; nothing when there is none."""

        def look() -> Described:
            with self._answer("HEAD", bucket, key, None, stop) as answer:
                return Described(int(answer.headers["Content-Length"] or 0), _etag(answer), _modified(answer))

        try:
            return self._client.ask(look, f"{bucket}/{key}", stop)
        except ObjectMissing:
            return None

    def fill(
        self,
        bucket: str,
        key: str,
        start: int,
        view: memoryview,
        *,
        etag: str = "",
        stop: threading.Event | None = None,
        tell: Callable[[int], None] | None = None,
        whole: WholeAnswer | None = None,
    ) -> None:
        """Fills `view` with the object's bytes from `start` on; an answer that breaks goes on where it broke.

        `tell` gets the bytes of each piece; `whole` is where they come from instead of a range of their own. Raises
        `ObjectMissing`; `ObjectChanged` when its ETag is not `etag`; `RangeIgnored`; `StoreError` when the object ends
        before; `StoreUnreachable`; `Interrupted`.
        """
        name = f"{bucket}/{key}"
        done, last = 0, time.monotonic()

        def receive() -> None:
            nonlocal done, last
            span = (start + done, start + len(view) - 1)
            with whole.at(span[0]) if whole else self._body(bucket, key, span, etag, stop) as answer:
                while done < len(view):
                    count = answer.readinto(view[done : done + _PIECE])
                    if not count:
                        if answer.length:
                            raise HTTPException(f"the connection was closed, {answer.length} bytes too early")
                        return
                    done, last = done + count, time.monotonic()
                    if tell:
                        tell(count)
                    if stop is not None and stop.is_set():
                        raise Interrupted(f"stopped while reading {name}")

        while done < len(view):
            before = done
            try:
                self._client.ask(partial(_once, receive), name, stop)
            except _Broken as error:
                if time.monotonic() - last > self._client.patience:
                    raise self._client.unreachable(error.reason) from error
                if done == before:
                    wait(0.2, stop)
                continue
            if done == before:
                if stop is not None and stop.is_set():
                    raise Interrupted(f"stopped while reading {name}")
                raise StoreError(f"{self._client.address}: {name} ends before byte {start + len(view)}")

    def hang_up(self, stop: threading.Event) -> None:
        """Ends the requests that were made with this `stop`, also those that wait for a silent store."""
        with self._lock:
            for connection, owner in self._busy.items():
                if owner is stop and connection.sock:
                    with suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)

    def whole(self, bucket: str, key: str, etag: str, stop: threading.Event | None) -> WholeAnswer:
        """All of an object from one answer, for `fill` where ranges are ignored."""
        return WholeAnswer(partial(self._body, bucket, key, None, etag, stop))

    @contextmanager
    def _body(
        self, bucket: str, key: str, span: tuple[int, int] | None, etag: str, stop: threading.Event | None
    ) -> Iterator[HTTPResponse]:
        """An answer whose bytes are those of the span, or of all of the object that `etag` means."""
        with self._answer("GET", bucket, key, span, stop) as answer:
            self._check(answer, f"{bucket}/{key}", span[0] if span else 0, etag)
            yield answer

    @contextmanager
    def _answer(
        self, method: str, bucket: str, key: str, span: tuple[int, int] | None, stop: threading.Event | None
    ) -> Iterator[HTTPResponse]:
        """One request's answer; its connection is used again when the body was read to its end."""
        url = self._base(bucket) + quote(key, safe=_SAFE)
        request = AWSRequest(method, url)
        self._signer.add_auth(request)
        headers = dict(request.headers.items())
        if span:
            headers["Range"] = f"bytes={span[0]}-{span[1]}"
        place = urlsplit(url)
        proxy = _proxy(place)
        target = place.path
        if proxy and place.scheme == "http":
            target = url
            headers |= _proxy_access(proxy)
        connection = self._connection(place, proxy)
        with self._lock:
            self._busy[connection] = stop
        whole = False
        try:
            connection.request(method, target, headers=headers)
            connection.sock.settimeout(self._client.patience * (THOUGHT if method == "HEAD" else 1))
            answer = connection.getresponse()
            if answer.status >= 300:
                raise self._refusal(answer, f"{bucket}/{key}")
            yield answer
            whole = answer.length == 0
        finally:
            with self._lock:
                del self._busy[connection]
                if whole and len(self._idle) < _IDLE:
                    answer.close()
                    self._idle.append((_server(place), connection))
                else:
                    connection.close()

    def _connection(self, place: SplitResult, proxy: SplitResult | None) -> HTTPConnection:
        """A connection for an address; one that is idle, where the other end still holds it."""
        with self._lock:
            for index, (server, connection) in enumerate(self._idle):
                if server == _server(place) and _is_fresh(connection):
                    del self._idle[index]
                    return connection
        patience = self._client.patience
        near = proxy or place
        port = near.port or (80 if near.scheme == "http" else 443)
        if place.scheme == "http":
            return HTTPConnection(near.hostname or "", port, timeout=patience)
        through = HTTPSConnection(near.hostname or "", port, timeout=patience, context=self._client.trusted)
        if proxy:
            through.set_tunnel(place.hostname or "", place.port, _proxy_access(proxy))
        return through

    def _base(self, bucket: str) -> str:
        """A bucket's address with a slash at its end, as boto3 spells it for this store's addressing."""
        if bucket not in self._bases:
            signed = self._client.s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
            self._bases[bucket] = signed.partition("?")[0].removesuffix("k")
        return self._bases[bucket]

    def _check(self, answer: HTTPResponse, name: str, start: int, etag: str) -> None:
        found = _etag(answer)
        if etag and found and found != etag:
            raise ObjectChanged(f"{self._client.address}: {name} was replaced while it was read")
        said = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", answer.headers.get("Content-Range", ""))
        if (int(said[1]) if said else 0) != start:
            wrong = StoreError if said else RangeIgnored
            raise wrong(
                f"{self._client.address}: {name}: the answer does not begin with byte {start}, which was asked for",
                "does a proxy in between drop the header Range?",
            )

    def _refusal(self, answer: HTTPResponse, name: str) -> Exception:
        text = answer.read(_PIECE).decode(errors="replace")
        word, said = (match[1] if (match := re.search(f"<{tag}>(.*?)</{tag}>", text)) else "" for tag in _ERROR)
        if is_busy(answer.status, word):
            return Busy(f"{answer.status} {word or answer.reason}", seconds(answer.headers.get("Retry-After")))
        missing = "NoSuchKey" if answer.status == 404 and not word else ""
        return self._client.refusal(name, answer.status, word or missing or f"{answer.status} {answer.reason}", said)


_ERROR = ("Code", "Message")


class _Broken(Exception):
    """An answer broke off after some bytes; what came is kept."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _once(receive: Callable[[], None]) -> None:
    """Breaks are met by asking for the rest, not for the same again."""
    try:
        receive()
    except BROKEN as error:
        if is_untrusted(error):
            raise
        raise _Broken(error) from error


def _etag(answer: HTTPResponse) -> str:
    return answer.headers.get("ETag", "").strip('"')


def _modified(answer: HTTPResponse) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers["Last-Modified"] or "").astimezone(UTC)
    except ValueError:
        return None


def _close_all(idle: list[tuple[str, HTTPConnection]]) -> None:
    for _, connection in idle:
        connection.close()


def _proxy(place: SplitResult) -> SplitResult | None:
    """The environment's proxy for an address, as boto3 finds it; some write it without its scheme."""
    if is_loopback(place.hostname or "") or proxy_bypass(place.netloc):
        return None
    named = getproxies().get(place.scheme)
    return urlsplit(named if "://" in named else f"http://{named}") if named else None


def _proxy_access(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    words = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}


def _server(place: SplitResult) -> str:
    return f"{place.scheme}://{place.netloc}"


def _is_fresh(connection: HTTPConnection) -> bool:
    """Whether the other end has neither closed it nor sent what nobody asked for."""
    if connection.sock is None:
        return False
    look = select.poll()
    look.register(connection.sock, select.POLLIN)
    return not look.poll(0)
