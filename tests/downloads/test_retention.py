from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from downloads import audit, retention, storage, sweeping
from downloads.models import Job, MediaFile
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db(transaction=True)

Stored = Callable[..., MediaFile]


def is_there(file: MediaFile) -> bool:
    return storage.path_of(file.storage_key).exists()


@pytest.mark.promise("P12")
def test_files_go_at_their_expiry_and_their_rows_say_so(stored: Stored) -> None:
    due = stored(JobFactory(finished=True, expires_at=timezone.now() - timedelta(seconds=1)))
    later = stored()

    assert retention.expire_due() == 1
    assert (is_there(due), is_there(later)) == (False, True)
    assert MediaFile.objects.get(pk=due.pk).deleted_at is not None
    job = Job.objects.get(pk=due.job.pk)
    assert job.expires_at is None
    assert [event.kind for event in job.events.all()] == ["expired"]
    assert retention.expire_due() == 0


@pytest.mark.promise("P12")
def test_kept_files_never_expire(stored: Stored) -> None:
    kept = stored(JobFactory(finished=True))
    kept.job.keep()

    retention.expire_due()
    assert is_there(kept)


def test_deleting_a_job_takes_its_bytes_along(stored: Stored) -> None:
    file, other = stored(), stored()

    retention.delete_jobs([file.job])
    assert not is_there(file)
    assert is_there(other)
    assert not Job.objects.filter(pk=file.job.pk).exists()


def test_an_unfinished_job_is_not_deleted() -> None:
    job = JobFactory(running=True)
    retention.delete_jobs([job])

    assert Job.objects.filter(pk=job.pk).exists()


def test_rows_without_files_are_forgotten_when_they_are_old(stored: Stored, settings: Settings) -> None:
    settings.JOB_RETENTION_DAYS = 30
    old = timezone.now() - timedelta(days=31)
    forgotten = JobFactory(broken=True, finished_at=old)
    with_files = stored(JobFactory(finished=True, finished_at=old)).job
    recent = JobFactory(broken=True)

    retention.forget_finished()
    assert set(Job.objects.all()) == {with_files, recent}
    assert not Job.objects.filter(pk=forgotten.pk).exists()


def test_the_oldest_files_go_first_over_the_quota_and_kept_ones_never(stored: Stored, settings: Settings) -> None:
    settings.STORAGE_QUOTA_BYTES = 12
    moments = [timezone.now() - timedelta(hours=hours) for hours in (4, 3, 2, 1)]
    kept, oldest, older, newest = (stored(JobFactory(finished=True, finished_at=moment)) for moment in moments)
    kept.job.keep()

    assert retention.evict_over_quota() == 2
    assert [is_there(file) for file in (kept, oldest, older, newest)] == [True, False, False, True]


@pytest.mark.promise("P6")
def test_the_audit_finds_what_only_one_side_knows(stored: Stored) -> None:
    fine, missing, damaged = stored(), stored(), stored()
    storage.path_of(missing.storage_key).unlink()
    storage.path_of(damaged.storage_key).write_bytes(b"longer than before")
    orphan = "00000000-0000-7000-8000-000000000000/1/x.mp4"
    storage.path_of(orphan).parent.mkdir(parents=True)
    storage.path_of(orphan).write_bytes(b"?")
    stale = JobFactory(broken=True)
    storage.prepare_work(stale.pk)

    report = audit.audit()
    assert not report.is_clean
    assert (report.orphans, report.missing, report.damaged) == ([orphan], [missing.storage_key], [damaged.storage_key])
    assert report.stale_work == [stale.pk]

    audit.remove_strays(report)
    report = audit.audit()
    assert (report.orphans, report.missing, report.damaged) == ([], [missing.storage_key], [damaged.storage_key])
    audit.withdraw_lost(report)
    assert audit.audit().is_clean
    assert is_there(fine)


@pytest.mark.promise("P6")
def test_the_audit_leaves_a_running_attempts_files_and_work_alone(stored: Stored) -> None:
    running = JobFactory(running=True, attempt=2)
    storage.prepare_work(running.pk)
    publishing = storage.key_of(running.pk, 2, running.pk, "mp4")
    dead = storage.key_of(running.pk, 1, running.pk, "mp4")
    for key in (publishing, dead):
        storage.path_of(key).parent.mkdir(parents=True)
        storage.path_of(key).write_bytes(b"half")

    report = audit.audit()
    assert report.orphans == [dead]
    assert report.stale_work == []


def test_a_sweep_recovers_expires_and_rings_in_one_round(stored: Stored, settings: Settings) -> None:
    from django_q.models import OrmQ

    settings.NODE_NAME = "here"
    lapsed = JobFactory(running=True, lease_expires_at=timezone.now() - timedelta(seconds=1), worker="elsewhere/9/9")
    dead_here = JobFactory(running=True, worker="here/999999999/1")
    healthy = JobFactory(running=True, worker="elsewhere/9/9")
    due = stored(JobFactory(finished=True, expires_at=timezone.now() - timedelta(seconds=1)))

    sweeping.sweep()
    statuses = {job.pk: job.status for job in Job.objects.all()}
    assert (statuses[lapsed.pk], statuses[dead_here.pk], statuses[healthy.pk]) == ("queued", "queued", "running")
    assert not is_there(due)
    assert OrmQ.objects.filter(key="download").count() >= 2


def test_a_step_that_fails_does_not_keep_the_others_from_running(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("disk gone")

    monkeypatch.setattr("downloads.recovery.recover_stalled", broken)
    due = stored(JobFactory(finished=True, expires_at=timezone.now() - timedelta(seconds=1)))

    sweeping.sweep()
    assert not is_there(due)
