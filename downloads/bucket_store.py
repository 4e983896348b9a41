"""Published files in a bucket of an S3-compatible store: uploads that can be given up, and addresses for readers.

Only keys of our own shape below our prefix are ever listed or deleted. What the store refuses is an OSError here, as
it would be of a disk.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from s3transfer.subscribers import BaseSubscriber

OURS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/\d+/[0-9a-f-]{36}\.[a-z0-9]+")
MAX_KEYS_PER_DELETION = 1000
BEAT_SECONDS = 1.0
CHUNK_BYTES = 256 * 1024
# Connections that break with no byte in between.
MAX_TRIES = 3
# Parts of an upload that was broken off cost storage and are shown by no listing of objects.
ABANDONED_AFTER = timedelta(days=1)
TRANSFER = TransferConfig(multipart_threshold=16 * 1024**2, multipart_chunksize=16 * 1024**2, max_concurrency=4)


class BucketStore:
    def __init__(self, client: Any, reader: Any, *, bucket: str, prefix: str) -> None:
        """`reader` is a client for the address by which readers reach the store; it signs and asks nothing."""
        self._client = client
        self._reader = reader
        self._bucket = bucket
        self._prefix = prefix

    # --- Writing ------------------------------------------------------------------------------------------------

    def put(self, source: Path, key: str, *, mime_type: str, beat: Callable[[], None]) -> None:
        """Calls `beat` every second in this thread; when that raises, the upload is given up."""
        with _failures_of_the_store(), create_transfer_manager(self._client, TRANSFER) as manager:
            done, extra = _Done(), {"ContentType": mime_type}
            _wait_for(manager.upload(str(source), self._bucket, self._prefix + key, extra, [done]), done, beat)

    def share(self, source: str, key: str, size_bytes: int, *, mime_type: str, beat: Callable[[], None]) -> None:
        """The store makes a copy, by itself; it has no second names."""
        if self.size_of(source) != size_bytes:
            raise OSError(errno.EIO, "the object has another size than its row says")
        with _failures_of_the_store(), create_transfer_manager(self._client, TRANSFER) as manager:
            done, extra = _Done(), {"ContentType": mime_type, "MetadataDirective": "REPLACE"}
            original = {"Bucket": self._bucket, "Key": self._prefix + source}
            _wait_for(manager.copy(original, self._bucket, self._prefix + key, extra, [done]), done, beat)

    def flush(self, job_id: uuid.UUID, attempt: int) -> None:
        """What the store has acknowledged is durable."""

    def remove(self, keys: Iterable[str]) -> None:
        with _failures_of_the_store():
            rest = iter(keys)
            while objects := [{"Key": self._prefix + key} for key in islice(rest, MAX_KEYS_PER_DELETION)]:
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
                if errors := answer.get("Errors"):
                    raise OSError(errno.EIO, f"the store kept {len(errors)} objects: {errors[0].get('Code')}")

    def remove_attempt(self, job_id: uuid.UUID, attempt: int) -> None:
        self.remove([key for key, _ in self._sizes_below(f"{job_id}/{attempt}/")])

    def tidy(self) -> None:
        """Ends the uploads of processes that are long dead."""
        with _failures_of_the_store():
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for upload in page.get("Uploads", ()):
                    is_ours = OURS.fullmatch(upload["Key"].removeprefix(self._prefix))
                    if is_ours and datetime.now(UTC) - upload["Initiated"] > ABANDONED_AFTER:
                        self._client.abort_multipart_upload(
                            Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )

    # --- Reading ------------------------------------------------------------------------------------------------

    def open(self, key: str) -> BinaryIO:
        with _failures_of_the_store():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
        return cast("BinaryIO", answer["Body"])

    def read(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """Bytes `start` to `end`, in pieces. A connection that breaks is made anew where it broke.

        Raises OSError rather than to end early.
        """
        tries = 0
        while start < end:
            try:
                for data in self._connection(key, start, end):
                    yield data
                    start, tries = start + len(data), 0
            except FileNotFoundError:
                raise
            except OSError:
                tries += 1
                if tries >= MAX_TRIES:
                    raise

    def size_of(self, key: str) -> int:
        with _failures_of_the_store():
            answer = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        return int(answer["ContentLength"])

    def has(self, key: str) -> bool:
        try:
            self.size_of(key)
        except FileNotFoundError:
            return False
        return True

    def sizes(self) -> Iterator[tuple[str, int]]:
        return ((key, size) for key, size in self._sizes_below("") if OURS.fullmatch(key))

    def address_of(self, key: str, *, mime_type: str, disposition: str, lifetime: timedelta) -> str:
        """Whoever has it may read the file until `lifetime` is over. No request is made for it."""
        parameters = {
            "Bucket": self._bucket,
            "Key": self._prefix + key,
            "ResponseContentType": mime_type,
            "ResponseContentDisposition": disposition,
            "ResponseCacheControl": "private, no-cache",
        }
        seconds = int(lifetime.total_seconds())
        address: str = self._reader.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
        return address

    def _connection(self, key: str, start: int, end: int) -> Iterator[bytes]:
        with _failures_of_the_store():
            wanted = f"bytes={start}-{end - 1}"
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, Range=wanted)
            with contextlib.closing(answer["Body"]) as body:
                if answer["ContentLength"] != end - start:
                    raise OSError(errno.EIO, "the store sends another part than was asked for")
                yield from body.iter_chunks(CHUNK_BYTES)

    def _sizes_below(self, start: str) -> Iterator[tuple[str, int]]:
        with _failures_of_the_store():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + start):
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(self._prefix), found["Size"]


class _Done(BaseSubscriber):  # type: ignore[misc]  # s3transfer has no types
    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()

    def on_done(self, **_: Any) -> None:
        self.event.set()


def _wait_for(transfer: Any, done: _Done, beat: Callable[[], None]) -> None:
    try:
        while not done.event.wait(BEAT_SECONDS):
            beat()
    except BaseException:
        transfer.cancel()
        raise
    transfer.result()


@contextlib.contextmanager
def _failures_of_the_store() -> Iterator[None]:
    try:
        yield
    except ClientError as failure:
        code = str(failure.response.get("Error", {}).get("Code", "unknown"))
        number = errno.ENOENT if code in {"404", "NoSuchKey", "NotFound"} else errno.EIO
        raise OSError(number, f"the store answered {code}") from failure
    except (BotoCoreError, boto3.exceptions.Boto3Error) as failure:
        raise OSError(errno.EIO, f"the store cannot be used ({type(failure).__name__})") from failure


@functools.cache
def configured() -> BucketStore:
    """As the settings say. Clients may be used by several threads at once."""
    writer = _client(settings.S3_ENDPOINT_URL)
    public = settings.S3_PUBLIC_ENDPOINT_URL
    reader = _client(public) if public and public != settings.S3_ENDPOINT_URL else writer
    return BucketStore(writer, reader, bucket=settings.S3_BUCKET, prefix=settings.S3_PREFIX)


def _client(endpoint: str) -> Any:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=settings.S3_REGION,
        aws_access_key_id=settings.S3_ACCESS_KEY_ID or None,
        aws_secret_access_key=settings.S3_SECRET_ACCESS_KEY or None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": settings.S3_ADDRESSING_STYLE},
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "max_attempts": 4},
            # Stores other than Amazon's know no trailing checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
