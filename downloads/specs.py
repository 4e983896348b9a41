"""From a job's row to what the engine is asked to do."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from django.conf import settings

from downloads import storage
from downloads.engine.spec import DownloadOptions, JobSpec, Limits
from downloads.engine.tools import find_ffmpeg
from downloads.models import BatchKind, Job

OPTION_NAMES = tuple(item.name for item in fields(DownloadOptions))


def spec_of(job: Job, cookies_file: str | None = None) -> JobSpec:
    return JobSpec(
        job_id=str(job.id),
        attempt=job.attempt,
        url=job.url,
        playlist_item=job.playlist_item,
        **_place(job),
        work_directory=str(storage.work_directory(job.id)),
        proxy_url=settings.GUARD_URL,
        ffmpeg_location=find_ffmpeg(settings.FFMPEG_LOCATION) or "",
        options=_options(job.options),
        limits=_limits(job.options),
        cookies_file=cookies_file,
        require_sandbox=settings.REQUIRE_SANDBOX,
    )


def _place(job: Job) -> dict[str, Any]:
    """In the list that it is an entry of; a batch of links is none."""
    if job.batch is None or job.batch.kind == BatchKind.BATCH:
        return {}
    return {"playlist": job.batch.title or None, "playlist_index": job.playlist_index}


def _options(chosen: dict[str, Any]) -> DownloadOptions:
    given = {name: chosen[name] for name in OPTION_NAMES if name in chosen}
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return DownloadOptions(**(given | lists))


def _limits(chosen: dict[str, Any]) -> Limits:
    return Limits(
        wall_clock_seconds=chosen.get("timeout_sec") or settings.DEFAULT_TIMEOUT_SEC,
        no_progress_seconds=settings.PROGRESS_TIMEOUT_SEC,
        max_bytes=min(chosen.get("max_size_bytes") or settings.MAX_FILE_SIZE_BYTES, settings.MAX_FILE_SIZE_BYTES),
        min_speed_bytes=settings.MIN_SPEED_BYTES,
        memory_bytes=settings.MEMORY_LIMIT_BYTES,
    )
