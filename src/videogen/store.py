"""The object store: any S3, from `rclone serve s3` on this machine to a cloud's.

No integrity is left to the store (most ignore checksums): models are proven by their own hash, uploads are confirmed by
HEAD. Requests stay plain, so that every S3 understands them: no checksums, no conditions, no versions.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from videogen import stack_outputs
from videogen.disk import written
from videogen.errors import Interrupted, ObjectMissing, StoreError
from videogen.store_client import BROKEN, StoreClient, code, wait
from videogen.store_upload import PART, upload

_PIECE = 1 << 20
_ANY = "application/octet-stream"


@dataclass(frozen=True)
class StoredObject:
    """An object as the store describes it; `etag` means something to that one store only."""

    bucket: str
    key: str
    size: int
    etag: str


def model_key(sha256: str) -> str:
    """Where a model's bytes lie in the models bucket."""
    return f"models/sha256/{sha256}"


def manifest_key(digest: str) -> str:
    """Where a manifest's text lies in the models bucket."""
    return f"manifests/{digest}.yaml"


def receipt_key(machine: str) -> str:
    """Where a machine's receipt lies in the outputs bucket."""
    return f"receipts/{machine}.json"


class Store:
    """A store and the names of its two buckets; may be used from many threads.

    `patience_seconds`: how long one request may be silent, and how long a store that is down is asked again, before
    `StoreUnreachable`. Other refusals are `StoreError` at once. Where a method takes `stop`, setting it ends the wait
    with `Interrupted`.
    """

    def __init__(
        self, place: stack_outputs.Store, access: stack_outputs.StoreAccess, *, patience_seconds: float = 30.0
    ) -> None:
        self.models, self.outputs = place.models, place.outputs
        self._region = place.region
        self._client = StoreClient(place, access, patience_seconds)
        self._asked: set[tuple[str, str]] = set()

    def ensure_buckets(self) -> None:
        """Makes the two buckets where they do not exist yet."""
        s3 = self._client.s3
        # AWS wants a region named, except the one that is its default
        where = {} if self._region == "us-east-1" else {"LocationConstraint": self._region}
        more = {"CreateBucketConfiguration": where} if where else {}
        for bucket in dict.fromkeys((self.models, self.outputs)):
            try:
                self._client.ask(partial(s3.head_bucket, Bucket=bucket), bucket)
            except ObjectMissing:
                try:
                    self._client.ask(partial(s3.create_bucket, Bucket=bucket, **more), bucket)
                except StoreError as error:
                    if code(error) != "BucketAlreadyOwnedByYou":  # somebody else of ours was quicker
                        raise

    def head(self, bucket: str, key: str, *, stop: threading.Event | None = None) -> StoredObject | None:
        """What the store says of an object now; nothing when there is none."""
        look = partial(self._client.s3.head_object, Bucket=bucket, Key=key)
        try:
            answer = self._client.ask(look, f"{bucket}/{key}", stop)
        except ObjectMissing:
            return None
        self._asked.add((bucket, key))
        return StoredObject(bucket, key, int(answer["ContentLength"]), str(answer.get("ETag", "")).strip('"'))

    def get_bytes(self, bucket: str, key: str) -> bytes:
        """A whole object, for small ones; raises `ObjectMissing`."""

        def whole() -> bytes:
            with closing(self._client.s3.get_object(Bucket=bucket, Key=key)["Body"]) as body:
                return bytes(body.read())

        return self._client.ask(whole, f"{bucket}/{key}")

    def get_file(self, bucket: str, key: str, target: Path) -> None:
        """A whole object as a file that appears only when it is complete; raises `ObjectMissing`, `DiskFull`."""
        size = self._found(bucket, key).size
        target.parent.mkdir(parents=True, exist_ok=True)
        with written(target) as file:
            for piece in self.read(bucket, key, 0, size):
                file.write(piece)

    def read(
        self, bucket: str, key: str, start: int, length: int, *, stop: threading.Event | None = None
    ) -> Iterator[bytes]:
        """`length` bytes from `start` on, in pieces of at most 1 MiB; a connection that breaks goes on where it broke.

        Raises `ObjectMissing`; `StoreError` when the object ends before.
        """
        if (bucket, key) not in self._asked:
            # rclone hashes an object when it is first asked for, once for each of the requests that come meanwhile
            self._found(bucket, key, stop)
        name = f"{bucket}/{key}"
        done, last = 0, time.monotonic()
        while done < length:
            span = f"bytes={start + done}-{start + length - 1}"
            get = partial(self._client.s3.get_object, Bucket=bucket, Key=key, Range=span)
            body = self._client.ask(get, name, stop)["Body"]
            before = done
            try:
                with closing(body):
                    for piece in body.iter_chunks(_PIECE):
                        if stop is not None and stop.is_set():
                            raise Interrupted(f"stopped while reading {name}")
                        done, last = done + len(piece), time.monotonic()
                        yield piece
            except BROKEN as error:
                if time.monotonic() - last > self._client.patience:
                    raise self._client.unreachable(error) from error
                wait(0.2, stop)
                continue
            if done == before:
                raise StoreError(f"{self._client.address}: {name} ends before byte {start + length}")

    def put_bytes(self, bucket: str, key: str, data: bytes, content_type: str = _ANY) -> StoredObject:
        """Stores a small object, confirmed by HEAD."""
        put = partial(self._client.s3.put_object, Bucket=bucket, Key=key, Body=data, ContentType=content_type)
        self._client.ask(put, f"{bucket}/{key}")
        return self._confirmed(bucket, key, len(data))

    def put_file(
        self,
        bucket: str,
        key: str,
        path: Path,
        content_type: str = _ANY,
        progress: Callable[[int], None] | None = None,
    ) -> StoredObject:
        """Stores a file, confirmed by HEAD; `progress` gets the bytes sent so far, in all, from several threads."""
        tell = progress or _say_nothing
        size = path.stat().st_size
        if size > PART:
            upload(self._client, bucket, key, path, content_type, tell)
            return self._confirmed(bucket, key, size)
        stored = self.put_bytes(bucket, key, path.read_bytes(), content_type)
        tell(size)
        return stored

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with `prefix`, in the order of their keys."""
        more: dict[str, str] = {}
        while True:
            ask = partial(self._client.s3.list_objects_v2, Bucket=bucket, Prefix=prefix, **more)
            page = self._client.ask(ask, f"{bucket}/{prefix}")
            for item in page.get("Contents", ()):
                yield StoredObject(bucket, item["Key"], int(item["Size"]), str(item.get("ETag", "")).strip('"'))
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _found(self, bucket: str, key: str, stop: threading.Event | None = None) -> StoredObject:
        found = self.head(bucket, key, stop=stop)
        if found is None:
            raise ObjectMissing(f"{self._client.address}: no {bucket}/{key}")
        return found

    def _confirmed(self, bucket: str, key: str, size: int) -> StoredObject:
        stored = self._found(bucket, key)
        if stored.size != size:
            raise StoreError(f"{self._client.address}: {bucket}/{key} holds {stored.size} bytes, {size} were sent")
        return stored


def _say_nothing(sent: int) -> None:
    """Progress for nobody."""
