"""The store of this machine: one pair of keys, data that outlives the server."""

import socket
from pathlib import Path

import pytest

from tests.clouds.test_process import pid_of
from videogen import local_store
from videogen.errors import StoreError
from videogen.local_store import LocalStore
from videogen.stack_outputs import Store
from videogen.store import Store as StoreClient

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
