"""What is deleted when: files at their expiry, the oldest files over the quota, rows that are long finished, and what
people have deleted once they can no longer undo it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.db.models.functions import Now

from downloads import crash_points, storage
from downloads.models import Batch, Downloaded, Job, JobEvent, MediaFile, Status

BATCH = 200


def expire_due() -> int:
    return sum(delete_files(job, "expired") for job in Job.objects.expired()[:BATCH])


def delete_files(job: Job, reason: str) -> bool:
    """Deletes a job's bytes and leaves its row: rows first, bytes once that has committed. False if there were none."""
    with transaction.atomic():
        if not Job.objects.filter(pk=job.pk).touch(expires_at=None):
            # Somebody has deleted the job meanwhile, with its bytes.
            return False
        files = MediaFile.objects.filter(job=job).stored()
        keys = list(files.values_list("storage_key", flat=True))
        files.mark_deleted()
        if keys:
            JobEvent.objects.append(job, reason)
        crash_points.reach("delete.before_commit")
        transaction.on_commit(lambda: _remove(keys), robust=True)
    return bool(keys)


def delete_jobs(jobs: Iterable[Job]) -> int:
    """Deletes finished jobs with all they have, because somebody wants it: their media may be had again."""
    jobs = list(jobs)
    with transaction.atomic():
        Downloaded.objects.of_jobs(jobs).delete()
        return _delete_jobs(jobs)


def _delete_jobs(jobs: list[Job]) -> int:
    """A batch goes with its last job."""
    ids, batch_ids = [job.pk for job in jobs], {job.batch_id for job in jobs if job.batch_id}
    with transaction.atomic():
        # Locked before what belongs to them, so that nothing is added to them while they go.
        found = Job.objects.finished().filter(pk__in=ids).order_by("pk").select_for_update()
        rows = Job.objects.filter(pk__in=list(found.values_list("pk", flat=True)))
        keys = list(MediaFile.objects.filter(job__in=rows).values_list("storage_key", flat=True))
        deleted, _ = rows.delete()
        Batch.objects.ended().filter(pk__in=batch_ids, jobs__isnull=True).delete()
        crash_points.reach("delete.before_commit")
        transaction.on_commit(lambda: _remove(keys), robust=True)
    return deleted


def finish_discards() -> int:
    """Ends the deletions that can no longer be undone; how many jobs and files it were."""
    with transaction.atomic():
        # Locked, so that none of them is undone while it goes.
        jobs = list(Job.objects.lapsed().order_by("pk").select_for_update()[:BATCH])
        delete_jobs(jobs)
        files = list(MediaFile.objects.lapsed().order_by("pk").select_for_update()[:BATCH])
        MediaFile.objects.filter(pk__in=[file.pk for file in files]).update(discarded_at=None)
        transaction.on_commit(lambda: _remove([file.storage_key for file in files]), robust=True)
    return len(jobs) + len(files)


def _remove(keys: list[str]) -> None:
    crash_points.reach("delete.before_bytes")
    storage.remove(keys)
    crash_points.reach("delete.after_bytes")


def forget_finished() -> int:
    """Deletes rows that finished JOB_RETENTION_DAYS ago and have no files left."""
    old = Job.objects.finished().filter(finished_at__lt=Now() - timedelta(days=settings.JOB_RETENTION_DAYS))
    forgotten = _delete_jobs(list(old.exclude(_has_files())[:BATCH]))
    Batch.objects.forgettable(timedelta(days=settings.JOB_RETENTION_DAYS)).delete()
    return forgotten


def evict_over_quota() -> int:
    """Deletes the oldest files until the store is below STORAGE_QUOTA_BYTES; kept ones never."""
    if not settings.STORAGE_QUOTA_BYTES:
        return 0
    going = MediaFile.objects.stored().filter(job__in=Job.objects.discarded())
    kept = MediaFile.objects.stored().total_bytes() - going.total_bytes()
    return len(evict(kept - settings.STORAGE_QUOTA_BYTES))


def evict(excess: int) -> list[Job]:
    """Deletes the oldest files, at least `excess` bytes of them, of BATCH jobs at most; kept ones never."""
    evicted = []
    for job in _evictable():
        if excess <= 0:
            break
        excess -= sum(file.size_bytes for file in job.files.all())
        if delete_files(job, "evicted"):
            evicted.append(job)
    return evicted


def _evictable() -> QuerySet[Job]:
    jobs = Job.objects.present().filter(_has_files(), status=Status.COMPLETED, is_kept=False)
    stored = Prefetch("files", MediaFile.objects.stored())
    return jobs.order_by("finished_at").prefetch_related(stored)[:BATCH]


def _has_files() -> Exists:
    return Exists(MediaFile.objects.stored().filter(job=OuterRef("pk")))
