"""The door before moto: faults on command, and the policies of users and of buckets.

moto knows neither resources nor conditions of a policy; it would take "TLS only" for "nobody". So policies of buckets
are kept here and never reach it. Loopback stands for TLS.
"""

import io
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import iam_backends

from tests.doubles.aws import permissions, request
from tests.doubles.aws.request import ACCOUNT, Request

ADMIN = "admin"
"""The key of whoever may do everything."""

_TLS = "aws:SecureTransport"

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class Fault:
    """Answers that say no: `code` to the next `times` requests of an action."""

    action: str
    code: str
    status: int
    times: int


@dataclass
class Gate:
    """A WSGI application before another; `POST /_control/faults` sets faults, `GET /_control/seen` tells actions."""

    inner: App
    faults: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    bucket_policies: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """One answer."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if environ["PATH_INFO"].startswith("/_control/"):
            return self._control(environ["PATH_INFO"], body, start)
        asked = request.read(environ, body)
        if asked is None:
            return _refuse(start, "s3", 403, "AccessDenied", "the request is not signed")
        with self.lock:
            self.seen.append(asked.action)
            fault = next((one for one in self.faults if one.action == asked.action and one.times > 0), None)
            if fault:
                fault.times -= 1
        if fault:
            return _refuse(start, asked.service, fault.status, fault.code, "as the test asked for")
        if not self._may(asked):
            return _refuse(start, asked.service, 403, "AccessDenied", f"{asked.key} may not {asked.action}")
        if asked.action == "s3:CreateBucket":
            self.bucket_policies.pop(asked.bucket, None)
        if asked.action.endswith("BucketPolicy"):
            return self._policy(asked, body.decode(), start)
        listed = Request(asked.key, "s3", "s3:ListBucket", asked.resource.partition("/")[0])
        if asked.action == "s3:GetObject" and not self._may(listed):
            return self._hiding(environ, start)
        return self.inner(environ, start)

    def _hiding(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Who may not list is not told that an object is missing."""
        missing: list[str] = []

        def begin(status: str, headers: Any, error: Any = None) -> Any:
            if status.startswith("404"):
                missing.append(status)
                return lambda _data: None
            return start(status, headers, error)

        answer = self.inner(environ, begin)
        return _refuse(start, "s3", 403, "AccessDenied", "may not list") if missing else answer

    def _may(self, asked: Request) -> bool:
        if asked.key == ADMIN or asked.action == "sts:GetCallerIdentity":
            return True
        users = iam_backends[ACCOUNT]["aws"].users.values()
        his = next((user for user in users if asked.key in [key.access_key_id for key in user.access_keys]), None)
        texts = [*his.policies.values()] if his else []
        if shared := self.bucket_policies.get(asked.bucket):
            texts.append(shared)
        return permissions.allows(map(json.loads, texts), asked.action, asked.resource, {_TLS: "true"})

    def _policy(self, asked: Request, body: str, start: Callable[..., Any]) -> Iterable[bytes]:
        bucket = asked.bucket
        if asked.action == "s3:PutBucketPolicy":
            self.bucket_policies[bucket] = body
        elif asked.action == "s3:DeleteBucketPolicy":
            self.bucket_policies.pop(bucket, None)
        elif bucket not in self.bucket_policies:
            return _refuse(start, "s3", 404, "NoSuchBucketPolicy", "The bucket policy does not exist")
        said = self.bucket_policies[bucket].encode() if asked.action == "s3:GetBucketPolicy" else b""
        start("200 OK", [("Content-Length", str(len(said)))])
        return [said]

    def _control(self, path: str, body: bytes, start: Callable[..., Any]) -> Iterable[bytes]:
        with self.lock:
            if path == "/_control/faults":
                self.faults = [Fault(**one) for one in json.loads(body)]
            said = json.dumps(self.seen).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(said)))])
        return [said]


def _refuse(start: Callable[..., Any], service: str, status: int, code: str, message: str) -> Iterable[bytes]:
    headers = [("x-amzn-RequestId", "0")]
    if service == "sqs":
        said = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message})
        headers += [("Content-Type", "application/x-amz-json-1.0")]
    else:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        said = error if service == "s3" else f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>"
        headers += [("Content-Type", "text/xml")]
    start(f"{status} Refused", [*headers, ("Content-Length", str(len(said.encode())))])
    return [said.encode()]
