"""A fake RunPod with a clock that stands still, and whoever asks it with the account's key."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.doubles.runpod import Clock, FakeRunpod, fake_runpod


@pytest.fixture
def fake() -> Iterator[FakeRunpod]:
    """Pods are records; they run after two seconds of its clock."""
    with fake_runpod(clock=Clock.quick(), provisioning=1, starting=1) as fake:
        yield fake


@pytest.fixture
def api(fake: FakeRunpod) -> Iterator[httpx.Client]:
    """Asks with the account's key."""
    with client(fake) as one:
        yield one


def client(fake: FakeRunpod, key: str = "") -> httpx.Client:
    """Asks with that key, or the account's."""
    headers = {"Authorization": f"Bearer {key or fake.key}"}
    return httpx.Client(base_url=fake.url, headers=headers, trust_env=False, timeout=5)


def wanted(name: str = "videogen-1", **more: Any) -> dict[str, Any]:
    """A body of a create that is right."""
    return {"name": name, "image": "ours:1", "gpu": {"id": "NVIDIA L40S"}} | more
