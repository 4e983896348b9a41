"""A job as the API shows it, written by hand: lists, event streams and webhooks make thousands of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from django.conf import settings

from downloads import names
from downloads.engine.errors import ERRORS, ErrorCode
from downloads.models import Job, MediaFile, Priority

METADATA_FIELDS = (
    "id",
    "title",
    "description",
    "uploader",
    "uploader_id",
    "uploader_url",
    "channel_id",
    "channel_url",
    "upload_date",
    "duration",
    "view_count",
    "like_count",
    "comment_count",
    "tags",
    "categories",
    "thumbnail",
    "webpage_url",
    "extractor",
    "width",
    "height",
    "fps",
    "vcodec",
    "acodec",
    "chapters",
    "playlist",
    "playlist_index",
)
PRIORITY_NAMES = {int(priority): priority.name.lower() for priority in Priority}


def represent(job: Job, *, files: Iterable[MediaFile], queue_position: int | None = None) -> dict[str, Any]:
    """API.md's Download. `files` are the job's, main file first; nothing here asks the database."""
    shown = [represent_file(file) for file in files]
    main = next((file for file in files if file.is_main), None)
    return {
        "request_id": str(job.id),
        "status": str(job.status),
        "stage": str(job.stage) or None,
        "created_at": written(job.created_at),
        "updated_at": written(job.updated_at),
        "started_at": written(job.started_at),
        "completed_at": written(job.finished_at),
        "url": job.url,
        "file_url": file_url(main) if main else None,
        "file_path": _shown_path(job, main) if main else None,
        "file_size": main.size_bytes if main else None,
        "title": job.title or None,
        "duration": _number(job.duration),
        "format": job.format or None,
        "progress_percent": round(job.progress_percent, 2),
        "downloaded_bytes": job.downloaded_bytes,
        "total_bytes": job.total_bytes,
        "speed": _number(job.speed),
        "eta": _number(job.eta),
        "deletion_time": written(job.expires_at),
        "logs_url": f"{settings.PUBLIC_BASE_URL}/api/v1/download/{job.id}/logs",
        **_failure(job),
        "attempt": job.attempt,
        "next_attempt_at": written(job.eligible_at) if job.is_waiting_for_retry else None,
        "priority": PRIORITY_NAMES.get(job.priority, "normal"),
        "batch_id": str(job.batch_id) if job.batch_id else None,
        "queue_position": queue_position,
        "client_reference": job.client_reference,
        "tags": job.tags,
        "options": job.options,
        "metadata": {name: job.metadata.get(name) for name in METADATA_FIELDS} if job.metadata else None,
        "files": shown,
    }


def represent_file(file: MediaFile) -> dict[str, Any]:
    return {
        "file_id": str(file.id),
        "kind": str(file.kind),
        "filename": file.filename,
        "file_url": file_url(file),
        "size_bytes": file.size_bytes,
        "mime_type": file.mime_type,
        "sha256": file.sha256,
        "format": file.format or None,
        "width": file.width,
        "height": file.height,
        "duration": _number(file.duration),
        "vcodec": file.vcodec or None,
        "acodec": file.acodec or None,
        "language": file.language or None,
    }


def file_url(file: MediaFile) -> str | None:
    """The last segment is only for programs that take a file's name from its address. None once it is deleted."""
    if file.deleted_at is not None:
        return None
    return f"{settings.PUBLIC_BASE_URL}/api/v1/files/{file.id}/{quote(file.filename, safe='')}"


def written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _failure(job: Job) -> dict[str, Any]:
    kind = ERRORS[ErrorCode(job.error_code)] if job.error_code in ERRORS else None
    return {
        "error": job.error_message or None,
        "error_code": job.error_code or None,
        "retryable": kind.is_retryable if kind else None,
        "remedy": kind.remedy if kind else None,
    }


def _shown_path(job: Job, main: MediaFile) -> str:
    return "/".join([*shown_directories(job), main.filename])


def shown_directories(job: Job) -> list[str]:
    """Those of the template, which exist only where names are shown."""
    template = str(job.options.get("path_template") or names.DEFAULT_TEMPLATE).replace("{random}", job.id.hex[-8:])
    facts = names_of(job)
    return [_filled(segment, facts) for segment in template.split("/")[:-1] if segment]


def _filled(segment: str, facts: dict[str, Any]) -> str:
    return names.display_name(f"{segment}.{{ext}}", facts, "x").removesuffix(".x")


def names_of(job: Job) -> dict[str, Any]:
    """What a template's placeholders stand for."""
    known = {name: job.metadata.get(name) for name in ("id", "uploader", "upload_date", "playlist", "playlist_index")}
    return known | {"title": job.title, "date": job.created_at.strftime("%Y%m%d")}


def _number(value: float | None) -> float | None:
    """JSON has no infinity, which the databases have."""
    return value if value is not None and math.isfinite(value) else None
