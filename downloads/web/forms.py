"""The home page's form. It only translates: what may be asked for is decided by the API's own serializer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from downloads.api import requests
from downloads.api.batch_requests import MAX_CONCURRENT, PlaylistRequestSerializer
from downloads.api.problem import Problem
from downloads.batches import Wish
from downloads.engine import choices
from downloads.models import BatchKind
from downloads.names import DEFAULT_TEMPLATE
from downloads.web import words

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MAX_LINES = 100
SPONSORBLOCK_LABELS = {
    "sponsor": _("Sponsors"),
    "intro": _("Intro"),
    "outro": _("Credits"),
    "selfpromo": _("Self-promotion"),
    "preview": _("Preview or recap"),
    "filler": _("Filler"),
    "interaction": _("“Like and subscribe”"),
    "music_offtopic": _("Not music, in music videos"),
    "hook": _("Greeting or hook"),
}
RETENTION_LABELS = {
    1: _("1 hour"),
    6: _("6 hours"),
    24: _("1 day"),
    168: _("1 week"),
    720: _("30 days"),
    8760: _("1 year"),
}
# Of this one download, not of the next.
FORGOTTEN = frozenset(
    {
        "urls",
        "utc_offset",
        "whole_list",
        "items",
        "clip_start_sec",
        "clip_end_sec",
        "start_after",
        "tags",
        "fetch_again",
    }
)
_CLOCK = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6}(?:\.\d{1,3})?)")
_SEPARATORS = re.compile(r"[,\s]+")


def same(values: tuple[str, ...], labels: Mapping[str, StrOrPromise] | None = None) -> list[tuple[str, StrOrPromise]]:
    return [(value, (labels or {}).get(value, value)) for value in values]


QUALITIES = same(choices.QUALITIES, {"best": _("Best"), "2160p": "4K", "audio": _("Audio")})


class ClockField(forms.Field):
    """A time within the media, as a player shows it, in seconds."""

    def to_python(self, value: Any) -> float | None:
        text = str(value or "").strip()
        if not text:
            return None
        match = _CLOCK.fullmatch(text)
        if match is None:
            raise ValidationError(_("Write a time as 1:23 or 1:02:03, or in seconds."))
        hours, minutes, seconds = match.groups(default="0")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


class WordsField(forms.Field):
    """A list, separated by commas or spaces."""

    pattern = _SEPARATORS

    def to_python(self, value: Any) -> list[str]:
        return [word for part in self.pattern.split(str(value or "")) if (word := part.strip())]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


class TagsField(WordsField):
    pattern = re.compile(r"[,\n]")


class DownloadForm(forms.Form):
    urls = forms.CharField(
        label=_("Link"),
        strip=True,
        widget=forms.Textarea(
            attrs={
                "rows": 1,
                "placeholder": "https://…",
                "autocomplete": "off",
                "autocapitalize": "off",
                "spellcheck": "false",
                "inputmode": "url",
                "autofocus": True,
            }
        ),
        error_messages={"required": _("Paste a link first.")},
    )
    quality = forms.ChoiceField(
        label=_("Quality"),
        choices=QUALITIES,
        initial="best",
        widget=forms.RadioSelect,
    )

    video_format = forms.ChoiceField(label=_("Container"), choices=same(requests.VIDEO_FORMATS), initial="mp4")
    allow_recode = forms.BooleanField(
        label=_("Recode if needed"),
        required=False,
        help_text=_("Slow; only where the container cannot hold the video."),
    )
    audio_format = forms.ChoiceField(label=_("Audio format"), choices=same(requests.AUDIO_FORMATS), initial="mp3")
    audio_quality = forms.ChoiceField(
        label=_("Bitrate (kbit/s)"),
        choices=same(requests.AUDIO_QUALITIES, {"best": _("Best")}),
        initial="192",
    )

    download_subtitles = forms.BooleanField(label=_("Download subtitles"), required=False)
    subtitle_languages = WordsField(
        label=_("Languages"), required=False, initial="en", help_text=_("Separated by commas: en, de, pt-BR.")
    )
    subtitle_format = forms.ChoiceField(
        label=_("Subtitle format"), choices=same(requests.SUBTITLE_FORMATS), initial="srt"
    )
    embed_subtitles = forms.BooleanField(label=_("Embed in the video"), required=False)
    auto_subtitles = forms.BooleanField(label=_("Accept automatic ones"), required=False)

    embed_metadata = forms.BooleanField(label=_("Title and author in the file"), required=False, initial=True)
    embed_chapters = forms.BooleanField(label=_("Chapters in the file"), required=False)
    embed_thumbnail = forms.BooleanField(label=_("Thumbnail in the file"), required=False)
    write_thumbnail = forms.BooleanField(label=_("Thumbnail as a file"), required=False)
    thumbnail_format = forms.ChoiceField(
        label=_("Thumbnail format"), choices=same(requests.THUMBNAIL_FORMATS), initial="jpg"
    )
    write_info_json = forms.BooleanField(label=_("Metadata as a JSON file"), required=False)

    sponsorblock_remove = forms.MultipleChoiceField(
        label=_("Cut out"),
        required=False,
        choices=same(requests.SPONSORBLOCK_CATEGORIES, SPONSORBLOCK_LABELS),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What viewers have marked in SponsorBlock."),
    )
    whole_list = forms.BooleanField(
        label=_("The whole playlist or channel"),
        required=False,
        help_text=_("Behind one link. What you have downloaded before is left out."),
    )
    items = WordsField(
        label=_("Which of its items"),
        required=False,
        widget=forms.TextInput(attrs={"placeholder": _("all of them"), "spellcheck": "false"}),
        help_text=_("Numbers and ranges: 1-10, 15, 20-."),
    )
    clip_start_sec = ClockField(label=_("From"), required=False, widget=forms.TextInput(attrs={"placeholder": "0:00"}))
    clip_end_sec = ClockField(
        label=_("To"), required=False, widget=forms.TextInput(attrs={"placeholder": _("the end")})
    )

    path_template = forms.CharField(
        label=_("File name"),
        required=False,
        strip=True,
        widget=forms.TextInput(attrs={"placeholder": DEFAULT_TEMPLATE, "spellcheck": "false"}),
        help_text=_("From {safe_title}, {id}, {uploader}, {upload_date}, {playlist_index:03d}, {ext} and words."),
    )
    cookies_id = forms.ChoiceField(
        label=_("Cookies"), required=False, help_text=_("For pages that need you to be signed in.")
    )
    retention_hours = forms.ChoiceField(label=_("Keep the files for"), required=False)
    delete_after_download = forms.BooleanField(label=_("Delete once I have fetched them"), required=False)
    fetch_again = forms.BooleanField(
        label=_("Fetch it again"),
        required=False,
        help_text=_("Otherwise, what you have downloaded in the same way minutes ago is used."),
    )
    priority = forms.ChoiceField(
        label=_("Priority"), choices=[("low", _("Low")), ("normal", _("Normal")), ("high", _("High"))], initial="normal"
    )
    start_after = forms.DateTimeField(
        label=_("Start after (UTC)"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    webhook_url = forms.CharField(
        label=_("Webhook"),
        required=False,
        strip=True,
        widget=forms.URLInput(attrs={"placeholder": "https://…", "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("A server of yours that is told when it has completed or failed."),
    )
    tags = TagsField(label=_("Tags"), required=False, help_text=_("Separated by commas."))
    # The minutes from UTC at that time where the browser is, filled in by a script; without one, times are UTC.
    utc_offset = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=-1080, max_value=1080)

    group_classes = {
        "video_format": "only-video",
        "allow_recode": "only-video",
        "audio_format": "only-audio",
        "audio_quality": "only-audio",
        "subtitle_languages": "only-subtitles",
        "subtitle_format": "only-subtitles",
        "embed_subtitles": "only-subtitles",
        "auto_subtitles": "only-subtitles",
    }

    def __init__(self, *args: Any, jars: Iterable[tuple[Any, str]] = (), **kwargs: Any) -> None:
        """`jars` are the ids and names of the cookies that may be sent."""
        super().__init__(*args, **kwargs)
        named = [(str(pk), name) for pk, name in jars]
        self.fields["cookies_id"].choices = [("", _("None")), *named]  # type: ignore[attr-defined]  # a choice field
        default = gettext("Default ({time})").format(time=words.hours(settings.FILE_RETENTION_HOURS))
        lengths = [(str(hours), label) for hours, label in RETENTION_LABELS.items()]
        self.fields["retention_hours"].choices = [("", default), *lengths]  # type: ignore[attr-defined]  # a choice field
        for name, field in self.fields.items():
            field.group_class = self.group_classes.get(name, "")  # type: ignore[attr-defined]  # for field.html
            if name not in FORGOTTEN:
                field.widget.attrs["data-default"] = _plain(field.initial)
        self.requests: list[dict[str, Any]] = []
        self._list_wish: Wish | None = None

    def clean_urls(self) -> list[str]:
        lines = [line for text in self.cleaned_data["urls"].splitlines() if (line := text.strip())]
        if len(lines) > MAX_LINES:
            said = gettext("At most {most} links at once; these are {count}.")
            raise ValidationError(said.format(most=MAX_LINES, count=len(lines)))
        return list(dict.fromkeys(lines))

    def clean(self) -> dict[str, Any]:
        if moment := self.cleaned_data.get("start_after"):
            zone = timezone(timedelta(minutes=self.cleaned_data.get("utc_offset") or 0))
            self.cleaned_data["start_after"] = moment.replace(tzinfo=zone)
        if self.cleaned_data.get("whole_list"):
            self._ask_for_list(self.cleaned_data.get("urls", []))
            return self.cleaned_data
        for url in self.cleaned_data.get("urls", []):
            serializer = requests.DownloadRequestSerializer(data={**self.options(), "url": url})
            if serializer.is_valid():
                self.requests.append(serializer.validated_data)
            else:
                self.complain(serializer.errors, url)
        return self.cleaned_data

    def options(self) -> dict[str, Any]:
        """What was chosen, in the words of the API; what was left alone is left out."""
        chosen = {name: value for name, value in self.cleaned_data.items() if value not in (None, "", [])}
        for name in ("urls", "utc_offset", "whole_list", "items"):
            chosen.pop(name, None)
        if chosen.pop("fetch_again", False):
            chosen["reuse"] = False
        if moment := chosen.get("start_after"):
            chosen["start_after"] = moment.isoformat()
        if retention := chosen.get("retention_hours"):
            chosen["retention_hours"] = float(retention)
        return chosen

    def _ask_for_list(self, urls: list[str]) -> None:
        if len(urls) > 1:
            self.add_error("whole_list", _("A list is read from one link at a time."))
            return
        for url in urls:
            items = ",".join(self.cleaned_data.get("items") or ()) or None
            data = {**self.options(), "url": url, "items": items, "concurrent_limit": MAX_CONCURRENT}
            serializer = PlaylistRequestSerializer(data=data)
            if serializer.is_valid():
                self.requests.append(serializer.options())
                self._list_wish = serializer.wish()
            else:
                self.complain(serializer.errors, url)

    @property
    def is_batch(self) -> bool:
        return self._list_wish is not None or len(self.requests) > 1

    def wish(self) -> Wish:
        """Several lines are a batch, which takes as many at once as there is room for; so is a list."""
        if self._list_wish:
            return self._list_wish
        urls = tuple(wanted["url"] for wanted in self.requests)
        return Wish(kind=BatchKind.BATCH, urls=urls, concurrent_limit=MAX_CONCURRENT)

    def remembered(self) -> dict[str, Any]:
        """The choices to begin with next time."""
        return {name: value for name, value in self.cleaned_data.items() if name not in FORGOTTEN}

    def refuse(self, problem: Problem) -> None:
        """What the submission itself was refused for."""
        self.add_error("urls", gettext(problem.errors[0].message if problem.errors else problem.detail))

    def complain(self, errors: dict[str, Any], url: str = "") -> None:
        """What the API's serializer says, beside the fields that it speaks of."""
        for name, said in errors.items():
            for message in _messages(said):
                if name in self.fields and message not in self.errors.get(name, []):
                    self.add_error(name, message)
                elif name not in self.fields:
                    self.add_error("urls", f"{words.shorten(url, 60)}: {message}" if self._has_several else message)

    @property
    def _has_several(self) -> bool:
        return len(self.cleaned_data.get("urls", [])) > 1


def _messages(said: Any) -> Iterator[str]:
    """DRF nests the messages of a list's items by their index."""
    if isinstance(said, dict):
        for inner in said.values():
            yield from _messages(inner)
    elif isinstance(said, list):
        for inner in said:
            yield from _messages(inner)
    else:
        yield str(said)


def _plain(value: Any) -> str:
    """As the form control would send it."""
    if isinstance(value, bool):
        return "on" if value else ""
    return "" if value is None else str(value)
