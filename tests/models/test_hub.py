"""The double of a model hub does what real hubs do, and each mood goes wrong in its own way."""

import hashlib
from collections.abc import Iterator

import httpx
import pytest

from tests.doubles.hub import COMMIT, Hub

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub with one file."""
    with Hub(limit=1000) as hub:
        hub.put("org/repo", "a/b.bin", CONTENT)
        yield hub


def get(hub: Hub, **headers: str) -> httpx.Response:
    """The file, behind its redirect."""
    return httpx.get(
        f"{hub.address}/org/repo/resolve/main/a/b.bin",
        headers=headers,
        follow_redirects=True,
        timeout=5,
        trust_env=False,
    )


def test_it_redirects_to_another_host(hub: Hub) -> None:
    """The hub states size, hash and commit; the other host has the bytes."""
    first = httpx.head(f"{hub.address}/org/repo/resolve/main/a/b.bin", trust_env=False)

    assert first.status_code == 302
    assert first.headers["location"].startswith(hub.store)
    assert first.headers["x-linked-etag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert (first.headers["x-linked-size"], first.headers["x-repo-commit"]) == (str(len(CONTENT)), COMMIT)
    assert get(hub).content == CONTENT
    assert [asked.host for asked in hub.asked] == ["hub", "hub", "store"]


def test_it_serves_ranges(hub: Hub) -> None:
    """The end of the file from a byte on, with the whole size; or everything, when it ignores ranges."""
    part = get(hub, Range="bytes=100-")
    hub.mood = "no ranges"
    whole = get(hub, Range="bytes=100-")

    assert (part.status_code, part.content) == (206, CONTENT[100:])
    assert part.headers["content-range"] == f"bytes 100-{len(CONTENT) - 1}/{len(CONTENT)}"
    assert (whole.status_code, whole.content) == (200, CONTENT)


def test_it_wants_tokens(hub: Hub) -> None:
    """No token: 401; a wrong one: 403; an unknown file: 404."""
    hub.tokens["/org/repo/resolve/main/a/b.bin"] = "right"

    assert get(hub).status_code == 401
    assert get(hub, Authorization="Bearer wrong").status_code == 403
    assert get(hub, Authorization="Bearer right").content == CONTENT
    assert httpx.get(f"{hub.address}/none", trust_env=False).status_code == 404


def test_moods(hub: Hub) -> None:
    """Truncated, cut, flipped, longer and busy answers are that."""
    hub.mood = "truncated"
    assert get(hub).content == CONTENT[:1000]
    hub.mood = "cutting"
    with pytest.raises(httpx.RemoteProtocolError):
        get(hub)
    hub.mood = "flipped"
    assert get(hub).content[:-1] == CONTENT[:-1]
    assert get(hub).content != CONTENT
    hub.mood = "longer"
    assert len(get(hub).content) == len(CONTENT) + 1
    hub.mood, hub.count = "busy", 1
    assert [get(hub).status_code, get(hub).status_code] == [503, 200]
