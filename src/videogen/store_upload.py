"""Large files on their way into a store: in parts, several at once, each repeated alone when it fails."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from videogen.errors import Interrupted, StoreError
from videogen.store_client import StoreClient, code

PART = 16 << 20
"""Bytes of a part; the parts under way are held in memory."""
_MOST_PARTS = 10_000
"""S3's limit; above 156 GiB the parts grow."""
_AT_ONCE = 4
_ATTEMPTS = 3


def upload(
    client: StoreClient, bucket: str, key: str, path: Path, content_type: str, progress: Callable[[int], None]
) -> None:
    """Stores a file; `progress` gets the bytes sent so far, from several threads. Raises `StoreError`."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _attempt(client, bucket, key, path, content_type, progress)
            return
        except StoreError as error:
            # a store that was started again may have forgotten unfinished uploads (rclone does)
            if code(error) != "NoSuchUpload" or attempt == _ATTEMPTS:
                raise


def _attempt(
    client: StoreClient, bucket: str, key: str, path: Path, content_type: str, progress: Callable[[int], None]
) -> None:
    name = f"{bucket}/{key}"
    size = path.stat().st_size
    part_size = max(PART, -(-size // _MOST_PARTS))
    begin = partial(client.s3.create_multipart_upload, Bucket=bucket, Key=key, ContentType=content_type)
    target = {"Bucket": bucket, "Key": key, "UploadId": client.ask(begin, name)["UploadId"]}
    failed = threading.Event()
    lock = threading.Lock()
    sent = 0

    def put(number: int) -> dict[str, object]:
        nonlocal sent
        with path.open("rb") as file:
            file.seek((number - 1) * part_size)
            data = file.read(part_size)
        answer = client.ask(partial(client.s3.upload_part, **target, PartNumber=number, Body=data), name, failed)
        with lock:
            sent += len(data)
            progress(sent)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            futures = [pool.submit(put, number) for number in range(1, -(-size // part_size) + 1)]
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
