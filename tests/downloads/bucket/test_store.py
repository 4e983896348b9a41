"""Published files in a bucket, against a real server: what the rest of the product relies on."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from django.utils import timezone
from pytest_django import Settings

from downloads import audit, bucket_store, diagnosis, publishing, retention, storage
from downloads.models import LeaseLostError, MediaFile
from tests.downloads.bucket.objects import CONTENT, JOB, key_of, put
from tests.factories import JobFactory
from tests.ops.bucket import BUCKET

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


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
