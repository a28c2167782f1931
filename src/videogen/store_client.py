"""Requests to an S3 with a deadline: repeated while the store is away, and its refusals as our errors."""

import os
import random
import ssl
import threading
import time
from collections.abc import Callable
from functools import cached_property
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParserError

from videogen import stack_outputs
from videogen.errors import InputError, Interrupted, ObjectMissing, StoreError, StoreUnreachable

BROKEN = (NoConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError, HTTPException, OSError)
"""No answer, half an answer, or an answer that is not S3's (a proxy's page)."""

THOUGHT = 10
"""A store may be silent for so many patiences before it answers a HEAD or a list: rclone hashes what it is first asked
about, 2 to 5 s for a GB, and several at once."""
_CONNECTIONS = 32
_ABSENT = {"404", "NoSuchKey", "NotFound"}
_BUSY = {"SlowDown", "RequestTimeout", "Throttling", "TooManyRequests"}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0

Answer = TypeVar("Answer")


class Busy(Exception):
    """The store asks for patience; `retry_after` seconds when it says how many."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class StoreClient:
    """A boto3 client (`s3`) and the patience to use it with; both may be used from many threads."""

    def __init__(self, place: stack_outputs.Store, access: stack_outputs.StoreAccess, patience_seconds: float) -> None:
        self.address = place.endpoint or f"S3 in {place.region}"
        self.patience = patience_seconds
        self.place, self.access = place, access
        self.trusted = None if place.endpoint.startswith("http:") else _trusted()
        """Whose certificates are believed; nothing where none are shown."""
        self.s3 = self._made(patience_seconds)

    @cached_property
    def thoughtful(self) -> Any:
        """A boto3 client for requests over which a store may think."""
        return self._made(THOUGHT * self.patience)

    def _made(self, silence_seconds: float) -> Any:
        place, access = self.place, self.access
        loopback = is_loopback(urlsplit(place.endpoint).hostname or "")
        return boto3.session.Session().client(
            "s3",
            endpoint_url=place.endpoint or None,
            region_name=place.region,
            aws_access_key_id=access.key.reveal(),
            aws_secret_access_key=access.secret.reveal(),
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": place.addressing},
                connect_timeout=min(10.0, self.patience),
                read_timeout=silence_seconds,
                retries={"total_max_attempts": 1},  # repeated here, where the deadline is known
                max_pool_connections=_CONNECTIONS,
                request_checksum_calculation="when_required",  # most stores get the newer checksums wrong
                response_checksum_validation="when_required",
                proxies={} if loopback else None,  # a proxy of the environment cannot reach our loopback
            ),
        )

    def ask(self, call: Callable[[], Answer], name: str, stop: threading.Event | None = None) -> Answer:
        """The answer to `call`, which concerns the object or bucket `name`.

        Raises `ObjectMissing`; `StoreError` for a refusal; `StoreUnreachable` when the patience is over; `Interrupted`
        when `stop` is set.
        """
        deadline = time.monotonic() + self.patience
        pause = _FIRST_PAUSE
        while True:
            if stop is not None and stop.is_set():
                raise Interrupted(f"stopped before {name}")
            try:
                return call()
            except ClientError as error:
                if not _is_busy(error):
                    raise self._refusal(error, name) from error
                reason: Exception = error
                said = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after")
                asked = seconds(said)
            except Busy as error:
                reason, asked = error, error.retry_after
            except BROKEN as error:
                if is_untrusted(error):
                    raise self._untrusted(error) from error
                reason, asked = error, None
            except BotoCoreError as error:
                raise StoreError(f"{self.address}: {name}: {error}") from error
            if time.monotonic() + max(pause, asked or 0) > deadline:
                raise self.unreachable(reason, time.monotonic() - deadline + self.patience) from reason
            if asked:
                (stop or threading.Event()).wait(asked)
            wait(pause, stop)
            pause = min(_LONGEST_PAUSE, pause * 2)

    def unreachable(self, reason: Exception, waited: float = 0) -> StoreUnreachable:
        """The error for a store that was given up on, after the patience, or after far longer where it could think."""
        silent = self.patience if waited < 2 * self.patience else round(waited)
        return StoreUnreachable(
            f"{self.address}: no good answer within {silent:g} s: {reason}",
            "is the store running, and reachable from here?",
        )

    def _untrusted(self, reason: Exception) -> StoreUnreachable:
        """No patience makes a certificate right."""
        return StoreUnreachable(
            f"{self.address}: its certificate cannot be believed: {reason}",
            "is the address right? AWS_CA_BUNDLE names a file with the certificates to believe",
        )

    def _refusal(self, error: ClientError, name: str) -> StoreError:
        answer = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return self.refusal(name, status, str(answer.get("Code", "")), str(answer.get("Message", "")))

    def refusal(self, name: str, status: int, word: str, said: str) -> StoreError:
        """The error for a request that the store will not serve; `word` is the store's own for the reason."""
        if word in _ABSENT:
            return ObjectMissing(f"{self.address}: no {name}")
        message = f"{self.address}: {name}: {word} {said}".rstrip()
        refused = status in (401, 403) or word.startswith("400 ")  # of a HEAD, whose answer has no room for a reason
        return StoreError(message, "the keys are wrong or may not do this, or the clock is wrong" if refused else None)


def wait(seconds: float, stop: threading.Event | None) -> None:
    """About `seconds`, at random so that many clients do not come back at once; shorter when `stop` is set."""
    (stop or threading.Event()).wait(seconds * random.uniform(0.5, 1.0))


def code(error: StoreError) -> str:
    """The store's own word for a refusal, such as `NoSuchUpload`; empty when it gave none."""
    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, which no proxy of the environment can reach for us."""
    return host in ("127.0.0.1", "localhost", "::1")


def is_untrusted(error: Exception) -> bool:
    """Whether the other end showed a certificate that is not believed, by the words of OpenSSL and of urllib3."""
    return any(words in str(error) for words in ("CERTIFICATE_VERIFY_FAILED", "doesn't match"))


def _trusted() -> ssl.SSLContext:
    """As boto3 does: the file that AWS_CA_BUNDLE names, or the certificates that come along."""
    bundle = os.environ.get("AWS_CA_BUNDLE")
    try:
        return ssl.create_default_context(cafile=bundle or get_cert_path(verify=True))
    except OSError as error:
        raise InputError.of("environment: AWS_CA_BUNDLE", f"{bundle} is no file of certificates: {error}") from error


def seconds(retry_after: str | None) -> float | None:
    """What a `Retry-After` says; nothing for none, and for a date, which a wrong clock would make a long wait."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def is_busy(status: int, word: str) -> bool:
    """Whether the same request may be answered later."""
    return status == 429 or (status >= 500 and status != 501) or word in _BUSY


def _is_busy(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return is_busy(status, error.response.get("Error", {}).get("Code", ""))
