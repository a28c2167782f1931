"""What an upload proves, and what a store's settings say."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.s3_server import S3Server
from videogen.errors import InputError, StoreError, WrongHash
from videogen.store import Store
from videogen.store_settings import from_environment
from videogen.store_upload import PART, PartHash, part_size

MiB = 1 << 20


def hashed(path: Path) -> PartHash:
    """A file's hashes."""
    proof = PartHash(path.stat().st_size)
    proof.update(path.read_bytes())
    return proof


@pytest.mark.parametrize("size", [5000, PART, 2 * PART + 17])
def test_a_file_that_changed_after_its_hash_is_not_stored(s3: S3Server, tmp_path: Path, size: int) -> None:
    """The bytes sent are those that were hashed; a file that changed meanwhile is an error and leaves nothing."""
    store, path = s3.store(), tmp_path / "file"
    path.write_bytes(b"a" * size)
    proof = hashed(path)
    store.put_file("models", "good", path, known_parts=proof.parts)
    path.write_bytes(b"a" * (size - 1) + b"b")
    with pytest.raises(WrongHash, match="changed on disk while it was sent"):
        store.put_file("models", "bad", path, known_parts=proof.parts)

    assert [(stored.key, stored.size) for stored in store.list("models", "")] == [("good", size)]


def test_a_store_that_checks_refuses_a_damaged_part(s3: S3Server) -> None:
    """The double is such a store: bytes that are not those of `Content-MD5` are refused."""
    store = s3.store()
    with pytest.raises(StoreError, match="BadDigest"):
        store._client.ask(
            lambda: store._client.s3.put_object(Bucket="models", Key="x", Body=b"y", ContentMD5="A" * 22 + "=="), "x"
        )


def test_a_store_may_be_spared_checksums(s3: S3Server, tmp_path: Path) -> None:
    """`checksums: none` sends none, and files arrive all the same."""
    s3.store()
    store = Store(s3.place.model_copy(update={"checksums": "none"}), s3.access)
    path = tmp_path / "file"
    path.write_bytes(b"a" * (PART + 1))

    assert store.put_file("models", "large", path).size == PART + 1
    assert store.put_bytes("models", "small", b"abc").size == 3


@given(st.lists(st.integers(0, 3 * MiB), max_size=12), st.integers(1, 2 * PART))
def test_hashes_do_not_depend_on_the_pieces(cuts: list[int], size: int) -> None:
    """However the bytes come, the hash of all and of each part is the same."""
    content = bytes(size)
    proof, at = PartHash(size), 0
    for cut in cuts:
        proof.update(content[at : at + cut])
        at = min(size, at + cut)
    proof.update(content[at:])
    each = part_size(size)
    parts = [content[start : start + each] for start in range(0, size, each)]

    assert proof.sha256 == hashlib.sha256(content).hexdigest()
    assert proof.parts == tuple(hashlib.md5(part, usedforsecurity=False).hexdigest() for part in parts)


def test_parts_grow_with_the_file() -> None:
    """No file has more parts than S3 allows."""
    assert part_size(60 * 10**9) == PART
    assert -(-(10**13) // part_size(10**13)) <= 10_000


def test_a_store_of_the_environment() -> None:
    """A bucket, an address and keys are enough; keys of AWS's own variables are taken as well."""
    found = from_environment(
        {
            "VIDEOGEN_STORE_MODELS": "my-models",
            "VIDEOGEN_STORE_ENDPOINT": "https://s3.example",
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
        }
    )

    assert found is not None
    assert found.store.model_dump() == {
        "endpoint": "https://s3.example", "region": "us-east-1", "addressing": "path", "models": "my-models", "outputs": "my-models",
        "checksums": "content-md5", "floor_mbit": 0,
    }  # fmt: skip
    assert from_environment({"VIDEOGEN_STORE_ENDPOINT": "https://s3.example"}) is None


def test_a_store_of_the_environment_that_cannot_be() -> None:
    """Missing keys and unknown words are wrong input at their variable."""
    with pytest.raises(InputError, match="environment: VIDEOGEN_STORE_KEY: the store's keys are missing"):
        from_environment({"VIDEOGEN_STORE_MODELS": "my-models"})
    with pytest.raises(InputError, match="environment: VIDEOGEN_STORE_ADDRESSING"):
        from_environment(
            {
                "VIDEOGEN_STORE_MODELS": "my-models",
                "VIDEOGEN_STORE_KEY": "k",
                "VIDEOGEN_STORE_SECRET": "s",
                "VIDEOGEN_STORE_ADDRESSING": "odd",
            }
        )
