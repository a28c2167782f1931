"""RunPod's REST API, version 2: questions and orders over HTTP, its limits obeyed, its refusals in plain words.

https://docs.runpod.io/api-reference-v2/overview
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, Literal

import httpx

from videogen.errors import CloudError, CloudUnknown
from videogen.pace import Pace
from videogen.redaction import Redaction
from videogen.secret import Secret

URL = "https://api.runpod.io/v2"

KEY_HINT = "RUNPOD_API_KEY needs a key of the account that may change it: https://console.runpod.io/user/settings"

_CONNECT_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 8.0
_WORDS = 400
"""Of a refusal, no more letters are shown."""
_WINDOW = re.compile(r"r=(?P<left>\d+)\s*;\s*t=(?P<seconds>\d+)")


@dataclass(frozen=True)
class Answer:
    """What RunPod said, and when by its own clock."""

    status: int
    body: Any
    """JSON, its fractions as `Decimal`; nothing when the answer had no body."""
    date: datetime


class Refused(CloudError):
    """RunPod understood an order and did nothing; `status` says why, `detail` in its own words."""

    def __init__(self, status: int, detail: str, hint: str | None = None) -> None:
        super().__init__(f"RunPod refuses (HTTP {status}): {detail}", hint)
        self.status = status
        self.detail = detail


class Denied(CloudUnknown):
    """RunPod does not answer this question, however often it is asked; nothing follows from that."""


class RateLimited(Refused):
    """Too many requests; nothing was done, and the same order may come again in `seconds`."""

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(429, detail, f"it takes orders again in {seconds:g} s")
        self.seconds = seconds


class RunpodApi:
    """One account; may be used from many threads. No message of an error holds a secret.

    `answer_seconds`: how long one answer may take. `patience_seconds`: how long what may be asked twice is asked again.
    """

    def __init__(
        self,
        url: str,
        key: Secret,
        *,
        pace: Pace | None = None,
        answer_seconds: float = 30.0,
        patience_seconds: float = 60.0,
    ) -> None:
        self.url = url.rstrip("/")
        self.account = hashlib.sha256(key.reveal().encode()).hexdigest()[:8]
        """Names the key, which is of one account for ever; tells nothing of the key."""
        self._key = key
        self._pace = pace or Pace()
        self._patience = patience_seconds
        self._closed_until = 0.0
        """By `pace.now`: when the window of the rate limit that is used up begins anew."""
        self._http = httpx.Client(
            # Cloudflare in front of the API turns away the names of some libraries.
            headers={"Authorization": f"Bearer {key.reveal()}", "User-Agent": f"video-gen/{version('videogen')}"},
            timeout=httpx.Timeout(answer_seconds, connect=min(_CONNECT_SECONDS, answer_seconds)),
            limits=httpx.Limits(max_keepalive_connections=0),  # so that nobody has to close this
        )

    def get(self, path: str, **query: str) -> Answer:
        """What is at `path`, status 200 or 404; raises `CloudUnknown` when neither can be had."""
        return self._insist("GET", path, query)

    def delete(self, path: str) -> Answer:
        """Orders an end, status 200, 202, 204 or 404. It may have been done though `CloudUnknown` is raised."""
        return self._insist("DELETE", path, {})

    def pages(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, with or without pages; raises `CloudUnknown` when it is not proven complete."""
        cursor, seen = "", set[str]()
        while True:
            answer = self.get(path, **({"cursor": cursor} if cursor else {}))
            items = answer.body.get(key) if answer.status == 200 and isinstance(answer.body, dict) else None
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise CloudUnknown(f"{self.url}{path}: an odd answer: no list of `{key}`")
            yield from items
            more = answer.body.get("pagination") or {}
            if not isinstance(more, dict) or (more.get("nextCursor") and more.get("hasNextPage") is None):
                raise CloudUnknown(f"{self.url}{path}: an odd answer: whether the list goes on is not said")
            if not more.get("hasNextPage"):
                return
            cursor = str(more.get("nextCursor") or "")
            if not cursor or cursor in seen:
                raise CloudUnknown(f"{self.url}{path}: half a list: its next page cannot be asked for")
            seen.add(cursor)

    def order(
        self, method: Literal["POST", "PATCH"], path: str, body: object, secrets: Sequence[Secret] = ()
    ) -> Answer:
        """Gives an order once. `secrets`: what in `body` no error may show.

        Raises `CloudUnknown` when it may have been done, another `CloudError` when nothing was: `Refused`, and
        `RateLimited` where it may come again.
        """
        redaction = Redaction((self._key, *secrets))
        if (closed := self._closed()) > 0:
            raise RateLimited("its rate limit is used up", closed)
        try:
            answer = self._send(method, path, {}, body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise CloudError(redaction.text(f"{self.url} cannot be reached: {_words(error)}")) from None
        except httpx.HTTPError as error:
            raise CloudUnknown(redaction.text(f"{self.url}{path}: no answer to {method}: {_words(error)}")) from None
        if answer.status_code == 429:
            raise RateLimited(redaction.text(_problem(answer)), _retry_after(answer))
        if 400 <= answer.status_code < 500 and answer.status_code != 408:
            detail = redaction.text(_problem(answer))
            raise Refused(answer.status_code, detail, KEY_HINT if answer.status_code == 401 else None)
        if not answer.is_success:
            said = redaction.text(f"{self.url}{path}: HTTP {answer.status_code}: {_problem(answer)}")
            raise CloudUnknown(said)
        return self._read(answer, path)

    def _insist(self, method: Literal["GET", "DELETE"], path: str, query: dict[str, str]) -> Answer:
        """Asks until there is an answer to rely on, or patience is over."""
        deadline = self._pace.now() + self._patience
        pause = _FIRST_PAUSE_SECONDS
        said, wait = "", self._closed()
        while True:
            if self._pace.now() + wait > deadline:
                raise CloudUnknown(f"{self.url}{path}: {said or 'the rate limit is used up'}")
            if wait > 0:
                self._pace.sleep(wait)
            try:
                answer = self._send(method, path, query)
                if answer.is_success or answer.status_code == 404:
                    return self._read(answer, path)
            except (httpx.HTTPError, CloudUnknown) as error:
                said, wait = self._harmless(f"no answer to rely on: {_words(error)}"), pause
            else:
                said = self._harmless(f"HTTP {answer.status_code}: {_problem(answer)}")
                if answer.status_code not in (408, 429) and answer.status_code < 500:
                    hint = KEY_HINT if answer.status_code in (401, 403) else None
                    raise Denied(f"{self.url}{path}: {said}", hint)
                wait = _retry_after(answer) if answer.status_code == 429 else max(pause, self._closed())
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _send(self, method: str, path: str, query: dict[str, str], body: object = None) -> httpx.Response:
        more: dict[str, Any] = {} if body is None else {"json": body}
        answer = self._http.request(method, f"{self.url}{path}", params=query, **more)
        used_up = _used_up(answer.headers.get("RateLimit", ""))
        if used_up:
            self._closed_until = self._pace.now() + used_up
        return answer

    def _closed(self) -> float:
        return max(0.0, self._closed_until - self._pace.now())

    def _read(self, answer: httpx.Response, path: str) -> Answer:
        try:
            date = parsedate_to_datetime(answer.headers.get("Date", ""))
            body = answer.json(parse_float=Decimal) if answer.content else None
        except ValueError as error:
            raise CloudUnknown(f"{self.url}{path}: an odd answer: {_words(error)}") from None
        return Answer(answer.status_code, body, date)

    def _harmless(self, words: str) -> str:
        return Redaction((self._key,)).text(words)


def _words(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()[:_WORDS]


def _problem(answer: httpx.Response) -> str:
    """The words of an error; https://www.rfc-editor.org/rfc/rfc9457."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return answer.reason_phrase or "no words"
    errors = body.get("errors")
    parts = [body.get("detail") or body.get("title"), *(errors if isinstance(errors, list) else ())]
    return "; ".join(str(part) for part in parts if part)[:_WORDS] or answer.reason_phrase


def _retry_after(answer: httpx.Response) -> float:
    """Seconds to wait after status 429; never none, for whoever waits for nothing asks for ever."""
    said = answer.headers.get("Retry-After", "")
    if not said.isdigit():
        return _used_up(answer.headers.get("RateLimit", "")) or _LONGEST_PAUSE_SECONDS
    return max(_FIRST_PAUSE_SECONDS, float(said))


def _used_up(limits: str) -> float:
    """Seconds until all windows have requests left again; 0 while they have.

    `"minute";r=0;t=12, "hour";r=2800;t=1812`.
    """
    return max((float(one["seconds"]) for one in _WINDOW.finditer(limits) if one["left"] == "0"), default=0.0)
