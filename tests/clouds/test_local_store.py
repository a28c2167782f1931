"""The store of this machine: one pair of keys, data that outlives the server."""

import socket
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.clouds.test_process import pid_of
from videogen import local_store
from videogen.errors import StoreError, WrongHash
from videogen.local_store import LocalStore
from videogen.stack_outputs import Store
from videogen.store import Store as StoreClient
from videogen.store_upload import PART

WANTED = Store(endpoint="", region="us-east-1", models="videogen-models", outputs="videogen-outputs")


def test_data_outlives_the_server(state: Path) -> None:
    """A server that was ended and started again, on its old port, has what it had."""
    server, access = LocalStore(state), local_store.new_access()
    number = server.start(access)
    client = StoreClient(local_store.place(number, WANTED), access)
    client.ensure_buckets()
    client.put_bytes("videogen-outputs", "one", b"1")
    server.end()
    assert server.server() is None

    assert server.start(access, number) == number
    assert client.get_bytes("videogen-outputs", "one") == b"1"
    server.end()
    assert [path.name for path in (state / "store" / "videogen-outputs").iterdir()] == ["one"]


def test_large_models_are_known_at_once(state: Path, tmp_path: Path) -> None:
    """It hashes nothing before it speaks of an object, so many large ones are listed and asked about in no time."""
    server, access = LocalStore(state), local_store.new_access()
    client = StoreClient(local_store.place(server.start(access), WANTED), access)
    client.ensure_buckets()
    for name in ("a", "b"):
        with (state / "store" / "videogen-models" / name).open("wb") as file:
            file.truncate(3 << 30)
    began = time.monotonic()
    found = [client.head("videogen-models", name) for name in ("a", "b")]

    assert [each.key for each in client.list("videogen-models", "")] == ["a", "b"]
    assert [each.size for each in found if each] == [3 << 30] * 2
    assert time.monotonic() - began < 3
    server.end()


@pytest.mark.parametrize("size", [1000, PART + 1000])
def test_a_damaged_upload_is_refused(state: Path, tmp_path: Path, size: int) -> None:
    """What arrives is still compared with the MD5 that goes along; a file that changes while it is sent is no object."""
    server, access = LocalStore(state), local_store.new_access()
    client = StoreClient(local_store.place(server.start(access), WANTED), access)
    client.ensure_buckets()
    (tmp_path / "file").write_bytes(b"x" * size)
    stored = client.put_file("videogen-models", "good", tmp_path / "file")
    client.get_file("videogen-models", "good", tmp_path / "back")
    with pytest.raises(WrongHash):
        client.put_file("videogen-models", "bad", tmp_path / "file", known_parts=["0" * 32] * 2)
    wrong = {"Bucket": "videogen-models", "Key": "bad", "Body": b"x", "ContentMD5": "A" * 22 + "=="}
    with pytest.raises(ClientError, match="BadDigest"):
        client._client.s3.put_object(**wrong)

    assert stored.size == size
    assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()
    assert client.head("videogen-models", "bad") is None
    server.end()


def test_only_its_keys_open_it(state: Path) -> None:
    """Other keys are refused; the right ones are on no command line and in no file."""
    server, access = LocalStore(state), local_store.new_access()
    place = local_store.place(server.start(access), WANTED)
    with pytest.raises(StoreError):
        StoreClient(place, local_store.new_access(), patience_seconds=1).ensure_buckets()

    found = server.server()
    assert found is not None
    pid = str(pid_of(found.folder))
    readable = Path(f"/proc/{pid}/cmdline").read_text() + (found.folder / "process.json").read_text() + found.tail()
    assert access.secret.reveal() not in readable
    server.end()


def test_a_taken_port_is_not_insisted_on(state: Path) -> None:
    """When the wanted port is taken, the server takes another one."""
    server, access = LocalStore(state), local_store.new_access()
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = other.getsockname()[1]
        assert server.start(access, wanted) != wanted
    server.end()


def test_one_server_serves_a_folder(state: Path) -> None:
    """Starting again ends the server before, whoever started it."""
    server, access = LocalStore(state), local_store.new_access()
    first = server.start(access)
    second = LocalStore(state).start(access)
    found = server.server()

    assert found is not None
    assert (found.record.ports["s3"], first != second) == (second, True)
    server.end()
