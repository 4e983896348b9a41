"""A real server of buckets, and files in one."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from downloads import bucket_store, storage
from downloads.models import Batch, Job, MediaFile
from tests.downloads.bucket.objects import CONTENT, put
from tests.factories import BatchFactory, JobFactory, MediaFileFactory
from tests.ops.bucket import BUCKET, store_server, variables


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    with store_server() as address:
        yield address


@pytest.fixture
def s3(endpoint: str, settings: Settings) -> Iterator[Any]:
    """The store's client, with an empty bucket that the settings name."""
    for name, value in variables(endpoint).items():
        setattr(settings, name, value)
    settings.S3_PUBLIC_ENDPOINT_URL = endpoint
    bucket_store.configured.cache_clear()
    client = bucket_store.configured()._client
    client.create_bucket(Bucket=BUCKET)
    yield client
    for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=found["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()
    bucket_store.configured.cache_clear()


@pytest.fixture
def stored(s3: Any) -> Callable[..., MediaFile]:
    def make(job: Job | None = None) -> MediaFile:
        job = job or JobFactory(finished=True)
        key = put(storage.key_of(job.pk, job.attempt, uuid.uuid4(), "mp4"))
        return MediaFileFactory(job=job, storage_key=key, size_bytes=len(CONTENT))

    return make


@pytest.fixture
def batch(stored: Callable[..., MediaFile]) -> Batch:
    """Of three, two of which have their files."""
    batch = BatchFactory(title="A list")
    for index in (1, 2):
        job = JobFactory(owner=batch.owner, batch=batch, playlist_index=index, finished=True)
        MediaFile.objects.filter(pk=stored(job).pk).update(crc32=zlib.crc32(CONTENT), filename=f"{index}.mp4")
    JobFactory(owner=batch.owner, batch=batch, playlist_index=3, broken=True, title="Lost")
    return batch
