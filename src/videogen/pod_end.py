"""A pod that asks RunPod for its own end, with the key that RunPod put into it.

REST v2 over plain HTTP(S), with the system's certificates and no program beside this one. RunPod documents that the
key may be used from inside; that it may end its own pod is known from reports only, so a refusal is expected and said.
"""

import json
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import quote, urlsplit

from videogen.background import within

ADDRESS = "https://api.runpod.io/v2"
_SAID = 200
"""Characters of an answer that are worth a line in the log."""
_LATER = {408, 409, 425, 429}


def is_pod(environment: Mapping[str, str]) -> bool:
    """Whether this is the environment of a pod of RunPod."""
    return bool(environment.get("RUNPOD_POD_ID"))


def own_id(environment: Mapping[str, str]) -> str:
    """RunPod's name for the pod of this environment; empty where it is none."""
    return environment.get("RUNPOD_POD_ID", "")


def end_own_pod(environment: Mapping[str, str], seconds: float) -> str | None:
    """Asks RunPod to end the pod of this environment for good; nothing once RunPod took that, else why not.

    Asks by the action first, then by DELETE. Where both are refused, it asks for a stop, which gives the GPU back and
    leaves the end to somebody with a better key. Returns after `seconds` at the latest.
    """
    answers: list[str] = []
    taken: list[bool] = []

    def ask() -> None:
        taken.append(_asked(environment, seconds / 3, answers))

    if not within(seconds, ask, "end of the pod"):
        return "; ".join([*answers, f"no answer within {seconds:g} s"])
    return None if taken == [True] else "; ".join(answers)


def _asked(environment: Mapping[str, str], seconds: float, answers: list[str]) -> bool:
    pod, key = environment.get("RUNPOD_POD_ID", ""), environment.get("RUNPOD_API_KEY", "")
    address = environment.get("VIDEOGEN_RUNPOD_URL") or ADDRESS
    if not key:
        answers.append("the pod has no RUNPOD_API_KEY")
        return False
    refused = True
    for name, method, action in (
        ("terminate", "POST", "terminate"),
        ("DELETE", "DELETE", None),
        ("stop", "POST", "stop"),
    ):
        if action == "stop" and not refused:
            break  # who did not answer may still end it, and a pod that is stopped cannot ask again
        try:
            status, said = _request(address, method, pod, action, key, seconds)
        except ValueError:  # its words would show the key
            answers.append("the address or the key cannot be sent")
            return False
        except (OSError, HTTPException) as error:
            answers.append(f"{name}: {type(error).__name__}: {error}")
            refused = False
            continue
        answers.append(f"{name}: {status} {said}".rstrip())
        if 200 <= status < 300 and action != "stop":
            return True
        refused = refused and 400 <= status < 500 and status not in _LATER
    return False


def _request(address: str, method: str, pod: str, action: str | None, key: str, seconds: float) -> tuple[int, str]:
    """One request, without redirects, which would carry the key to somebody else."""
    parts = urlsplit(address)
    connection = (
        HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
        if parts.scheme == "http"
        else HTTPSConnection(parts.hostname or "", parts.port, timeout=seconds, context=ssl.create_default_context())
    )
    path = f"{parts.path.rstrip('/')}/pods/{quote(pod, safe='')}" + ("/action" if action else "")
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json", "User-Agent": "videogen"}
    body = json.dumps({"action": action}).encode() if action else None
    if body:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        said = answer.read(4096).decode(errors="replace")
    finally:
        connection.close()
    return answer.status, " ".join(said.split())[:_SAID]
