"""Downloads from origins: whole or refused, and a token stays with its host."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.doubles.hub import COMMIT, Hub
from videogen.errors import Interrupted, OriginError, WrongHash
from videogen.model import Repository, Url
from videogen.origin import Origins

CONTENT = bytes(range(256)) * 2000
FILE = "/org/repo/resolve/main/a/b c.bin"
SOURCE = Repository(repository="org/repo", revision="main", path="a/b c.bin")


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub with one file."""
    with Hub() as hub:
        hub.put("org/repo", "a/b c.bin", CONTENT)
        yield hub


def origins(hub: Hub, patience: float = 2, **environment: str) -> Origins:
    """A reader of that hub."""
    return Origins({"HF_ENDPOINT": hub.address, **environment}, patience_seconds=patience)


def read(hub: Hub, start: int = 0, size: int | None = len(CONTENT), patience: float = 2) -> bytes:
    """The file from a byte on."""
    return b"".join(origins(hub, patience).read(SOURCE, start, size=size))


def test_a_file(hub: Hub) -> None:
    """All bytes, or those from a byte on; nothing is asked for when nothing is left."""
    assert read(hub) == CONTENT
    assert read(hub, 1234) == CONTENT[1234:]
    asked = len(hub.asked)
    assert read(hub, len(CONTENT)) == b""
    assert len(hub.asked) == asked
    assert read(hub, size=None) == CONTENT


def test_what_the_hub_states(hub: Hub) -> None:
    """Size, hash and commit come without reading the file."""
    said = origins(hub).statement(SOURCE)

    assert (said.size, said.revision) == (len(CONTENT), COMMIT)
    assert said.sha256 is not None
    assert hub.sent() == 0


@pytest.mark.parametrize("mood", ["cutting", "no ranges", "busy"])
def test_a_bad_origin_costs_time_only(hub: Hub, mood: str) -> None:
    """Cut connections, ignored ranges and busy hosts are gone on from, and the bytes are right."""
    hub.mood, hub.limit, hub.count = mood, 200_000, 2  # type: ignore[assignment]

    assert read(hub) == CONTENT
    assert read(hub, 5000) == CONTENT[5000:]


def test_a_truncated_file_is_no_file(hub: Hub) -> None:
    """An answer that ends too early in good order is taken up again until the patience is over."""
    hub.mood, hub.limit = "truncated", 0
    with pytest.raises(OriginError, match=r"no byte for 0\.5 s"):
        read(hub, patience=0.5)


def test_another_size_is_told_before_a_byte_is_kept(hub: Hub) -> None:
    """A file of another size at the origin is another file."""
    with pytest.raises(WrongHash, match=r"b%20c.bin has 512000 bytes, the manifest says 7"):
        read(hub, size=7)


def test_an_odd_range_is_an_error(hub: Hub) -> None:
    """Bytes that were not asked for are not taken for those that were."""
    hub.mood = "other range"
    with pytest.raises(OriginError, match="answers another range than byte 5 and on"):
        read(hub, 5)


def test_a_silent_origin(hub: Hub) -> None:
    """The patience bounds every wait."""
    hub.mood = "silent"
    began = time.monotonic()
    with pytest.raises(OriginError, match=r"no byte for 0\.5 s"):
        read(hub, patience=0.5)

    assert time.monotonic() - began < 8


def test_a_stop_ends_it(hub: Hub) -> None:
    """Between two pieces a stop is obeyed."""
    hub.mood, hub.limit = "slow", 100_000
    stop = threading.Event()
    stream = origins(hub).read(SOURCE, stop=stop)
    next(stream)
    stop.set()
    with pytest.raises(Interrupted):
        next(stream)


def test_a_token_is_for_the_hub_alone(hub: Hub) -> None:
    """The hub gets its token, the host it redirects to does not."""
    hub.tokens[FILE] = "hf-secret"
    found = b"".join(origins(hub, HF_TOKEN="hf-secret").read(SOURCE))

    assert found == CONTENT
    assert {asked.authorization for asked in hub.asked if asked.host == "hub"} == {"Bearer hf-secret"}
    assert {asked.authorization for asked in hub.asked if asked.host == "store"} == {None}


def test_the_token_of_a_host(hub: Hub) -> None:
    """Any other host has a variable of its own, and the hub's token does not go there."""
    source = Url(url=hub.address.replace("127.0.0.1", "localhost") + FILE.replace(" ", "%20"))
    hub.tokens[FILE] = "mine"
    found = origins(hub, HF_TOKEN="hf-secret", VIDEOGEN_TOKEN_LOCALHOST="mine").read(source)

    assert b"".join(found) == CONTENT
    assert "Bearer hf-secret" not in {asked.authorization for asked in hub.asked}


REFUSALS = [
    ({}, "HTTP 401: not allowed", "set HF_TOKEN; some files ask you to accept their terms on the page"),
    ({"HF_TOKEN": "wrong-one"}, "HTTP 403: not allowed", "HF_TOKEN is set, but may not read it; some files ask you to accept their terms on the page"),
]  # fmt: skip


@pytest.mark.parametrize(("environment", "words", "hint"), REFUSALS)
def test_refusals_name_the_variable_and_never_the_token(
    hub: Hub, environment: dict[str, Any], words: str, hint: str
) -> None:
    """Who may not read is told which variable to set; the token itself is nowhere in the error."""
    hub.tokens[FILE] = "right"
    with pytest.raises(OriginError) as caught:
        [*origins(hub, **environment).read(SOURCE)]

    assert caught.value.message == f"{hub.address}{FILE.replace(' ', '%20')}: {words}"
    assert caught.value.hint == hint
    assert "wrong-one" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_no_such_file(hub: Hub) -> None:
    """A wrong path is an error at once."""
    with pytest.raises(OriginError, match="none: HTTP 404") as caught:
        [*origins(hub, patience=60).read(Repository(repository="org/repo", revision="main", path="none"))]

    assert caught.value.hint == "look at the entry's source: repository, revision and path, or url"


def test_signed_addresses_stay_secret(hub: Hub) -> None:
    """What is behind the question mark of an address is in no error."""
    hub.mood = "truncated"
    hub.limit = 0
    with pytest.raises(OriginError) as caught:
        read(hub, patience=0.3)

    assert "secret" not in str(caught.value)
