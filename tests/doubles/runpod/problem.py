"""What RunPod answers when it refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

DETAILS = {
    400: "request could not be processed",
    401: "missing bearer token",
    402: "insufficient balance to create the pod",
    403: "access denied",
    404: "resource not found",
    409: "the pod's current status does not allow it",
    410: "this API is no longer available",
    422: "Request validation failed.",
    429: "rate limit exceeded for the minute window",
}
NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)


@dataclass
class Problem(Exception):
    """`application/problem+json`; without a detail it says what is usual for its status."""

    status: int
    detail: str = ""
    errors: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        """The answer as an object."""
        title = HTTPStatus(self.status).phrase
        said: dict[str, object] = {"title": title, "status": self.status}
        said["detail"] = self.detail or DETAILS.get(self.status, "upstream failure")
        return said | ({"errors": list(self.errors)} if self.errors else {})
