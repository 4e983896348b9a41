"""From finished files in a work directory to rows: into the store, then one transaction under the lease."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from django.db import transaction
from uuid_utils.compat import uuid7

from downloads import crash_points, mime, names, quotas, storage
from downloads.engine.errors import JobError
from downloads.models import Downloaded, Job, LeaseLostError, MediaFile


def move(
    job: Job, reports: list[dict[str, Any]], facts: dict[str, Any], beat: Callable[[], None] = storage.no_beat
) -> list[MediaFile]:
    """Moves the files that an attempt reported to where their rows, still unwritten, will say that they are.

    What is moved but not committed belongs to a dead attempt and is removed. `beat` is called now and then while it
    takes long. Raises OSError, storage.StorageError and whatever `beat` does.
    """
    rows = [row(job, report, facts) for report in reports]
    crash_points.reach("publish.before_rename")
    try:
        for file, report in zip(rows, reports, strict=True):
            source = storage.work_directory(job.id) / report["path"]
            storage.publish(source, file.storage_key, file.size_bytes, mime_type=file.mime_type, beat=beat)
        storage.flush(job.id, job.attempt)
    except Exception:
        remove_attempt(job)
        raise
    crash_points.reach("publish.after_rename")
    return rows


def commit(job: Job, rows: list[MediaFile], facts: dict[str, Any]) -> None:
    """Completes `job` with its files; `facts` are fields of the job still unwritten.

    May be repeated when the database went away in the middle, whether or not it had committed. Raises LeaseLostError,
    and JobError when the owner may not have so many bytes stored.
    """
    measured, owner = _measured(job, rows, facts), job.owner
    try:
        with transaction.atomic():
            job.complete(rows, **facts | measured)
            # These files are among those stored by now.
            quotas.check_stored(owner, 0)
            if rows:
                Downloaded.objects.record(job)
            crash_points.reach("publish.before_commit")
    except JobError:
        storage.remove_attempt(job.id, job.attempt)
        raise
    except LeaseLostError:
        if not MediaFile.objects.filter(pk__in=[row.pk for row in rows]).exists():
            remove_attempt(job)
            raise
    crash_points.reach("publish.after_commit")


def remove_attempt(job: Job) -> None:
    """What cannot be removed now is found by the audit."""
    with contextlib.suppress(OSError):
        storage.remove_attempt(job.id, job.attempt)


def row(job: Job, report: dict[str, Any], facts: dict[str, Any]) -> MediaFile:
    """Of a file that is to be published for the job; not written yet."""
    file_id = uuid7()
    extension = mime.safe_extension(report["ext"])
    return MediaFile(
        id=file_id,
        job=job,
        kind=report["kind"],
        is_main=report["is_main"],
        storage_key=storage.key_of(job.id, job.attempt, file_id, extension),
        filename=_filename(job, report, facts, extension),
        mime_type=mime.type_of(extension),
        size_bytes=report["size_bytes"],
        sha256=report["sha256"],
        crc32=report.get("crc32"),
        format=(report.get("format") or "")[:200],
        width=report.get("width"),
        height=report.get("height"),
        duration=report.get("duration"),
        vcodec=(report.get("vcodec") or "")[:64],
        acodec=(report.get("acodec") or "")[:64],
        language=(report.get("language") or "")[:35],
    )


def _filename(job: Job, report: dict[str, Any], facts: dict[str, Any], extension: str) -> str:
    metadata = facts.get("metadata") or job.metadata
    values = {
        "id": metadata.get("id"),
        "title": facts.get("title") or job.title,
        "uploader": metadata.get("uploader"),
        "upload_date": metadata.get("upload_date"),
        "date": job.created_at.strftime("%Y%m%d"),
        "playlist": metadata.get("playlist"),
        "playlist_index": metadata.get("playlist_index"),
    }
    shown = f"{report['language']}.{extension}" if report.get("language") and not report["is_main"] else extension
    return names.display_name(job.options.get("path_template") or names.DEFAULT_TEMPLATE, values, shown)


def _measured(job: Job, rows: list[MediaFile], facts: dict[str, Any]) -> dict[str, Any]:
    """What the files themselves tell. How long the media are is the site's to say, where it does."""
    total = sum(row.size_bytes for row in rows)
    measured: dict[str, Any] = {"downloaded_bytes": total, "total_bytes": total}
    if facts.get("duration", job.duration) is None:
        measured["duration"] = next((row.duration for row in rows if row.is_main), None)
    return measured
