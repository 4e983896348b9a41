"""Published files in a bucket, against a real server: what the rest of the product relies on, and who may read them."""

from __future__ import annotations

import io
import json
import threading
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.response import StreamingBody
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import ApiKey, Scope
from downloads import audit, bucket_store, diagnosis, files, publishing, retention, storage
from downloads.archives import MISSING
from downloads.models import Batch, Job, LeaseLostError, MediaFile
from mediadl.asgi.archives import Archives
from mediadl.asgi.messages import Receive, Send
from mediadl.asgi.messages import Scope as Request
from mediadl.asgi.shelves import Bucket
from mediadl.asgi.threads import Threads
from tests.asgi.driver import Answer, ask
from tests.factories import BatchFactory, JobFactory, MediaFileFactory
from tests.ops.bucket import BUCKET, store_server, variables

CONTENT = bytes(range(256)) * 40
JOB = uuid.uuid4()

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


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


def put(key: str, content: bytes = CONTENT, **options: Any) -> str:
    source = storage.prepare_work(JOB) / "media.mp4"
    source.write_bytes(content)
    storage.publish(source, key, len(content), mime_type="video/mp4", **options)
    return key


def key_of(attempt: int = 1) -> str:
    return storage.key_of(JOB, attempt, uuid.uuid4(), "mp4")


@pytest.fixture
def stored(s3: Any) -> Callable[..., MediaFile]:
    def make(job: Job | None = None) -> MediaFile:
        job = job or JobFactory(finished=True)
        key = put(storage.key_of(job.pk, job.attempt, uuid.uuid4(), "mp4"))
        return MediaFileFactory(job=job, storage_key=key, size_bytes=len(CONTENT))

    return make


# --- The store ----------------------------------------------------------------------------------------------------


def test_a_published_file_is_in_the_bucket_under_our_prefix(s3: Any) -> None:
    key = put(key_of())
    (found,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert found["Key"] == f"files/{key}"
    assert s3.head_object(Bucket=BUCKET, Key=found["Key"])["ContentType"] == "video/mp4"
    assert list(storage.stored_sizes()) == [(key, len(CONTENT))]
    with storage.open_file(key) as file:
        assert file.read() == CONTENT


def test_a_large_file_goes_in_parts(s3: Any) -> None:
    content = b"0123456789abcdef" * (1024 * 1024 + 1)
    key = put(key_of(), content)
    assert dict(storage.stored_sizes()) == {key: len(content)}
    assert s3.head_object(Bucket=BUCKET, Key=f"files/{key}")["ETag"].endswith('-2"')


def test_what_is_not_the_file_that_was_reported_is_not_uploaded(s3: Any) -> None:
    source = storage.prepare_work(JOB) / "media.mp4"
    source.write_bytes(CONTENT)
    with pytest.raises(storage.StorageError):
        storage.publish(source, key_of(), len(CONTENT) + 1)
    assert list(storage.stored_sizes()) == []


def test_removes_files_and_attempts_and_nothing_else(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="files/of-somebody-else.txt", Body=b"?")
    s3.put_object(Bucket=BUCKET, Key=f"elsewhere/{key_of()}", Body=b"?")
    first, second, other = put(key_of()), put(key_of()), put(key_of(attempt=2))
    storage.remove([first, key_of()])
    assert {key for key, _ in storage.stored_sizes()} == {second, other}
    storage.remove_attempt(JOB, 1)
    assert {key for key, _ in storage.stored_sizes()} == {other}
    assert not storage.has(first)
    assert storage.has(other)
    assert len(s3.list_objects_v2(Bucket=BUCKET)["Contents"]) == 3


def test_a_file_that_is_shared_is_a_copy_of_its_own(s3: Any) -> None:
    first, second = put(key_of()), key_of()
    storage.share(first, second, len(CONTENT), mime_type="video/mp4")
    storage.remove([first])
    with storage.open_file(second) as file:
        assert file.read() == CONTENT
    assert s3.head_object(Bucket=BUCKET, Key=f"files/{second}")["ContentType"] == "video/mp4"


def test_a_file_that_is_not_there_as_it_should_be_is_not_shared(s3: Any) -> None:
    key = put(key_of())
    with pytest.raises(OSError, match="another size"):
        storage.share(key, key_of(), len(CONTENT) + 1)
    with pytest.raises(FileNotFoundError):
        storage.share(key_of(), key_of(), len(CONTENT))
    assert list(storage.stored_sizes()) == [(key, len(CONTENT))]


def test_an_upload_whose_lease_is_lost_is_given_up(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_store, "BEAT_SECONDS", 0.05)
    arrived, released = threading.Event(), threading.Event()

    def stall(**_: Any) -> None:
        arrived.set()
        released.wait(20)

    def beat() -> None:
        if arrived.is_set():
            released.set()
            raise LeaseLostError("check", "taken away")

    s3.meta.events.register("before-send.s3.PutObject", stall)
    try:
        with pytest.raises(LeaseLostError):
            put(key_of(), beat=beat)
    finally:
        s3.meta.events.unregister("before-send.s3.PutObject", stall)


def test_uploads_that_died_long_ago_are_ended(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of()
    for name in (f"files/{key}", "files/of-somebody-else"):
        s3.create_multipart_upload(Bucket=BUCKET, Key=name)
    # For this server every upload was begun in 2010.
    monkeypatch.setattr(bucket_store, "ABANDONED_AFTER", timedelta(days=30_000))
    storage.store().tidy()
    assert len(s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]) == 2
    monkeypatch.setattr(bucket_store, "ABANDONED_AFTER", timedelta(days=1))
    storage.store().tidy()
    assert [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == [
        "files/of-somebody-else"
    ]


def test_what_the_store_refuses_is_an_error_of_the_storage(s3: Any, settings: Settings) -> None:
    with pytest.raises(FileNotFoundError):
        storage.open_file(key_of())
    settings.S3_BUCKET = "no-such-bucket"
    bucket_store.configured.cache_clear()
    with pytest.raises(OSError, match="NoSuchBucket"):
        put(key_of())


def test_the_doctor_says_whether_the_bucket_answers(s3: Any, settings: Settings) -> None:
    assert [finding.status for finding in diagnosis.bucket()] == ["ok"]
    settings.S3_ENDPOINT_URL = "http://127.0.0.1:9"
    bucket_store.configured.cache_clear()
    (finding,) = diagnosis.bucket()
    assert (finding.status, finding.name) == ("error", "bucket")
    assert "S3_ENDPOINT_URL" in finding.remedy
    settings.S3_BUCKET = ""
    assert diagnosis.bucket() == []


# --- What relies on it --------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_job_is_completed_with_files_in_the_bucket(s3: Any) -> None:
    job = JobFactory(running=True)
    (storage.prepare_work(job.pk) / "out.mp4").write_bytes(CONTENT)
    report = {"path": "out.mp4", "ext": "mp4", "kind": "media", "is_main": True}
    rows = publishing.move(job, [report | {"size_bytes": len(CONTENT), "sha256": "0" * 64}], {}, lambda: None)
    publishing.commit(job, rows, {})
    assert dict(storage.stored_sizes()) == {MediaFile.objects.get().storage_key: len(CONTENT)}
    assert audit.audit().missing == audit.audit().orphans == []


@pytest.mark.django_db
def test_what_was_uploaded_and_not_committed_is_removed(s3: Any) -> None:
    job = JobFactory(running=True)
    (storage.prepare_work(job.pk) / "out.mp4").write_bytes(CONTENT)
    report = {"path": "out.mp4", "ext": "mp4", "kind": "media", "is_main": True, "sha256": "0" * 64}
    reports = [report | {"size_bytes": len(CONTENT)}, report | {"size_bytes": 1}]
    with pytest.raises(storage.StorageError):
        publishing.move(job, reports, {}, lambda: None)
    assert list(storage.stored_sizes()) == []


@pytest.mark.django_db(transaction=True)
def test_files_expire_in_the_bucket(stored: Callable[..., MediaFile]) -> None:
    kept, due = stored(), stored(JobFactory(finished=True, expires_at=timezone.now() - timedelta(seconds=1)))
    retention.expire_due()
    assert (storage.has(kept.storage_key), storage.has(due.storage_key)) == (True, False)


@pytest.mark.django_db
def test_the_audit_compares_bucket_and_rows_both_ways(stored: Callable[..., MediaFile], s3: Any) -> None:
    fine, missing, damaged = stored(), stored(), stored()
    s3.delete_object(Bucket=BUCKET, Key=f"files/{missing.storage_key}")
    s3.put_object(Bucket=BUCKET, Key=f"files/{damaged.storage_key}", Body=b"?")
    s3.put_object(Bucket=BUCKET, Key="files/notes.txt", Body=b"not ours")
    orphan = put(key_of())
    running = JobFactory(running=True, attempt=2)
    put(storage.key_of(running.pk, 2, uuid.uuid4(), "mp4"))

    report = audit.audit()
    assert (report.orphans, report.missing, report.damaged) == ([orphan], [missing.storage_key], [damaged.storage_key])
    audit.remove_strays(report)
    audit.withdraw_lost(report)
    storage.remove_work(JOB)
    assert audit.audit().is_clean
    assert storage.has(fine.storage_key)
    assert s3.head_object(Bucket=BUCKET, Key="files/notes.txt")


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
def batch(stored: Callable[..., MediaFile]) -> Batch:
    """Of three, two of which have their files."""
    batch = BatchFactory(title="A list")
    for index in (1, 2):
        job = JobFactory(owner=batch.owner, batch=batch, playlist_index=index, finished=True)
        MediaFile.objects.filter(pk=stored(job).pk).update(crc32=zlib.crc32(CONTENT), filename=f"{index}.mp4")
    JobFactory(owner=batch.owner, batch=batch, playlist_index=3, broken=True, title="Lost")
    return batch


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


def cut_short(s3: Any, times: int) -> list[str]:
    """Makes the first `times` answers end in the middle. The ranges that are asked for from now on."""
    asked: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(params["headers"]["Range"])

    def cut(parsed: dict[str, Any], **_: Any) -> None:
        if len(asked) <= times:
            whole = parsed["Body"].read()
            parsed["Body"] = StreamingBody(io.BytesIO(whole[: len(whole) // 2]), len(whole))

    s3.meta.events.register("before-call.s3.GetObject", note)
    s3.meta.events.register("after-call.s3.GetObject", cut)
    return asked


def test_a_connection_that_breaks_is_made_anew_where_it_broke(s3: Any) -> None:
    key = put(key_of())
    asked = cut_short(s3, 2)
    assert b"".join(bucket_store.configured().read(key, 10, len(CONTENT))) == CONTENT[10:]
    assert asked == [f"bytes={start}-{len(CONTENT) - 1}" for start in (10, 5125, 7682)]


def test_a_store_that_sends_nothing_more_is_given_up(s3: Any) -> None:
    key = put(key_of())
    asked = cut_short(s3, 1000)
    with pytest.raises(OSError, match="cannot be used"):
        list(bucket_store.configured().read(key, 0, len(CONTENT)))
    assert asked[-1] == asked[-2] != asked[-3], "it is asked for the rest, and once more when nothing has come"


def test_what_is_not_there_is_asked_for_once(s3: Any) -> None:
    asked = cut_short(s3, 0)
    with pytest.raises(FileNotFoundError):
        list(bucket_store.configured().read(key_of(), 0, 10))
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("bucket", "endpoint", "allowed"),
    [
        ("", "", []),
        ("media", "", ["https://media.s3.eu-west-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com"]),
        ("media", "https://s.example.org:9000/", ["https://s.example.org:9000", "https://media.s.example.org:9000"]),
    ],
)
def test_pages_may_play_what_is_in_the_bucket(bucket: str, endpoint: str, allowed: list[str], data_dir: Path) -> None:
    from mediadl.content_policy import content_policy

    directives = content_policy(bucket, endpoint, "eu-west-1")["DIRECTIVES"]
    for name in ("media-src", "img-src"):
        assert set(allowed) <= set(directives[name])
    assert len(directives["media-src"]) == 1 or bucket
    assert directives["script-src"] == ["'self'"]
