"""The store against a real S3 server, near and far."""

import hashlib
import threading
import time
from pathlib import Path

import pytest

from tests.doubles.bad_link import BadLink
from tests.doubles.bad_s3 import BadS3, Fault
from tests.doubles.s3_server import S3Server
from videogen import stack_outputs
from videogen.errors import Interrupted, ObjectMissing, StoreError, StoreUnreachable
from videogen.secret import Secret
from videogen.standin.weights import sha256, weights
from videogen.store import Store, StoredObject, manifest_key, model_key, receipt_key

MiB = 1 << 20


def through(link: BadLink, s3: S3Server, patience_seconds: float) -> Store:
    """A client that reaches the server over a bad link."""
    place = s3.place.model_copy(update={"endpoint": f"http://127.0.0.1:{link.port}"})
    return Store(place, s3.access, patience_seconds=patience_seconds)


def big_file(path: Path, size: int) -> str:
    """Writes noise; gives its hash."""
    with path.open("wb") as file:
        file.writelines(weights("big", size))
    return sha256("big", size)


def test_bytes_come_back(s3: S3Server) -> None:
    """What was put is there, with its size, and can be read whole or in part."""
    store = s3.store()
    stored = store.put_bytes("outputs", "a/b c+é.txt", b"0123456789", "text/plain")

    assert (stored.key, stored.size) == ("a/b c+é.txt", 10)
    assert store.head("outputs", "a/b c+é.txt") == stored
    assert store.get_bytes("outputs", "a/b c+é.txt") == b"0123456789"
    assert b"".join(store.read("outputs", "a/b c+é.txt", 3, 4)) == b"3456"


def test_empty_objects(s3: S3Server, tmp_path: Path) -> None:
    """An object without bytes is an object."""
    store = s3.store()
    store.put_bytes("outputs", "empty", b"")
    store.get_file("outputs", "empty", tmp_path / "empty")

    assert (tmp_path / "empty").read_bytes() == store.get_bytes("outputs", "empty") == b""


def test_what_is_not_there(s3: S3Server, tmp_path: Path) -> None:
    """An absent object is nothing to `head` and an error to everybody who wants its bytes; no file appears."""
    store = s3.store()

    assert store.head("outputs", "no") is None
    with pytest.raises(ObjectMissing, match="no outputs/no"):
        store.get_bytes("outputs", "no")
    with pytest.raises(ObjectMissing, match="no outputs/no"):
        list(store.read("outputs", "no", 0, 1))
    with pytest.raises(ObjectMissing, match="no outputs/no"):
        store.get_file("outputs", "no", tmp_path / "down" / "no")
    assert not list((tmp_path / "down").glob("*"))


def test_reading_past_the_end_is_an_error(s3: S3Server) -> None:
    """An object that is shorter than promised is never padded or cut silently."""
    store = s3.store()
    store.put_bytes("outputs", "short", b"0123")

    with pytest.raises(StoreError):
        list(store.read("outputs", "short", 0, 10))


def test_large_files_go_in_parts(s3: S3Server, tmp_path: Path) -> None:
    """A file of several parts arrives whole, and its progress ends at its size."""
    store, told = s3.store(), list[int]()
    digest = big_file(tmp_path / "big", 40 * MiB + 5)

    stored = store.put_file("models", "big", tmp_path / "big", progress=told.append)
    store.get_file("models", "big", tmp_path / "back")

    assert stored.size == 40 * MiB + 5
    assert told == sorted(told)
    assert (len(told), told[-1]) == (3, stored.size)
    assert hashlib.sha256((tmp_path / "back").read_bytes()).hexdigest() == digest
    assert [path.name for path in tmp_path.glob(".back*")] == []


def test_listing_has_all_pages(s3: S3Server) -> None:
    """More objects than a page holds are listed once each, in order."""
    store = s3.store()
    names = [f"many/{number:04}" for number in range(1203)]
    s3.file("outputs", "many").mkdir(parents=True)
    for name in names:
        s3.file("outputs", name).write_bytes(b"x")

    found = list(store.list("outputs", "many/"))

    assert [each.key for each in found] == names
    assert isinstance(found[0], StoredObject)
    assert list(store.list("outputs", "none/")) == []


def test_making_buckets_again_changes_nothing(s3: S3Server) -> None:
    """Buckets are made where they are absent, and left alone where they are not."""
    s3.store().put_bytes("outputs", "x", b"1")
    s3.store().ensure_buckets()

    assert s3.store().get_bytes("outputs", "x") == b"1"


def test_wrong_keys_are_one_clear_error_without_the_secret(s3: S3Server) -> None:
    """A refusal comes at once, says what to look at, and shows no secret."""
    access = stack_outputs.StoreAccess(key=s3.access.key, secret=Secret("not-the-secret"))
    began = time.monotonic()
    with pytest.raises(StoreError, match="SignatureDoesNotMatch") as caught:
        Store(s3.place, access).get_bytes("outputs", "x")

    assert time.monotonic() - began < 10
    assert caught.value.hint == "the keys are wrong or may not do this, or the clock is wrong"
    assert "not-the-secret" not in str(caught.value)


def test_a_refusal_without_a_word(s3: S3Server) -> None:
    """A signature that is missing or of a wrong clock is refused; a HEAD cannot say why, so the hint does."""
    s3.store()
    with BadS3(s3) as unsigned:
        unsigned.dropped = {"authorization"}
        with pytest.raises(StoreError, match="400 Bad Request") as caught:
            unsigned.store().head("models", "x")

    assert caught.value.hint == "the keys are wrong or may not do this, or the clock is wrong"


def test_a_store_that_comes_back_is_waited_for(s3: S3Server, tmp_path: Path) -> None:
    """Requests made while the store is down are answered once it is up again."""
    store = s3.store(patience_seconds=20)
    store.put_bytes("outputs", "x", b"1")
    big_file(tmp_path / "big", 20 * MiB)
    s3.kill()
    with s3.back_after(1.5):
        assert store.get_bytes("outputs", "x") == b"1"
    s3.kill()
    with s3.back_after(1.5):
        assert store.put_file("outputs", "big", tmp_path / "big").size == 20 * MiB


def test_an_upload_survives_a_store_that_is_killed_in_it(s3: S3Server, tmp_path: Path) -> None:
    """The store forgets the parts it had; the upload begins again and ends whole."""
    big_file(tmp_path / "big", 64 * MiB)
    store = s3.store(patience_seconds=20)
    killed = threading.Event()

    def kill_once(sent: int) -> None:
        if sent and not killed.is_set():
            killed.set()
            s3.kill()
            s3.start()

    store.put_file("models", "big", tmp_path / "big", progress=kill_once)

    assert killed.is_set()
    assert hashlib.sha256(s3.file("models", "big").read_bytes()).hexdigest() == sha256("big", 64 * MiB)


def test_a_store_that_stays_away_is_given_up(s3: S3Server) -> None:
    """After the patience there is one error that names the store."""
    store = s3.store(patience_seconds=0.8)
    s3.kill()
    began = time.monotonic()
    with pytest.raises(StoreUnreachable, match=f"127.0.0.1:{s3.port}: no good answer within 0.8 s"):
        store.get_bytes("outputs", "x")

    assert time.monotonic() - began < 8


def test_a_silent_store_is_given_up(s3: S3Server) -> None:
    """A store that takes a request and never answers does not hold anybody for ever."""
    s3.store()
    with BadLink(s3.port) as link:
        link.mood = "silent"
        began = time.monotonic()
        with pytest.raises(StoreUnreachable, match=r"no good answer within 4 s"):
            through(link, s3, 0.4).head("outputs", "x")
    assert time.monotonic() - began < 8


def test_a_store_that_thinks_is_waited_for(s3: S3Server) -> None:
    """Some stores hash an object before they speak of it: a HEAD and a list may take far longer than a read."""
    s3.store().put_bytes("models", "x", b"123")
    with BadS3(s3, Fault("silent", times=99, key="/models/x"), thought=2) as bad:
        store = bad.store(0.4)
        found = store.head("models", "x")
        listed = list(store.list("models", ""))
        began = time.monotonic()
        with pytest.raises(StoreUnreachable):
            list(store.read("models", "x", 0, 3))

    assert time.monotonic() - began < 2
    assert listed == [found]


def test_a_stop_ends_the_waiting(s3: S3Server) -> None:
    """Who waits for a store that is down can be told to stop."""
    store, stop = s3.store(patience_seconds=60), threading.Event()
    s3.kill()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        store.head("outputs", "x", stop=stop)

    assert time.monotonic() - began < 10


def test_a_link_that_breaks_costs_no_byte(s3: S3Server, tmp_path: Path) -> None:
    """A download over connections that are cut again and again arrives whole."""
    digest = big_file(tmp_path / "big", 8 * MiB)
    s3.store().put_file("models", "big", tmp_path / "big")
    with BadLink(s3.port) as link:
        link.mood, link.limit = "cutting", 3 * MiB
        whole = hashlib.sha256()
        for piece in through(link, s3, 10).read("models", "big", 0, 8 * MiB):
            whole.update(piece)
        cuts = link.cuts

    assert cuts >= 2
    assert whole.hexdigest() == digest


def test_reading_where_ranges_are_ignored(s3: S3Server, tmp_path: Path) -> None:
    """A store that gives whole objects is asked once more and then read from that one answer."""
    big_file(tmp_path / "big", 20 * MiB)
    s3.store().put_file("models", "big", tmp_path / "big")
    with BadS3(s3, Fault("whole", times=99)) as bad:
        got = b"".join(bad.store().read("models", "big", 5, 20 * MiB - 9))
        asked = bad.asked

    assert got == (tmp_path / "big").read_bytes()[5:-4]
    assert asked == 2


def test_keys() -> None:
    """Objects have one place each."""
    assert (model_key("ab"), manifest_key("cd"), receipt_key("vg-1")) == (
        "models/sha256/ab",
        "manifests/cd.yaml",
        "receipts/vg-1.json",
    )
