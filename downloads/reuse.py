"""One fetch for an owner's requests that ask for the same soon after each other.

While one of them runs, the others wait (downloads/claims.py). Then each takes, under its own lease and as files of its
own, what that one has fetched: on a disk these are links to the same bytes, which are freed with the last of them; a
bucket makes copies. So each job expires, is kept and is deleted by itself, and knows nothing of the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from django.conf import settings

from downloads import crash_points, publishing, storage
from downloads.engine.spec import DownloadOptions
from downloads.models import Job, MediaFile

# What makes two fetches of a URL different; the rest of a request is about what becomes of the files.
CHOICES = (*(item.name for item in fields(DownloadOptions)), "cookies_id")
# Of a job that is completed without a fetch.
FACTS = ("title", "duration", "format", "metadata", "ytdlp_version")
DESCRIBED = (
    *("kind", "is_main", "size_bytes", "sha256", "crc32", "format", "width", "height", "duration", "vcodec", "acodec"),
    "language",
)


def fingerprint(owner_id: Any, url: str, options: Mapping[str, Any], **place: Any) -> UUID | None:
    """The same for requests that one fetch can answer; None for one that wants a fetch of its own.

    `place` is that in a list, which is written into the files.
    """
    if not settings.DOWNLOAD_REUSE_SECONDS or not options.get("reuse", False):
        return None
    asked = [str(owner_id), url, [options.get(name) for name in CHOICES], sorted(place.items())]
    return UUID(bytes=hashlib.sha256(json.dumps(asked, default=str).encode()).digest()[:16])


def source_of(job: Job) -> Job | None:
    """The job that has fetched the same, as long as that is fresh and all of it is there."""
    age = timedelta(seconds=settings.DOWNLOAD_REUSE_SECONDS)
    if job.fingerprint is None or not age:
        return None
    source = Job.objects.fetched_the_same(job, age).prefetch_related("files").order_by("-finished_at").first()
    return source if source is not None and _is_whole(source, job) else None


def _is_whole(source: Job, job: Job) -> bool:
    files = list(source.files.all())
    is_stored = bool(files) and all(file.deleted_at is None for file in files)
    limit = job.options.get("max_size_bytes") or settings.MAX_FILE_SIZE_BYTES
    return is_stored and sum(file.size_bytes for file in files) <= limit


def take(job: Job, source: Job, beat: Callable[[], None]) -> tuple[list[MediaFile], dict[str, Any]]:
    """The job's rows, still unwritten, of files that are there; and what is known of the media.

    Raises OSError when they have gone meanwhile or cannot be had twice, and whatever `beat` does.
    """
    facts = {name: getattr(source, name) for name in FACTS}
    files = list(source.files.all())
    rows = [publishing.row(job, _report(file), facts) for file in files]
    crash_points.reach("publish.before_rename")
    try:
        for file, row in zip(files, rows, strict=True):
            storage.share(file.storage_key, row.storage_key, file.size_bytes, mime_type=row.mime_type, beat=beat)
        storage.flush(job.id, job.attempt)
    except Exception:
        publishing.remove_attempt(job)
        raise
    crash_points.reach("publish.after_rename")
    # It is as old as the fetch was: who asks later must not take it from this one.
    return rows, {**facts, "fingerprint": None}


def _report(file: MediaFile) -> dict[str, Any]:
    """As an attempt would have reported it."""
    return {name: getattr(file, name) for name in DESCRIBED} | {"ext": PurePosixPath(file.storage_key).suffix[1:]}
