"""The object store: any S3, from `rclone serve s3` on this machine to a cloud's.

No integrity is left to the store alone: models are proven by their own hash, uploads are confirmed by HEAD. Requests
stay plain, so that every S3 understands them: `Content-MD5` (which a store may be spared), no newer checksums, no
versions; a condition only where nothing may be written over, and where a store knows none, it is asked before.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from videogen import stack_outputs
from videogen.disk import written
from videogen.errors import ObjectMissing, RangeIgnored, StoreError
from videogen.store_client import StoreClient, code
from videogen.store_reader import StoreReader
from videogen.store_upload import PART, digest_header, require_part, upload
from videogen.whole_answer import WholeAnswer

_PIECE = 8 << 20
_ANY = "application/octet-stream"


@dataclass(frozen=True)
class StoredObject:
    """An object as the store describes it; `etag` means something to that one store only."""

    bucket: str
    key: str
    size: int
    etag: str
    modified: datetime | None
    """When it was stored, by the store's clock, to the second; nothing where the store does not say."""


def model_key(sha256: str) -> str:
    """Where a model's bytes lie in the models bucket."""
    return f"models/sha256/{sha256}"


def manifest_key(digest: str) -> str:
    """Where a manifest's text lies in the models bucket."""
    return f"manifests/{digest}.yaml"


def receipt_key(machine: str) -> str:
    """Where a machine's receipt lies in the outputs bucket."""
    return f"receipts/{machine}.json"


def rent_record_key(machine: str) -> str:
    """Where it was written down, in the outputs bucket, before a machine was created."""
    return f"rented/{machine}.json"


def heartbeat_key(machine: str) -> str:
    """Where a worker says in the outputs bucket that it lives; when it did so last, the store knows."""
    return f"heartbeats/{machine}.json"


def last_word_key(machine: str) -> str:
    """Where a worker says in the outputs bucket why it ends itself, just before it does."""
    return f"last-words/{machine}.json"


def log_key(worker: str, boot: int, number: int) -> str:
    """Where a part of a worker's log lies in the outputs bucket; `boot` counts its starts, `number` the parts."""
    return f"logs/{worker}/{boot}-{number:05}.jsonl.gz"


class Store:
    """A store and the names of its two buckets; may be used from many threads.

    `patience_seconds`: how long one request may be silent, and how long a store that is down is asked again, before
    `StoreUnreachable`; ten times as long for `head` and `list`, until their answer begins. Other refusals are
    `StoreError` at once. Where a method takes `stop`, setting it ends the wait with `Interrupted`.
    """

    def __init__(
        self, place: stack_outputs.Store, access: stack_outputs.StoreAccess, *, patience_seconds: float = 30.0
    ) -> None:
        self.models, self.outputs = place.models, place.outputs
        self.place = place
        self._region = place.region
        self._digests = place.checksums == "content-md5"
        self._client = StoreClient(place, access, patience_seconds)
        self._reader = StoreReader(self._client)

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
        found = self._reader.head(bucket, key, stop)
        return StoredObject(bucket, key, found.size, found.etag, found.modified) if found else None

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
        """`length` bytes from `start` on, in pieces of at most 8 MiB; a connection that breaks goes on where it broke.

        A store that ignores ranges is read from one answer. Raises `ObjectMissing`; `StoreError` when the object ends
        before.
        """
        view = memoryview(bytearray(min(_PIECE, length)))
        with ExitStack() as open_answer:
            whole: WholeAnswer | None = None
            for at in range(start, start + length, _PIECE):
                piece = view[: min(_PIECE, start + length - at)]
                try:
                    self.fill(bucket, key, at, piece, stop=stop, whole=whole)
                except RangeIgnored:
                    whole = open_answer.enter_context(closing(self._reader.whole(bucket, key, "", stop)))
                    self.fill(bucket, key, at, piece, stop=stop, whole=whole)
                yield bytes(piece)

    def fill(
        self,
        bucket: str,
        key: str,
        start: int,
        view: memoryview,
        *,
        etag: str = "",
        stop: threading.Event | None = None,
        tell: Callable[[int], None] | None = None,
        whole: WholeAnswer | None = None,
    ) -> None:
        """Fills `view` with the bytes from `start` on; a connection that breaks goes on where it broke.

        Ask `head` once before many of these: rclone hashes an object when it is first asked for, once for each of the
        requests that come meanwhile. `etag`: as `head` told it; `tell` gets the bytes of each piece; `whole` is where
        they come from instead of a range. Raises `ObjectMissing`; `ObjectChanged`; `RangeIgnored`; `StoreError` when
        the object ends before.
        """
        self._reader.fill(bucket, key, start, view, etag=etag, stop=stop, tell=tell, whole=whole)

    def whole(self, stored: StoredObject, stop: threading.Event | None = None) -> WholeAnswer:
        """All of an object from one answer, for `fill` from front to back after `RangeIgnored`."""
        return self._reader.whole(stored.bucket, stored.key, stored.etag, stop)

    def hang_up(self, stop: threading.Event) -> None:
        """Ends the reads that were made with this `stop`, also those that wait for a silent store."""
        self._reader.hang_up(stop)

    def put_bytes(self, bucket: str, key: str, data: bytes, content_type: str = _ANY) -> StoredObject:
        """Stores a small object, confirmed by HEAD."""
        header = digest_header(data, wanted=self._digests)
        put = partial(self._client.s3.put_object, Bucket=bucket, Key=key, Body=data, ContentType=content_type, **header)
        self._client.ask(put, f"{bucket}/{key}")
        return self._confirmed(bucket, key, len(data))

    def put_once(self, bucket: str, key: str, data: bytes, content_type: str = _ANY) -> bool:
        """Stores a small object unless there is one of that name; says whether this call stored it.

        A store that knows `If-None-Match` lets only one of two win that try at once; another one is only asked before.
        """
        if self.head(bucket, key) is not None:
            return False
        header = digest_header(data, wanted=self._digests)
        put = partial(self._client.s3.put_object, Bucket=bucket, Key=key, Body=data, ContentType=content_type, **header)
        try:
            self._client.ask(partial(put, IfNoneMatch="*"), f"{bucket}/{key}")
        except StoreError as error:
            if code(error) == "PreconditionFailed":
                return False
            if code(error) != "NotImplemented":
                raise
            self._client.ask(put, f"{bucket}/{key}")
        self._confirmed(bucket, key, len(data))
        return True

    def put_file(
        self,
        bucket: str,
        key: str,
        path: Path,
        content_type: str = _ANY,
        progress: Callable[[int], None] | None = None,
        known_parts: Sequence[str] | None = None,
    ) -> StoredObject:
        """Stores a file, confirmed by HEAD; `progress` gets the bytes sent so far, in all, from several threads.

        `known_parts`: MD5 of each part of `store_upload.part_size` bytes, from a hash of the whole file; raises
        `WrongHash` when the file is not that any more.
        """
        tell = progress or _say_nothing
        size = path.stat().st_size
        if size > PART:
            digests = self._digests
            upload(self._client, bucket, key, path, content_type, tell, digests=digests, known_parts=known_parts)
            return self._confirmed(bucket, key, size)
        data = path.read_bytes()
        require_part(path, data, known_parts, 1)
        stored = self.put_bytes(bucket, key, data, content_type)
        tell(size)
        return stored

    def delete(self, bucket: str, key: str) -> None:
        """Removes an object; one that is not there is no error."""
        with suppress(ObjectMissing):
            self._client.ask(partial(self._client.s3.delete_object, Bucket=bucket, Key=key), f"{bucket}/{key}")

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with `prefix`, in the order of their keys."""
        more: dict[str, str] = {}
        while True:
            ask = partial(self._client.thoughtful.list_objects_v2, Bucket=bucket, Prefix=prefix, **more)
            page = self._client.ask(ask, f"{bucket}/{prefix}")
            for item in page.get("Contents", ()):
                etag = str(item.get("ETag", "")).strip('"')
                modified = item["LastModified"].astimezone(UTC).replace(microsecond=0)
                yield StoredObject(bucket, item["Key"], int(item["Size"]), etag, modified)
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
