"""A job's request as the form on the first page holds it: to be sent once more, as it was or with other choices."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from downloads.batches import TEMPLATES
from downloads.engine.choices import SAME_QUALITY
from downloads.models import Job, Priority
from downloads.web import words
from downloads.web.forms import RETENTION_LABELS, DownloadForm

AGAIN, OPEN, COOKIES = "again", "open", "cookies"


def address(job: Job, *, opens_options: bool = False) -> str:
    """The first page with the job's link and choices in its form."""
    asked = {AGAIN: job.pk} | ({OPEN: 1} if opens_options else {})
    return f"{reverse('home')}?{urlencode(asked)}"


def choices_of(job: Job) -> dict[str, Any]:
    """By the names of the form's fields. What the form has no field for is left out."""
    options = job.options
    kept = {name: options[name] for name in DownloadForm.base_fields if options.get(name) is not None}
    kept |= {name: f"{kept[name]:g}" for name in ("clip_start_sec", "clip_end_sec") if name in kept}
    if kept.get("path_template") in TEMPLATES.values():
        # The name of a list's entry, which it no longer is.
        del kept["path_template"]
    if job.playlist_item:
        kept |= {"whole_list": True, "items": str(job.playlist_item)}
    return kept | {
        "urls": job.url,
        "quality": _quality(options),
        "retention_hours": _retention(options.get("retention_hours")),
        "fetch_again": options.get("reuse") is False,
        "priority": Priority(job.priority).name.lower(),
        "tags": job.tags,
    }


def _quality(options: dict[str, Any]) -> str:
    if words.is_audio(options):
        return "audio"
    asked = str(options.get("quality", words.DEFAULTS["quality"]))
    return SAME_QUALITY.get(asked, asked)


def _retention(hours: float | None) -> str:
    """As the form offers it; what it does not offer becomes what the server does by itself."""
    if hours is None or hours == settings.FILE_RETENTION_HOURS or hours not in RETENTION_LABELS:
        return ""
    return str(int(hours))
