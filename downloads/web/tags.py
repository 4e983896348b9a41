"""How values read on a page: sizes, durations, moments, icons. A built-in of every template."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from downloads.api.representation import file_url
from downloads.mime import is_shown_inline
from downloads.models import Job, Kind, MediaFile
from downloads.web import again, words
from downloads.web.moments import relative

register = template.Library()

KILO = 1000
UNITS = ("B", "kB", "MB", "GB", "TB")
NOTICE_ICONS = {"success": "check", "warning": "alert", "error": "alert"}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of static/icons.svg, for the eye only: the words stand beside it."""
    html = '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>'
    return format_html(html, extra, static("icons.svg"), name)


@register.filter
def notice_icon(level: str) -> str:
    return NOTICE_ICONS.get(level, "info")


@register.filter
def size(count: float | None) -> str:
    """Bytes in decimal units, three figures at most: 157 kB, 4.2 MB. Empty for None."""
    if count is None:
        return ""
    amount = float(count)
    for unit in UNITS:
        if round(amount, 1) < KILO or unit == UNITS[-1]:
            break
        amount /= KILO
    digits = 0 if unit == "B" or amount >= 100 else 1  # noqa: PLR2004
    return f"{number_format(f'{amount:.{digits}f}', digits)} {unit}"


@register.filter
def speed(bytes_per_second: float | None) -> str:
    return f"{size(bytes_per_second)}/s" if bytes_per_second else ""


@register.filter
def clock(seconds: float | None) -> str:
    """A length as a player shows it: 0:07, 12:34, 1:02:03. Empty for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@register.filter
def percent(value: float | None) -> str:
    return f"{int(value or 0)} %"


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """How long ago, or until; the exact time for machines and on hovering. A script keeps it true."""
    if at is None:
        return ""
    exact = at.astimezone(timezone.get_default_timezone())
    html = '<time datetime="{}" title="{}" data-relative>{}</time>'
    return format_html(html, exact.isoformat(), exact_words(exact), relative(at - timezone.now()))


@register.filter("exact")
def exact_words(at: datetime) -> str:
    return f"{date_format(at, 'SHORT_DATETIME_FORMAT')} UTC"


@register.filter
def name(job: Job) -> str:
    return words.name_of(job)


@register.filter
def kind_icon(job: Job) -> str:
    return "audio" if words.is_audio(job.options) else "video"


@register.filter
def choice(job: Job) -> str:
    return words.choice_of(job.options)


@register.filter
def chosen_options(job: Job) -> list[tuple[str, str]]:
    return words.options_of(job.options)


@register.filter
def trouble(job: Job) -> words.Trouble | None:
    return words.trouble_of(job)


@register.filter
def status_word(job: Job) -> str:
    return "retrying" if job.is_waiting_for_retry else job.status


@register.filter
def actions(job: Job) -> list[words.Action]:
    return words.actions_of(job)


@register.filter
def again_address(job: Job) -> str:
    """The home page with the job's link and choices in its form."""
    return again.address(job)


# --- Files ------------------------------------------------------------------------------------------------------


@register.filter
def main_file(job: Job) -> MediaFile | None:
    return words.main_file(job)


@register.filter
def file_address(file: MediaFile) -> str:
    # Relative: the page may have been reached by another name than the public one.
    return (file_url(file) or "").removeprefix(settings.PUBLIC_BASE_URL)


@register.filter
def inline_address(file: MediaFile) -> str:
    return f"{file_address(file)}?inline=1"


@register.filter
def player_kind(file: MediaFile) -> str:
    """video, audio or image; empty for what browsers are not to show in place."""
    return file.mime_type.partition("/")[0] if is_shown_inline(file.mime_type) else ""


@register.filter
def file_icon(file: MediaFile) -> str:
    if file.kind == Kind.MEDIA:
        kind = file.mime_type.partition("/")[0]
        return kind if kind in {"audio", "image"} else "video"
    return {Kind.SUBTITLE: "subtitle", Kind.THUMBNAIL: "image"}.get(Kind(file.kind), "file")


@register.filter
def poster(files: list[MediaFile]) -> MediaFile | None:
    return next((file for file in files if file.kind == Kind.THUMBNAIL and is_shown_inline(file.mime_type)), None)


@register.filter
def picture(job: Job) -> MediaFile | None:
    """For the small tile beside a title."""
    return poster(words.stored_files(job))


@register.filter
def tracks(files: list[MediaFile]) -> list[MediaFile]:
    """Browsers read one kind of subtitles."""
    return [file for file in files if file.kind == Kind.SUBTITLE and file.mime_type == "text/vtt"]
