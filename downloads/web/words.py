"""A job in words: its name, what was chosen, what went wrong, and what its owner can do about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.principal import Principal
from downloads import submission
from downloads.engine.errors import ErrorCode, kind_of
from downloads.engine.spec import DownloadOptions
from downloads.models import FINISHED, UNFINISHED, Job, MediaFile, Status

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

AUDIO = frozenset({"audio", "audio_only"})
# As JSON has them.
DEFAULTS: dict[str, Any] = json.loads(json.dumps(asdict(DownloadOptions())))
OPTION_LABELS = {
    "quality": gettext_noop("Quality"),
    "custom_format": gettext_noop("Format"),
    "video_format": gettext_noop("Container"),
    "allow_recode": gettext_noop("Recode if needed"),
    "audio_only": gettext_noop("Audio only"),
    "audio_format": gettext_noop("Audio format"),
    "audio_quality": gettext_noop("Bitrate"),
    "download_subtitles": gettext_noop("Subtitles"),
    "subtitle_languages": gettext_noop("Languages"),
    "subtitle_format": gettext_noop("Subtitle format"),
    "embed_subtitles": gettext_noop("Embed subtitles"),
    "auto_subtitles": gettext_noop("Automatic subtitles"),
    "write_thumbnail": gettext_noop("Thumbnail"),
    "thumbnail_format": gettext_noop("Thumbnail format"),
    "embed_thumbnail": gettext_noop("Embed thumbnail"),
    "embed_metadata": gettext_noop("Embed metadata"),
    "embed_chapters": gettext_noop("Embed chapters"),
    "write_info_json": gettext_noop("Info JSON"),
    "sponsorblock_remove": gettext_noop("Cut out"),
    "clip_start_sec": gettext_noop("Clip from"),
    "clip_end_sec": gettext_noop("Clip to"),
    "path_template": gettext_noop("File name"),
    "timeout_sec": gettext_noop("Time limit"),
    "max_size_bytes": gettext_noop("Size limit"),
    "retention_hours": gettext_noop("Kept for (hours)"),
    "delete_after_download": gettext_noop("Delete after download"),
    "webhook_url": gettext_noop("Webhook"),
    "reuse": gettext_noop("Use what was just downloaded"),
}
# Ended by a limit or by hand: the next try goes on from there, or begins anew.
GOES_ON = frozenset({ErrorCode.TIMEOUT, ErrorCode.CANCELLED})


def name_of(job: Job) -> str:
    """Until the title is known, the link; what is too long of it is of no use as a name."""
    return job.title or shorten(job.url.partition("://")[2] or job.url)


def shorten(text: str, limit: int = 100) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def hours(count: float) -> str:
    number = 1 if count == 1 else 2
    return ngettext("{count} hour", "{count} hours", number).format(count=number_format(f"{count:g}"))


def is_audio(options: dict[str, Any]) -> bool:
    return bool(options.get("audio_only")) or options.get("quality") in AUDIO


def choice_of(options: dict[str, Any]) -> str:
    """In two or three words what will come out: "1080p mp4", "Audio mp3"."""
    if is_audio(options):
        return gettext("Audio {format}").format(format=options.get("audio_format", DEFAULTS["audio_format"]))
    quality = str(options.get("custom_format") or options.get("quality", DEFAULTS["quality"]))
    said = gettext("Best") if quality == DEFAULTS["quality"] else quality.capitalize()
    return f"{said} {options.get('video_format', DEFAULTS['video_format'])}"


def options_of(options: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, value) of what differs from the defaults."""
    defaults = DEFAULTS | {
        "timeout_sec": settings.DEFAULT_TIMEOUT_SEC,
        "max_size_bytes": settings.MAX_FILE_SIZE_BYTES,
        "retention_hours": settings.FILE_RETENTION_HOURS,
        "delete_after_download": False,
        "reuse": True,
    }
    return [
        (gettext(label), _as_text(options[name]))
        for name, label in OPTION_LABELS.items()
        if name in options and options[name] != defaults.get(name)
    ]


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# --- What went wrong --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`is_passing`: the job is tried again by itself. `may_pass`: another try may go well by time alone."""

    code: str
    title: str
    remedy: str
    message: str
    is_passing: bool
    may_pass: bool


def trouble_of(job: Job) -> Trouble | None:
    kind = kind_of(job.error_code)
    if kind is None or job.status == Status.COMPLETED:
        return None
    # A message that only repeats the title says nothing.
    message = "" if job.error_message == kind.title else job.error_message
    return Trouble(
        code=job.error_code,
        title=gettext(kind.title),
        remedy=gettext(kind.remedy),
        message=gettext(message),
        is_passing=job.status != Status.FAILED,
        may_pass=kind.is_retryable or job.error_code in GOES_ON,
    )


# --- What can be done -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button: `verb` is the last part of its address, `done` what the page says afterwards."""

    verb: str
    label: StrPromise
    icon: str
    done: StrPromise
    perform: Callable[[Principal, Job], None]
    statuses: frozenset[str]

    def is_possible_for(self, job: Job) -> bool:
        return job.status in self.statuses


def whoever_asks(verb: Callable[[Job], None]) -> Callable[[Principal, Job], None]:
    """Of what costs nothing."""
    return lambda _, job: verb(job)


def _let_expire(job: Job) -> None:
    job.keep(job.retention if job.retention > timedelta(0) else timedelta(hours=1))


ACTIONS = (
    Action(
        verb="pause",
        label=_("Pause"),
        icon="pause",
        done=_("Paused. What has arrived stays."),
        perform=whoever_asks(Job.pause),
        statuses=frozenset({Status.QUEUED, Status.RUNNING}),
    ),
    Action(
        verb="resume",
        label=_("Resume"),
        icon="play",
        done=_("Back in the queue."),
        perform=submission.resume,
        statuses=frozenset({Status.PAUSED}),
    ),
    Action(
        verb="retry",
        label=_("Try again"),
        icon="retry",
        done=_("Queued for another try."),
        perform=submission.retry,
        statuses=frozenset({Status.FAILED, Status.CANCELLED}),
    ),
    Action(
        verb="keep",
        label=_("Keep"),
        icon="keep",
        done=_("Kept: its files stay until you delete them."),
        perform=whoever_asks(Job.keep),
        statuses=frozenset({Status.COMPLETED}),
    ),
    Action(
        verb="let-expire",
        label=_("Stop keeping"),
        icon="clock",
        done=_("Its files will be deleted when their time is over."),
        perform=whoever_asks(_let_expire),
        statuses=frozenset({Status.COMPLETED}),
    ),
    Action(
        verb="cancel",
        label=_("Cancel"),
        icon="cancel",
        done=_("Cancelled."),
        perform=whoever_asks(Job.cancel),
        statuses=frozenset(UNFINISHED),
    ),
)
BY_VERB = {action.verb: action for action in ACTIONS}
DELETABLE = frozenset(FINISHED)


def actions_of(job: Job) -> list[Action]:
    idle = {"keep", "let-expire"} if not stored_files(job) else {"keep" if job.is_kept else "let-expire"}
    return [action for action in ACTIONS if action.is_possible_for(job) and action.verb not in idle]


# --- What came out ----------------------------------------------------------------------------------------------


def stored_files(job: Job) -> list[MediaFile]:
    """Of all the job's files, which a page has prefetched, those whose bytes are still there."""
    return [] if job.status != Status.COMPLETED else [file for file in job.files.all() if file.deleted_at is None]


def main_file(job: Job) -> MediaFile | None:
    return next((file for file in stored_files(job) if file.is_main), None)
