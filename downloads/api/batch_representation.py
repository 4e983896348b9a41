"""A batch as the API shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from downloads.api.representation import file_url, written
from downloads.models import Batch, BatchStatus, MediaFile, Status, Tally

JOB_FIELDS = ("id", "url", "status", "title", "progress_percent", "error_message", "error_code")


def represent_all(batches: list[Batch]) -> list[dict[str, Any]]:
    """Without their jobs; two queries however many there are."""
    tallies = Tally.of(batches)
    stored = set(
        MediaFile.objects.archivable().filter(job__batch__in=batches).values_list("job__batch", flat=True).distinct()
    )
    return [_summary(batch, tallies[batch.pk], has_files=batch.pk in stored) for batch in batches]


def represent(batch: Batch, tally: Tally) -> dict[str, Any]:
    """API.md's Batch. Its jobs are read as plain values: there may be thousands."""
    files = {file.job_id: file for file in MediaFile.objects.main_ones().stored().filter(job__batch=batch)}
    jobs = batch.jobs.present().in_order().values(*JOB_FIELDS)
    return {
        **_summary(batch, tally, has_files=any(file.crc32 is not None for file in files.values())),
        "jobs": list(_entries(jobs, files)),
    }


def etag_of(batch: Batch, tally: Tally) -> str:
    """Weak: made of the versions of the rows and not of the answer."""
    return f'W/"{batch.version}.{tally.total}.{tally.versions}"'


def _summary(batch: Batch, tally: Tally, *, has_files: bool) -> dict[str, Any]:
    counts = tally.counts
    base = f"{settings.PUBLIC_BASE_URL}/api/v1/batch/{batch.pk}"
    return {
        "batch_id": str(batch.pk),
        "kind": str(batch.kind),
        "url": batch.url or None,
        "title": batch.title or None,
        "status": tally.status_of(batch),
        "created_at": written(batch.created_at),
        "updated_at": written(batch.updated_at),
        "completed_at": written(batch.finished_at),
        "total_urls": tally.total,
        **{name: counts[name] for name in ("completed", "failed", "running", "queued", "paused", "cancelled")},
        "skipped": batch.skipped,
        "progress_percent": tally.percent_of(batch),
        "error": batch.error_message or _failure(batch, counts),
        "error_code": batch.error_code or None,
        "concurrent_limit": batch.concurrent_limit,
        "client_reference": batch.client_reference,
        "tags": batch.tags,
        "archive_url": f"{base}/archive" if has_files else None,
    }


def _failure(batch: Batch, counts: dict[str, int]) -> str | None:
    failed = counts[Status.FAILED]
    if batch.status != BatchStatus.FAILED or not failed:
        return None
    return f"{failed} of {sum(counts.values())} downloads failed."


def _entries(jobs: Iterable[dict[str, Any]], files: dict[Any, MediaFile]) -> Iterable[dict[str, Any]]:
    for job in jobs:
        main = files.get(job["id"])
        yield {
            "url": job["url"],
            "request_id": str(job["id"]),
            "status": job["status"],
            "title": job["title"] or None,
            "progress_percent": round(job["progress_percent"], 2),
            "file_url": file_url(main) if main else None,
            "error": job["error_message"] or None,
            "error_code": job["error_code"] or None,
        }
