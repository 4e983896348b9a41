"""What may be asked for: the fields, bounds and defaults of a download request. Pages validate with it, too.

Only our own names pass; none of yt-dlp's does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.core.validators import RegexValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from downloads import addresses, names
from downloads.api.strict import (
    INT64_MAX,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictFloatField,
    StrictIntegerField,
    StrictListField,
    StrictSerializer,
    StrictUUIDField,
)
from downloads.models import Priority

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

QUALITIES = ("best", "4k", "2160p", "1440p", "1080p", "720p", "480p", "360p", "audio", "audio_only")
VIDEO_FORMATS = ("mp4", "mkv", "webm", "mov", "avi", "flv")
AUDIO_FORMATS = ("mp3", "m4a", "flac", "wav", "opus", "aac", "vorbis")
AUDIO_QUALITIES = ("96", "128", "192", "256", "320", "best")
SUBTITLE_FORMATS = ("srt", "vtt", "ass", "lrc")
THUMBNAIL_FORMATS = ("jpg", "png", "webp")
SPONSORBLOCK_CATEGORIES = (
    "sponsor",
    "intro",
    "outro",
    "selfpromo",
    "preview",
    "filler",
    "interaction",
    "music_offtopic",
    "hook",
)
WEBHOOK_EVENTS = (
    "download.queued",
    "download.started",
    "download.progress",
    "download.completed",
    "download.failed",
    "download.cancelled",
    "download.expiring",
)
DEFAULT_WEBHOOK_EVENTS = ("download.completed", "download.failed")
PRIORITIES = {priority.name.lower(): priority for priority in Priority}

# Ids as /formats lists them, joined by + and /. "all" and "mergeall" are no ids: they take every format there is.
_FORMAT_ID = r"(?!(?:all|mergeall)(?:[+/]|$))[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}"
FORMAT_PATTERN = rf"^{_FORMAT_ID}([+/]{_FORMAT_ID})*$"
# BCP 47, as loosely as sites write it. "all" is no language: it takes every one there is.
LANGUAGE_PATTERN = r"^(?!all$)[A-Za-z]{2,8}([\-_][A-Za-z0-9]{1,16}){0,4}$"
_PLACEHOLDERS = "|".join(sorted(names.PLACEHOLDERS))
TEMPLATE_PATTERN = (
    r"^(?!/)(?!(?:[^\x00-\x1f\\]*/)?\.\.(?:/|$))"
    rf"(?:[^{{}}\\\x00-\x1f\x7f]|\{{(?:{_PLACEHOLDERS}|playlist_index:0?[0-9]d)\}})+$"
)
LINE_PATTERN = r"^[^\x00-\x1f\x7f]+$"

MAX_CLIP_SECONDS = 7 * 24 * 3600
MAX_RETENTION_HOURS = 8760


def matches(pattern: str, message: StrOrPromise) -> RegexValidator:
    """Against the whole text: a `$` alone would let a last line break through."""
    return RegexValidator(re.compile(pattern.removesuffix("$") + r"\Z"), message)


class LineField(StrictCharField):
    """One line of text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.validators.append(matches(LINE_PATTERN, _("This has control characters.")))


@extend_schema_field({"type": "string", "pattern": addresses.PATTERN, "maxLength": 2048})
class AddressField(StrictCharField):
    """A URL that may be submitted, in its normal form."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return addresses.parse(text).url
        except addresses.AddressError as error:
            raise serializers.ValidationError(gettext(str(error)), code=error.code) from error


@extend_schema_field({"type": "number", "exclusiveMinimum": 0, "maximum": MAX_RETENTION_HOURS})
class RetentionField(StrictFloatField):
    """Hours, or None for what the server does by itself."""

    default_error_messages = {"min_value": _("This is not more than 0.")}

    def __init__(self, **options: Any) -> None:
        super().__init__(default=None, allow_null=True, max_value=MAX_RETENTION_HOURS, **options)

    def to_internal_value(self, data: Any) -> float:
        hours = super().to_internal_value(data)
        if hours <= 0:
            self.fail("min_value")
        return hours


class DownloadOptionsSerializer(StrictSerializer[Any]):
    """What may be chosen for a download, whatever it is that names the URLs."""

    quality = StrictChoiceField(QUALITIES, default="best", help_text="`best`: the best video and audio, merged.")
    custom_format = StrictCharField(
        default=None,
        allow_null=True,
        max_length=200,
        validators=[matches(FORMAT_PATTERN, _("Write format ids, joined by + or /."))],
        help_text="A format id, or ids joined by `+` (merged) and `/` (the first that there is), as /formats lists "
        "them. It takes the place of `quality`.",
    )
    video_format = StrictChoiceField(VIDEO_FORMATS, default="mp4", help_text="The container; remuxed when it can be.")
    allow_recode = StrictBooleanField(default=False, help_text="Encode again where remuxing is not enough; slow.")
    audio_only = StrictBooleanField(default=False)
    audio_format = StrictChoiceField(AUDIO_FORMATS, default="mp3")
    audio_quality = StrictChoiceField(AUDIO_QUALITIES, default="192", help_text="Kilobits a second, or `best`.")
    download_subtitles = StrictBooleanField(default=False)
    subtitle_languages = StrictListField(
        child=StrictCharField(validators=[matches(LANGUAGE_PATTERN, _("This is no language tag."))], max_length=35),
        default=["en"],
        min_length=1,
        max_length=20,
    )
    subtitle_format = StrictChoiceField(SUBTITLE_FORMATS, default="srt")
    embed_subtitles = StrictBooleanField(default=False)
    auto_subtitles = StrictBooleanField(default=False, help_text="Take captions that the site made by machine, too.")
    write_thumbnail = StrictBooleanField(default=False)
    thumbnail_format = StrictChoiceField(THUMBNAIL_FORMATS, default="jpg")
    embed_thumbnail = StrictBooleanField(default=False)
    embed_metadata = StrictBooleanField(default=True)
    embed_chapters = StrictBooleanField(default=False)
    write_info_json = StrictBooleanField(default=False)
    sponsorblock_remove = StrictListField(
        child=StrictChoiceField(SPONSORBLOCK_CATEGORIES),
        default=[],
        max_length=len(SPONSORBLOCK_CATEGORIES),
        help_text="Cut out what SponsorBlock's users have marked.",
    )
    clip_start_sec = StrictFloatField(default=None, allow_null=True, min_value=0, max_value=MAX_CLIP_SECONDS)
    clip_end_sec = StrictFloatField(
        default=None, allow_null=True, min_value=0, max_value=MAX_CLIP_SECONDS, help_text="After `clip_start_sec`."
    )
    path_template = StrictCharField(
        default=None,
        allow_null=True,
        max_length=255,
        validators=[matches(TEMPLATE_PATTERN, _("This is no relative path of text and known placeholders."))],
        help_text=f"The name that the file is shown and downloaded by; `{names.DEFAULT_TEMPLATE}` by default.",
    )
    cookies_id = StrictUUIDField(default=None, allow_null=True, help_text="Stored cookies to send.")
    timeout_sec = StrictIntegerField(
        default=None, allow_null=True, min_value=60, max_value=7200, help_text="1800, unless the server says otherwise."
    )
    max_size_bytes = StrictIntegerField(
        default=None, allow_null=True, min_value=1, max_value=INT64_MAX, help_text="The server's own limit holds, too."
    )
    retention_hours = RetentionField(
        help_text="How long the files are kept once they are there; fractions are allowed. 1, unless the server says "
        "otherwise."
    )
    delete_after_download = StrictBooleanField(default=False, help_text="Delete a file once it has been fetched whole.")
    reuse = StrictBooleanField(
        default=True,
        help_text="Take the files of the same request, if you made one in the last minutes, and fetch nothing again. "
        "For the same URL, choices and cookies only.",
    )
    priority = StrictChoiceField(tuple(PRIORITIES), default="normal")
    start_after = StrictDateTimeField(default=None, allow_null=True, help_text="Do not start before this time.")
    webhook_url = AddressField(default=None, allow_null=True, help_text="Where to report this job's events.")
    webhook_events = StrictListField(
        child=StrictChoiceField(WEBHOOK_EVENTS), default=list(DEFAULT_WEBHOOK_EVENTS), max_length=16
    )
    tags = StrictListField(child=LineField(max_length=50), default=[], max_length=10)
    client_reference = StrictCharField(
        default="", allow_blank=True, max_length=200, help_text="Anything of yours; returned as it came."
    )

    def validate_path_template(self, value: str | None) -> str | None:
        if value is not None and (reason := names.template_error(value)):
            raise serializers.ValidationError(gettext(reason), code="invalid_template")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        start, end = attrs["clip_start_sec"], attrs["clip_end_sec"]
        if end is not None and end <= (start or 0):
            raise serializers.ValidationError(
                {"clip_end_sec": _("This is not after clip_start_sec.")}, code="clip_order"
            )
        return attrs


@extend_schema_serializer(component_name="Download")
class DownloadRequestSerializer(DownloadOptionsSerializer):
    url = AddressField(max_length=addresses.MAX_URL_LENGTH, help_text="A page with a video or audio, or the media.")


@extend_schema_serializer(component_name="Keep")
class KeepRequestSerializer(StrictSerializer[Any]):
    retention_hours = RetentionField(
        help_text="Delete the files after this time, from now on. Without it they are kept for good."
    )


class NothingSerializer(StrictSerializer[Any]):
    """The body of a request that needs none."""
