"""Large files on their way into a store: in parts, several at once, each repeated alone when it fails.

Each part carries its MD5, so that a store that knows `Content-MD5` (AWS, R2, B2, MinIO, rclone) refuses a part that was
changed on the way. A caller that hashed the file before says the parts' MD5 then, so that the disk is proven as well.
"""

import base64
import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from videogen.errors import Interrupted, StoreError, WrongHash
from videogen.store_client import StoreClient, code

PART = 16 << 20
"""Bytes of a part; the parts under way are held in memory."""
_MOST_PARTS = 10_000
"""S3's limit; above 156 GiB the parts grow."""
_AT_ONCE = 4
_ATTEMPTS = 3
_ANEW = {"NoSuchUpload", "BadDigest"}
"""A store that was started again may have forgotten unfinished uploads, and rclone ends them at a damaged part."""


def part_size(size: int) -> int:
    """Bytes of each part but the last, of a file of `size` bytes."""
    return max(PART, -(-size // _MOST_PARTS))


class PartHash:
    """Hashes a file as it passes: SHA-256 of all, and MD5 of each part in which it will be sent."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self._all = hashlib.sha256()
        self._each = part_size(size)
        self._parts = [hashlib.md5(usedforsecurity=False)]

    def update(self, piece: bytes) -> None:
        """The next bytes."""
        self._all.update(piece)
        view = memoryview(piece)
        while view:
            room = self._each - self.count % self._each
            if room == self._each and self.count:
                self._parts.append(hashlib.md5(usedforsecurity=False))
            self._parts[-1].update(view[:room])
            self.count += len(view[:room])
            view = view[room:]

    @property
    def sha256(self) -> str:
        """Of everything so far."""
        return self._all.hexdigest()

    @property
    def parts(self) -> tuple[str, ...]:
        """MD5 of each part so far."""
        return tuple(part.hexdigest() for part in self._parts)


def digest_header(data: bytes, *, wanted: bool) -> dict[str, str]:
    """The argument with which a store checks what it receives; none where it is not wanted."""
    if not wanted:
        return {}
    return {"ContentMD5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()}


def require_part(path: Path, data: bytes, known_parts: Sequence[str] | None, number: int) -> None:
    """Raises `WrongHash` when a part of a file is not the one that was hashed before."""
    if known_parts and hashlib.md5(data, usedforsecurity=False).hexdigest() != known_parts[number - 1]:
        raise WrongHash(f"{path}: changed on disk while it was sent to a store", "start again")


def upload(
    client: StoreClient,
    bucket: str,
    key: str,
    path: Path,
    content_type: str,
    progress: Callable[[int], None],
    *,
    digests: bool,
    known_parts: Sequence[str] | None,
) -> None:
    """Stores a file; `progress` gets the bytes sent so far, from several threads.

    `digests`: the store checks each part's MD5. `known_parts`: MD5 (hex) of each part as the caller saw it.
    Raises `StoreError`; `WrongHash` for a part that is not the one known.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _attempt(client, bucket, key, path, content_type, progress, digests, known_parts)
            return
        except StoreError as error:
            if code(error) not in _ANEW or attempt == _ATTEMPTS:
                raise


def _attempt(
    client: StoreClient,
    bucket: str,
    key: str,
    path: Path,
    content_type: str,
    progress: Callable[[int], None],
    digests: bool,
    known_parts: Sequence[str] | None,
) -> None:
    name = f"{bucket}/{key}"
    size = path.stat().st_size
    each = part_size(size)
    begin = partial(client.s3.create_multipart_upload, Bucket=bucket, Key=key, ContentType=content_type)
    target = {"Bucket": bucket, "Key": key, "UploadId": client.ask(begin, name)["UploadId"]}
    failed = threading.Event()
    lock = threading.Lock()
    sent = 0

    def put(number: int) -> dict[str, object]:
        nonlocal sent
        with path.open("rb") as file:
            file.seek((number - 1) * each)
            data = file.read(each)
        require_part(path, data, known_parts, number)
        header = digest_header(data, wanted=digests)
        put_part = partial(client.s3.upload_part, **target, **header, PartNumber=number, Body=data)
        answer = client.ask(put_part, name, failed)
        with lock:
            sent += len(data)
            progress(sent)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            futures = [pool.submit(put, number) for number in range(1, -(-size // each) + 1)]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                failed.set()  # also when this thread is interrupted: nobody goes on alone
        errors = [error for future in futures if (error := future.exception())]
        if errors:
            raise next((error for error in errors if not isinstance(error, Interrupted)), errors[0])
        parts = [future.result() for future in futures]
        client.ask(partial(client.s3.complete_multipart_upload, **target, MultipartUpload={"Parts": parts}), name)
    except BaseException:
        _abandon(client, target)
        raise


def _abandon(client: StoreClient, target: dict[str, str]) -> None:
    try:
        client.s3.abort_multipart_upload(**target)
    except (BotoCoreError, ClientError):
        return  # the first error is the one to tell; a bucket's lifecycle rule removes what stays
