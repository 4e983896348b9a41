from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from pytest_django import Settings

from downloads import storage
from downloads.storage import StorageError

pytestmark = pytest.mark.promise("S4")

JOB, FILE = uuid.uuid4(), uuid.uuid4()


def finished_file(content: bytes = b"media") -> Path:
    path = storage.prepare_work(JOB) / "media.mp4"
    path.write_bytes(content)
    return path


def test_a_published_file_lies_below_the_media_root_and_nowhere_else() -> None:
    source = finished_file()
    key = storage.key_of(JOB, 1, FILE, "mp4")
    storage.publish(source, key, 5)
    storage.flush(JOB, 1)

    assert storage.path_of(key).read_bytes() == b"media"
    assert not source.exists()


@pytest.mark.parametrize("kind", ["symlink", "hard link", "directory", "wrong size", "fifo"])
def test_what_is_not_the_file_that_was_reported_is_refused(kind: str, tmp_path: Path) -> None:
    source = finished_file()
    size = 5
    secret = tmp_path / "secret"
    secret.write_bytes(b"12345")
    if kind == "wrong size":
        size = 6
    else:
        source.unlink()
    match kind:
        case "symlink":
            source.symlink_to(secret)
        case "hard link":
            source.hardlink_to(secret)
        case "directory":
            source.mkdir()
        case "fifo":
            os.mkfifo(source)

    key = storage.key_of(JOB, 1, FILE, "mp4")
    with pytest.raises(StorageError):
        storage.publish(source, key, size)
    assert not storage.path_of(key).exists()


def test_removing_files_leaves_no_empty_directories_behind() -> None:
    keys = [storage.key_of(JOB, 1, uuid.uuid4(), "mp4") for _ in range(2)]
    for key in keys:
        storage.publish(finished_file(), key, 5)

    storage.remove(keys[:1])
    assert storage.path_of(keys[1]).exists()
    storage.remove([*keys, "never/1/was.mp4"])
    assert list(storage.path_of("").iterdir()) == []


def test_removing_an_attempt_leaves_other_attempts_alone() -> None:
    first, second = (storage.key_of(JOB, attempt, FILE, "mp4") for attempt in (1, 2))
    for key in (first, second):
        storage.publish(finished_file(), key, 5)

    storage.remove_attempt(JOB, 1)
    assert not storage.path_of(first).exists()
    assert storage.path_of(second).exists()


def test_work_directories_are_private_and_named_by_their_job(data_dir: Path) -> None:
    directory = storage.prepare_work(JOB)
    (data_dir / "work" / "lost+found").mkdir()

    assert directory.stat().st_mode & 0o077 == 0
    assert list(storage.work_job_ids()) == [JOB]
    storage.remove_work(JOB)
    assert list(storage.work_job_ids()) == []


@pytest.mark.promise("P7")
def test_of_those_that_wait_for_room_the_one_with_the_most_keeps_its_bytes() -> None:
    jobs = sorted(uuid.uuid4() for _ in range(3))
    for job, size in zip(jobs, (1, 2, 2), strict=True):
        (storage.prepare_work(job) / "fragments").mkdir()
        (storage.prepare_work(job) / "fragments" / "media.mp4.part").write_bytes(bytes(size * 100_000))
    for job in (*jobs, uuid.uuid4()):
        storage.yield_room(job)
    assert list(storage.work_job_ids()) == [jobs[2]]
    storage.yield_room(jobs[2])
    assert list(storage.work_job_ids()) == [jobs[2]]


def test_every_file_below_the_root_is_listed() -> None:
    key = storage.key_of(JOB, 1, FILE, "mp4")
    storage.publish(finished_file(), key, 5)

    assert list(storage.stored_sizes()) == [(key, 5)]


def test_where_the_disk_is_away_nothing_is_written(data_dir: Path, tmp_path: Path, settings: Settings) -> None:
    source = finished_file()
    settings.REQUIRE_MOUNT = str(tmp_path)
    before = sorted(data_dir.rglob("*"))
    with pytest.raises(OSError, match="the disk is not there"):
        storage.prepare_work(uuid.uuid4())
    with pytest.raises(OSError, match="the disk is not there"):
        storage.publish(source, "job/1/a.mp4", source.stat().st_size)

    assert sorted(data_dir.rglob("*")) == before


def test_a_disk_that_is_away_is_waited_for_and_not_called_full(tmp_path: Path, settings: Settings) -> None:
    settings.DATA_DIR = tmp_path / "gone"

    assert not storage.is_there()
    assert (storage.free_bytes(), storage.total_bytes(), storage.has_room()) == (0, 0, True)


def test_a_disk_without_entries_has_no_room(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STORAGE_RESERVE_BYTES = 0
    assert storage.has_room()
    monkeypatch.setattr("downloads.storage.FEWEST_ENTRIES", 10**18)
    assert not storage.has_room()
