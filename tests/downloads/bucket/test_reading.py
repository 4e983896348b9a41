"""Who may read what is in a bucket, and how it comes to them: by address, or in an archive."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import ApiKey, Scope
from downloads import bucket_store, files
from downloads.archives import MISSING
from downloads.models import Batch, Job, MediaFile
from mediadl.asgi.archives import Archives
from mediadl.asgi.messages import Receive, Send
from mediadl.asgi.messages import Scope as Request
from mediadl.asgi.shelves import Bucket
from mediadl.asgi.threads import Threads
from tests.asgi.driver import Answer, ask
from tests.downloads.bucket.objects import CONTENT
from tests.factories import JobFactory
from tests.ops.bucket import BUCKET

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


# --- Reading ------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(stored: Callable[..., MediaFile]) -> MediaFile:
    return stored()


@pytest.fixture
def reader(file: MediaFile) -> Client:
    _, key = ApiKey.objects.issue(file.job.owner, "test", (Scope.READ,))
    return Client(headers={"X-API-Key": key})


@pytest.mark.django_db
def test_a_reader_is_sent_to_the_bucket_and_gets_parts_there(reader: Client, file: MediaFile) -> None:
    answer = reader.get(f"/api/v1/files/{file.pk}")
    assert (answer.status_code, answer["Cache-Control"], answer.content) == (302, "no-store", b"")
    assert [name for name in answer.headers if name.startswith("X-Accel")] == []
    assert answer["X-Content-Type-Options"] == "nosniff"

    whole = httpx.get(answer["Location"])
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"].startswith('attachment; filename="clip.mp4"')
    part = httpx.get(answer["Location"], headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, CONTENT[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(CONTENT)}"


@pytest.mark.django_db
@pytest.mark.parametrize(("query", "seconds"), [("", 3600), ("?inline=1", 12 * 3600)])
def test_addresses_last_as_long_as_a_film_is_watched(reader: Client, file: MediaFile, query: str, seconds: int) -> None:
    location = httpx.URL(reader.get(f"/api/v1/files/{file.pk}{query}")["Location"])
    assert int(location.params["X-Amz-Expires"]) == seconds
    assert location.params["response-content-disposition"].startswith("inline" if query else "attachment")


@pytest.mark.django_db
def test_the_address_is_that_by_which_browsers_reach_the_store(
    reader: Client, file: MediaFile, settings: Settings
) -> None:
    settings.S3_PUBLIC_ENDPOINT_URL = "https://media.example.net"
    bucket_store.configured.cache_clear()
    location = httpx.URL(reader.get(f"/api/v1/files/{file.pk}")["Location"])
    assert (location.scheme, location.host) == ("https", "media.example.net")


@pytest.mark.django_db
def test_head_is_answered_here(reader: Client, file: MediaFile) -> None:
    answer = reader.head(f"/api/v1/files/{file.pk}")
    assert (answer.status_code, answer["Content-Length"]) == (200, str(len(CONTENT)))
    assert (answer["ETag"], answer["Accept-Ranges"]) == (file.etag, "bytes")


@pytest.mark.django_db
def test_others_get_no_address(file: MediaFile, s3: Any) -> None:
    _, key = ApiKey.objects.issue(JobFactory().owner, "test", (Scope.READ,))
    answer = Client(headers={"X-API-Key": key}).get(f"/api/v1/files/{file.pk}")
    assert (answer.status_code, "Location" in answer) == (404, False)


@pytest.mark.django_db
def test_what_goes_after_a_download_goes_with_its_address(stored: Callable[..., MediaFile]) -> None:
    later = timezone.now() + timedelta(days=3)
    job = JobFactory(finished=True, options={"delete_after_download": True}, expires_at=later)
    file = stored(job)
    _, key = ApiKey.objects.issue(job.owner, "test", (Scope.READ,))
    Client(headers={"X-API-Key": key}).get(f"/api/v1/files/{file.pk}")
    job.refresh_from_db()
    assert job.expires_at is not None
    assert job.expires_at < timezone.now() + files.FETCHED_LIFETIME + timedelta(minutes=1)


# --- Archives -----------------------------------------------------------------------------------------------------


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(4, name="test-bucket")
    yield threads
    threads.close()


@pytest.fixture
def fetch(batch: Batch, threads: Threads) -> Callable[..., Answer]:
    """The archive through the layer that sends it."""
    _, key = ApiKey.objects.issue(batch.owner, "test", (Scope.READ,))
    client = Client(headers={"X-API-Key": key})
    told: list[str] = []

    def fetch(**headers: str) -> Answer:
        granted = client.get(f"/api/v1/batch/{batch.pk}/archive")

        async def django(_scope: Request, receive: Receive, send: Send) -> None:
            await receive()
            named = [(name.encode(), value.encode()) for name, value in granted.headers.items()]
            await send({"type": "http.response.start", "status": granted.status_code, "headers": named})
            await send({"type": "http.response.body", "body": granted.content})

        async def sent(token: str) -> None:
            told.append(token)

        shelf = Bucket(bucket_store.configured(), threads)
        layer = Archives(django, shelf=shelf, max_streams_per_owner=2, when_sent=sent)
        answer = ask(layer, headers=list(headers.items()))
        for token in told:
            files.sent(token)
        return answer

    return fetch


@pytest.mark.django_db
def test_an_archive_is_put_together_out_of_the_bucket(fetch: Callable[..., Answer]) -> None:
    answer = fetch()
    assert (answer.status, answer.is_complete) == (200, True)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["1.mp4", "2.mp4", MISSING]
        assert opened.read("2.mp4") == CONTENT
        assert b"Lost" in opened.read(MISSING)
    whole = answer.body
    for first, last in ((0, 9), (500, len(whole) - 500), (len(CONTENT), len(whole) - 1)):
        part = fetch(Range=f"bytes={first}-{last}")
        assert (part.status, part.body) == (206, whole[first : last + 1])


@pytest.mark.django_db
def test_an_archive_whose_file_is_lost_is_not_begun(fetch: Callable[..., Answer], s3: Any) -> None:
    file = MediaFile.objects.last()
    assert file is not None
    s3.delete_object(Bucket=BUCKET, Key=f"files/{file.storage_key}")
    answer = fetch()
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "archive_changed")


@pytest.mark.django_db(transaction=True)
def test_what_goes_after_a_download_goes_when_its_archive_has_been_sent(
    fetch: Callable[..., Answer], batch: Batch, s3: Any
) -> None:
    Job.objects.filter(batch=batch).update(options={"delete_after_download": True})
    assert fetch().is_complete
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)
