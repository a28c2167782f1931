"""What a request to AWS asks for: who, which action, on which resource."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

ACCOUNT = "123456789012"
"""The account of every moto server."""

_OBJECT = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject", "POST": "PutObject"}


@dataclass(frozen=True)
class Request:
    """A signed request; `action` as policies write it (of a bucket's settings, nearly), `resource` as an ARN."""

    key: str
    service: str
    action: str
    resource: str

    @property
    def bucket(self) -> str:
        """The bucket that it is about, for S3."""
        return self.resource.removeprefix("arn:aws:s3:::").partition("/")[0]


def read(environ: dict[str, Any], body: bytes) -> Request | None:
    """The request, or nothing where it is not signed."""
    sent = environ.get("HTTP_AUTHORIZATION", "")
    found = re.search(r"Credential=([^/]+)/[^/]+/([^/]+)/([^/]+)/", sent)
    if not found:
        return None
    key, region, service = found.groups()
    if service == "s3":
        return Request(key, service, *_s3(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]))
    if service == "sqs":
        action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        said = json.loads(body or b"{}")
        name = said.get("QueueName") or said.get("QueueUrl", "").rpartition("/")[2]
        return Request(key, service, f"sqs:{action}", f"arn:aws:sqs:{region}:{ACCOUNT}:{name}")
    action = parse_qs(body.decode()).get("Action", [""])[0]
    return Request(key, service, f"{service}:{action}", "*")


def _s3(method: str, path: str, query: str) -> tuple[str, str]:
    bucket, _, key = path.lstrip("/").partition("/")
    asked = parse_qs(query, keep_blank_values=True)
    arn = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
    if not key:
        if method in ("GET", "HEAD") and asked.keys() <= {"list-type", "prefix", "continuation-token", "encoding-type"}:
            return "s3:ListBucket", arn
        if method == "PUT" and not asked:
            return "s3:CreateBucket", arn
        word = next((one for one in asked if one not in ("list-type", "prefix")), "")
        return f"s3:{method.title()}Bucket{word.title()}", arn
    if "uploadId" in asked and method == "DELETE":
        return "s3:AbortMultipartUpload", arn
    if "uploadId" in asked and method == "GET":
        return "s3:ListMultipartUploadParts", arn
    return f"s3:{_OBJECT[method]}", arn
