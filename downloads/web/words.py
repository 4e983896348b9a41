"""A job in words: its name, what was chosen, what went wrong, and what its owner can do about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

from accounts.principal import Principal
from downloads import submission
from downloads.engine.errors import ERRORS, ErrorCode
from downloads.engine.spec import DownloadOptions
from downloads.models import FINISHED, UNFINISHED, Job, MediaFile, Status

AUDIO = frozenset({"audio", "audio_only"})
# As JSON has them.
DEFAULTS: dict[str, Any] = json.loads(json.dumps(asdict(DownloadOptions())))
OPTION_LABELS = {
    "quality": "Quality",
    "custom_format": "Format",
    "video_format": "Container",
    "allow_recode": "Recode if needed",
    "audio_only": "Audio only",
    "audio_format": "Audio format",
    "audio_quality": "Bitrate",
    "download_subtitles": "Subtitles",
    "subtitle_languages": "Languages",
    "subtitle_format": "Subtitle format",
    "embed_subtitles": "Embed subtitles",
    "auto_subtitles": "Automatic subtitles",
    "write_thumbnail": "Thumbnail",
    "thumbnail_format": "Thumbnail format",
    "embed_thumbnail": "Embed thumbnail",
    "embed_metadata": "Embed metadata",
    "embed_chapters": "Embed chapters",
    "write_info_json": "Info JSON",
    "sponsorblock_remove": "Cut out",
    "clip_start_sec": "Clip from",
    "clip_end_sec": "Clip to",
    "path_template": "File name",
    "timeout_sec": "Time limit",
    "max_size_bytes": "Size limit",
    "retention_hours": "Kept for (hours)",
    "delete_after_download": "Delete after download",
    "reuse": "Use what was just downloaded",
}
RESTING = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.STORAGE_FULL})


def name_of(job: Job) -> str:
    """Until the title is known, the link; what is too long of it is of no use as a name."""
    return job.title or shorten(job.url.partition("://")[2] or job.url)


def shorten(text: str, limit: int = 100) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def hours(count: float) -> str:
    return "1 hour" if count == 1 else f"{count:g} hours"


def is_audio(options: dict[str, Any]) -> bool:
    return bool(options.get("audio_only")) or options.get("quality") in AUDIO


def choice_of(options: dict[str, Any]) -> str:
    """In two or three words what will come out: "1080p mp4", "Audio mp3"."""
    if is_audio(options):
        return f"Audio {options.get('audio_format', DEFAULTS['audio_format'])}"
    quality = str(options.get("custom_format") or options.get("quality", DEFAULTS["quality"]))
    return f"{quality.capitalize()} {options.get('video_format', DEFAULTS['video_format'])}"


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
        (label, _as_text(options[name]))
        for name, label in OPTION_LABELS.items()
        if name in options and options[name] != defaults.get(name)
    ]


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# --- What went wrong --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`is_passing`: the job is tried again by itself."""

    code: str
    title: str
    remedy: str
    message: str
    is_passing: bool


def trouble_of(job: Job) -> Trouble | None:
    if not job.error_code or job.status == Status.COMPLETED:
        return None
    kind = ERRORS[ErrorCode(job.error_code)]
    # A message that only repeats the title says nothing.
    message = "" if job.error_message == kind.title else job.error_message
    return Trouble(
        code=job.error_code,
        title=kind.title,
        remedy=kind.remedy,
        message=message,
        is_passing=job.status != Status.FAILED,
    )


# --- What can be done -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button: `verb` is the last part of its address, `done` what the page says afterwards."""

    verb: str
    label: str
    icon: str
    done: str
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
        label="Pause",
        icon="pause",
        done="Paused. What has arrived stays.",
        perform=whoever_asks(Job.pause),
        statuses=frozenset({Status.QUEUED, Status.RUNNING}),
    ),
    Action(
        verb="resume",
        label="Resume",
        icon="play",
        done="Back in the queue.",
        perform=submission.resume,
        statuses=frozenset({Status.PAUSED}),
    ),
    Action(
        verb="retry",
        label="Try again",
        icon="retry",
        done="Queued for another try.",
        perform=submission.retry,
        statuses=frozenset({Status.FAILED, Status.CANCELLED}),
    ),
    Action(
        verb="keep",
        label="Keep",
        icon="keep",
        done="Kept: its files stay until you delete them.",
        perform=whoever_asks(Job.keep),
        statuses=frozenset({Status.COMPLETED}),
    ),
    Action(
        verb="let-expire",
        label="Stop keeping",
        icon="clock",
        done="Its files will be deleted when their time is over.",
        perform=whoever_asks(_let_expire),
        statuses=frozenset({Status.COMPLETED}),
    ),
    Action(
        verb="cancel",
        label="Cancel",
        icon="cancel",
        done="Cancelled.",
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
