from __future__ import annotations

import io
import uuid
import zipfile
import zlib
from typing import Any

import pytest

from downloads import archives, storage
from downloads.archives import MISSING, Archive
from downloads.models import Batch, Job, MediaFile
from tests.factories import BatchFactory, JobFactory, MediaFileFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch() -> Batch:
    return BatchFactory(title="A list")


def add(batch: Batch, index: int, filename: str | None, content: bytes = b"media", **fields: Any) -> Job:
    """A job of the batch with a published file, or without one."""
    trait = {"finished": True} if filename else {}
    job = JobFactory(owner=batch.owner, batch=batch, playlist_index=index, **trait | fields)
    if filename:
        publish(job, filename, content)
    return job


def publish(job: Job, filename: str, content: bytes, **fields: Any) -> MediaFile:
    key = storage.key_of(job.pk, 1, uuid.uuid4(), "mp4")
    path = storage.path_of(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    known = {"size_bytes": len(content), "crc32": zlib.crc32(content), "sha256": str(zlib.crc32(content))}
    return MediaFileFactory(job=job, filename=filename, storage_key=key, **known | fields)


def read(archive: Archive | None) -> dict[str, bytes]:
    assert archive is not None
    body = b"".join(
        segment if isinstance(segment, bytes) else storage.path_of(segment[0]).read_bytes()
        for segment in archive.segments
    )
    assert len(body) == archive.size
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        assert opened.testzip() is None
        return {info.filename: opened.read(info) for info in opened.infolist()}


def test_holds_all_files_in_the_order_of_the_batch(batch: Batch) -> None:
    add(batch, 2, "second ☃.mp4", b"two")
    job = add(batch, 1, "first.mp4", b"one")
    publish(job, "first.en.srt", b"words", kind="subtitle", is_main=False)
    found = read(archives.of(batch))
    assert list(found.items()) == [("first.mp4", b"one"), ("first.en.srt", b"words"), ("second ☃.mp4", b"two")]


def test_the_same_name_twice_is_two_names_on_every_file_system(batch: Batch) -> None:
    for index, name in enumerate(("a.mp4", "A.mp4", "a.mp4", "a (2).mp4"), start=1):
        add(batch, index, name)
    names = list(read(archives.of(batch)))
    assert names == ["a.mp4", "A (2).mp4", "a (3).mp4", "a (2) (2).mp4"]


def test_directories_of_the_template_are_kept_where_they_tell_files_apart(batch: Batch) -> None:
    options = {"path_template": "music/{uploader}/{title}.{ext}"}
    add(batch, 1, "x.mp3", options=options, metadata={"uploader": "Ann"})
    assert list(read(archives.of(batch))) == ["x.mp3"]
    add(batch, 2, "x.mp3", options=options, metadata={"uploader": "../Bob"})
    assert list(read(archives.of(batch))) == ["Ann/x.mp3", "_Bob/x.mp3"]


def test_says_what_is_missing_and_why(batch: Batch) -> None:
    add(batch, 1, "a.mp4")
    add(batch, 2, None, broken=True, title="Lost")
    add(batch, 3, None, url="http://a.example/waits")
    gone = add(batch, 4, "gone.mp4", title="Gone")
    MediaFile.objects.filter(job=gone).mark_deleted()
    found = read(archives.of(batch))
    assert list(found) == ["a.mp4", MISSING]
    text = found[MISSING].decode()
    assert "Lost\r\n  http://media.example/clip.mp4\r\n  failed: Gone.\r\n" in text
    assert "http://a.example/waits\r\n  queued" in text
    assert "Gone\r\n  http://media.example/clip.mp4\r\n  its file has been deleted" in text


def test_says_of_a_file_without_a_checksum_that_it_is_there(batch: Batch) -> None:
    add(batch, 1, "a.mp4")
    old = add(batch, 2, None, finished=True, title="Old")
    publish(old, "old.mp4", b"old", crc32=None)
    found = read(archives.of(batch))
    assert list(found) == ["a.mp4", MISSING]
    assert "its file can only be fetched by itself" in found[MISSING].decode()


def test_is_none_where_there_is_no_file(batch: Batch) -> None:
    job = add(batch, 1, "a.mp4")
    MediaFile.objects.mark_deleted()
    assert archives.of(batch) is None
    assert job.pk


def test_the_same_files_are_the_same_archive_and_others_another(batch: Batch) -> None:
    add(batch, 1, "a.mp4")

    def etag() -> str:
        archive = archives.of(batch)
        assert archive is not None
        return archive.headers(batch.owner_id, archive.plan())["ETag"]

    first = etag()
    assert etag() == first
    add(batch, 2, "b.mp4")
    assert etag() != first


def test_is_named_after_the_list(batch: Batch) -> None:
    add(batch, 1, "a.mp4")
    archive = archives.of(batch)
    assert archive is not None
    assert archive.name == "A list.zip"
    Batch.objects.update(title="")
    archive = archives.of(Batch.objects.get())
    assert archive is not None
    assert archive.name == f"batch {batch.created_at:%Y-%m-%d}.zip"
