"""A pod asks for its own end in every way there is, once each, and says what it was told."""

import socket
import time

import pytest

from tests.doubles.pod_api import PodApi
from videogen.pod_end import end_own_pod, is_pod

TAKES = {"terminate": 204, "DELETE": 204, "stop": 200}


@pytest.mark.parametrize(
    ("answers", "asked", "said"),
    [
        ({}, ["terminate"], None),
        ({"terminate": 500}, ["terminate", "DELETE"], None),
        ({"terminate": 403}, ["terminate", "DELETE"], None),
        (
            {"terminate": 403, "DELETE": 403},
            ["terminate", "DELETE", "stop"],
            'terminate: 403 {"title": "said by the API"}; DELETE: 403 {"title": "said by the API"}; stop: 200',
        ),
        ({"terminate": 403, "DELETE": 401, "stop": 403}, ["terminate", "DELETE", "stop"], "stop: 403"),
        ({"terminate": 409, "DELETE": 404}, ["terminate", "DELETE"], "terminate: 409"),
        ({"terminate": 429, "DELETE": 429}, ["terminate", "DELETE"], "DELETE: 429"),
        ({"terminate": 302, "DELETE": 302}, ["terminate", "DELETE"], "terminate: 302"),
        ({"terminate": 0}, ["terminate", "DELETE"], None),
        ({"terminate": 0, "DELETE": 0}, ["terminate", "DELETE"], "terminate: TimeoutError"),
    ],
)
def test_ways(answers: dict[str, int], asked: list[str], said: str | None) -> None:
    """The action, then DELETE; a stop only where the key is refused both, since who is stopped cannot ask again."""
    with PodApi(TAKES | answers).serving() as api:
        refused = end_own_pod(api.environment, 1.5)

    assert api.asked == asked
    assert refused is None if said is None else said in str(refused)


def test_wrong_key() -> None:
    """A key that the API does not know is refused, and nobody sees it in what is said."""
    with PodApi(TAKES).serving() as api:
        wrong = [end_own_pod(api.environment | {"RUNPOD_API_KEY": key}, 3) for key in ("other-key", "broken\nkey", "")]

    assert api.asked == []
    assert "terminate: 401" in str(wrong[0])
    assert wrong[1] == "the address or the key cannot be sent"
    assert wrong[2] == "the pod has no RUNPOD_API_KEY"
    assert "other-key" not in str(wrong[0])


def test_nobody_there() -> None:
    """An address at which nobody listens, or listens and says nothing, costs no more than the time that was given."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        for address in ("http://127.0.0.1:9/v2", f"http://127.0.0.1:{deaf.getsockname()[1]}/v2"):
            began = time.monotonic()
            given = {"RUNPOD_POD_ID": "p1", "RUNPOD_API_KEY": "k", "VIDEOGEN_RUNPOD_URL": address}

            assert end_own_pod(given, 0.6) is not None
            assert time.monotonic() - began < 1


def test_who_is_a_pod() -> None:
    """RunPod names each pod to itself."""
    assert is_pod({"RUNPOD_POD_ID": "p1"})
    assert not is_pod({"RUNPOD_POD_ID": ""})
    assert not is_pod({})
