"""Deletions that can be undone: what is gone at once, what comes back, and when the bytes go."""

from __future__ import annotations

import contextlib
import io
import uuid
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from downloads import archives, audit, batches, closing, crash_points, discards, links, retention, reuse, storage
from downloads.engine.errors import JobError
from downloads.export import pieces
from downloads.models import (
    Batch,
    BatchStatus,
    Downloaded,
    Job,
    Link,
    MediaFile,
    Status,
    Tally,
    TransitionError,
)
from downloads.models.file import UNDO_TIME
from tests.factories import BatchFactory, JobFactory, MediaFileFactory, UserFactory, row

pytestmark = pytest.mark.django_db(transaction=True)

Stored = Callable[..., MediaFile]


def discard(*jobs: Job) -> list[Job]:
    return Job.objects.filter(pk__in=[job.pk for job in jobs]).discard()


def undo(owner: User, gone: Job | MediaFile) -> int:
    assert gone.discarded_at is not None
    return discards.undo(owner, gone.discarded_at)


def let_pass(*rows: Job | MediaFile) -> None:
    """The time in which they could be undone, and a moment: databases' clocks tick in other steps than Python's."""
    at = timezone.now() - UNDO_TIME - timedelta(seconds=1)
    for gone in rows:
        type(gone)._default_manager.filter(pk=gone.pk).update(discarded_at=at)


def is_there(file: MediaFile) -> bool:
    return storage.path_of(file.storage_key).exists()


def kinds(job: Job) -> list[str]:
    return [event.kind for event in job.events.all()]


def test_a_deleted_job_is_gone_for_its_owner_and_its_bytes_stay_for_now(stored: Stored) -> None:
    file = stored()
    owner = file.job.owner
    discard(file.job)
    assert not Job.objects.owned_by(owner).exists()
    assert not MediaFile.objects.owned_by(owner).exists()
    assert Job.objects.owned_by(owner).stored_bytes() == 0
    assert sum(Job.objects.belonging_to(owner).count_present_by_status().values()) == 0
    assert is_there(file)


def test_undoing_brings_back_all_that_was_deleted_together_and_nothing_else(stored: Stored) -> None:
    owner = UserFactory()
    before, first, second = (stored(JobFactory(owner=owner, finished=True)) for _ in range(3))
    discard(before.job)
    let_pass_a_little(before.job)
    gone = discard(first.job, second.job)
    assert undo(owner, gone[0]) == 2
    assert set(Job.objects.owned_by(owner)) == {first.job, second.job}
    assert kinds(first.job) == ["discarded", "restored"]
    assert undo(owner, gone[0]) == 0


def let_pass_a_little(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(discarded_at=timezone.now() - timedelta(seconds=5))


def test_nobody_else_can_undo_it(stored: Stored) -> None:
    (gone,) = discard(stored().job)
    assert undo(UserFactory(), gone) == 0
    assert row(Job, gone.pk).discarded_at is not None


def test_it_cannot_be_undone_when_its_time_is_over_even_before_the_bytes_are_gone(stored: Stored) -> None:
    file = stored()
    discard(file.job)
    let_pass(file.job)
    assert undo(file.job.owner, row(Job, file.job.pk)) == 0
    assert is_there(file)


def test_then_the_sweep_takes_rows_and_bytes(stored: Stored) -> None:
    batch = BatchFactory(status=BatchStatus.COMPLETED, finished_at=timezone.now())
    late, early = stored(JobFactory(finished=True, batch=batch)), stored()
    Downloaded.objects.record(late.job)
    discard(late.job)
    discard(early.job)
    let_pass(late.job)
    assert retention.finish_discards() == 1
    assert (is_there(late), is_there(early)) == (False, True)
    assert list(Job.objects.all()) == [early.job]
    assert not Downloaded.objects.exists()
    assert not Batch.objects.exists()
    assert retention.finish_discards() == 0


def test_only_what_has_finished_is_deleted() -> None:
    going = [JobFactory(running=True), JobFactory(), JobFactory(status=Status.PAUSED)]
    ended = [JobFactory(broken=True), JobFactory(status=Status.CANCELLED, finished_at=timezone.now())]
    assert set(discard(*going, *ended)) == set(ended)
    assert discard(*ended) == []
    assert kinds(ended[0]) == ["discarded"]


@pytest.mark.parametrize("verb", [Job.retry, Job.keep, Job.cancel])
def test_a_deleted_job_does_nothing_more(verb: Callable[[Job], None]) -> None:
    job = JobFactory(broken=True)
    discard(job)
    with pytest.raises(TransitionError, match="deleted"):
        verb(job)


# --- What else looks at jobs and files --------------------------------------------------------------------------


def test_the_audit_takes_neither_for_strays(stored: Stored) -> None:
    whole, part = stored(), stored()
    discard(whole.job)
    discards.discard_file(part)
    report = audit.audit()
    assert report.is_clean
    audit.remove_strays(report)
    call_command("storage_audit", stdout=io.StringIO())
    assert is_there(whole)
    assert is_there(part)


def test_of_a_batch_they_are_neither_listed_counted_zipped_nor_retried(stored: Stored) -> None:
    owner = UserFactory()
    batch = BatchFactory(owner=owner, status=BatchStatus.FAILED, finished_at=timezone.now())
    kept, gone = (stored(JobFactory(owner=owner, batch=batch, finished=True)) for _ in range(2))
    MediaFile.objects.update(crc32=1)
    failed = JobFactory(owner=owner, batch=batch, broken=True)
    discard(gone.job, failed)
    assert Tally.of([batch])[batch.pk].total == 1
    archive = archives.of(batch)
    assert archive is not None
    assert [segment[0] for segment in archive.segments if not isinstance(segment, bytes)] == [kept.storage_key]
    with pytest.raises(TransitionError):
        batches.retry(batch)
    assert row(Job, failed.pk).status == Status.FAILED


def test_a_link_to_it_leads_nowhere_and_works_again_when_it_is_undone(stored: Stored) -> None:
    file = stored()
    owner, now = file.job.owner, timezone.now()
    link = Link.objects.issue(file, owner, now)
    address = f"/s/{links.token_of(link.pk)}"
    (gone,) = discard(file.job)
    assert Client().get(address).status_code == 404
    assert not Link.objects.owned_by(owner).exists()
    undo(owner, gone)
    assert Client().get(address).status_code == 200


def test_the_same_request_is_fetched_anew(stored: Stored, settings: Settings) -> None:
    settings.DOWNLOAD_REUSE_SECONDS = 300
    owner, fingerprint = UserFactory(), uuid.uuid4()
    source = stored(JobFactory(owner=owner, finished=True, fingerprint=fingerprint)).job
    asking = JobFactory(owner=owner, fingerprint=fingerprint)
    assert reuse.source_of(asking) == source
    (gone,) = discard(source)
    assert reuse.source_of(asking) is None
    undo(owner, gone)
    assert reuse.source_of(asking) == source


def test_what_was_deleted_counts_as_not_downloaded(stored: Stored) -> None:
    job = stored().job
    Downloaded.objects.record(job)
    keys = Downloaded.objects.values_list("extractor", "media_id")
    assert Downloaded.objects.known(job.owner_id, keys) == set(keys)
    discard(job)
    assert Downloaded.objects.known(job.owner_id, keys) == set()


def test_room_that_was_made_is_not_had_twice(stored: Stored) -> None:
    owner = UserFactory(max_stored_bytes=8)
    (gone,) = discard(stored(JobFactory(owner=owner, finished=True)).job)
    stored(JobFactory(owner=owner, finished=True))
    with pytest.raises(JobError, match="8 bytes"):
        undo(owner, gone)
    assert Job.objects.owned_by(owner).stored_bytes() == 5


def test_what_is_going_anyway_makes_nothing_else_go(stored: Stored, settings: Settings) -> None:
    settings.STORAGE_QUOTA_BYTES = 7
    old, gone = stored(JobFactory(finished=True, finished_at=timezone.now() - timedelta(hours=1))), stored()
    discard(gone.job)
    assert retention.evict_over_quota() == 0
    assert is_there(old)


def test_an_export_has_nothing_of_it(stored: Stored) -> None:
    job = stored(JobFactory(finished=True, title="A walk")).job
    discard(job)
    assert "A walk" not in "".join(pieces(job.owner))


def test_closing_an_account_takes_it_along(stored: Stored) -> None:
    file = stored()
    discard(file.job)
    closing.close(file.job.owner)
    assert not User.objects.filter(pk=file.job.owner_id).exists()
    assert not is_there(file)


# --- One file of a job ------------------------------------------------------------------------------------------


def test_a_deleted_file_is_like_one_that_has_expired_until_it_is_undone(stored: Stored) -> None:
    file = stored()
    job = file.job
    assert discards.discard_file(file)
    assert not MediaFile.objects.stored().exists()
    assert is_there(file)
    assert discards.discard_file(file) is None
    assert undo(job.owner, file) == 1
    assert MediaFile.objects.stored().get() == file
    assert kinds(job) == ["file_discarded", "file_restored"]
    assert row(Job, job.pk).version > job.version


def test_the_sweep_takes_the_bytes_of_a_deleted_file_and_leaves_its_row(stored: Stored) -> None:
    job = JobFactory(finished=True)
    file, other = stored(job), MediaFileFactory(job=job, is_main=False)
    discards.discard_file(file)
    let_pass(file)
    assert retention.finish_discards() == 1
    assert not is_there(file)
    assert row(MediaFile, file.pk).deleted_at is not None
    assert list(MediaFile.objects.stored()) == [other]


# --- Deaths in between ------------------------------------------------------------------------------------------


class Died(BaseException):
    pass


@pytest.mark.parametrize(
    ("point", "is_undoable"), [("delete.before_commit", False), ("delete.before_bytes", False), ("", True)]
)
def test_whoever_dies_on_the_way_leaves_what_the_next_sweep_finishes(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, point: str, *, is_undoable: bool
) -> None:
    file = stored()
    discard(file.job)
    if not is_undoable:
        let_pass(file.job)

    def die(name: str) -> None:
        if name == point:
            raise Died

    with monkeypatch.context() as patched, contextlib.suppress(Died):
        patched.setattr(crash_points, "reach", die)
        retention.finish_discards()
    retention.finish_discards()
    audit.remove_strays(audit.audit())
    assert audit.audit().is_clean
    assert is_there(file) == is_undoable
    assert Job.objects.filter(pk=file.job_id).exists() == is_undoable


def test_a_zip_of_what_is_left_can_be_read(stored: Stored) -> None:
    """The text in it says nothing of what its owner has deleted."""
    owner = UserFactory()
    batch = BatchFactory(owner=owner, status=BatchStatus.COMPLETED, finished_at=timezone.now())
    kept, gone = (stored(JobFactory(owner=owner, batch=batch, finished=True)) for _ in range(2))
    MediaFile.objects.update(crc32=zlib.crc32(b"media"))
    discard(gone.job)
    archive: Any = archives.of(batch)
    assert archives.MISSING.encode() not in b"".join(part for part in archive.segments if isinstance(part, bytes))
    assert kept.storage_key in {part[0] for part in archive.segments if not isinstance(part, bytes)}
