"""The values that cross the engine's boundary: what an attempt is asked to do, and what it reports.

A `JobSpec` goes into the child as one line of JSON; `Event` values come back as JSON lines.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

EventName = Literal["started", "info", "progress", "stage", "log", "file", "result", "items", "error", "done", "exit"]
Stage = Literal["extracting", "downloading", "postprocessing", "publishing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions:
    """What the requester may choose; names and defaults are those of the API."""

    quality: str = "best"
    custom_format: str | None = None
    video_format: str = "mp4"
    allow_recode: bool = False
    audio_only: bool = False
    audio_format: str = "mp3"
    audio_quality: str = "192"
    download_subtitles: bool = False
    subtitle_languages: tuple[str, ...] = ("en",)
    subtitle_format: str = "srt"
    embed_subtitles: bool = False
    auto_subtitles: bool = False
    write_thumbnail: bool = False
    thumbnail_format: str = "jpg"
    embed_thumbnail: bool = False
    embed_metadata: bool = True
    embed_chapters: bool = False
    write_info_json: bool = False
    sponsorblock_remove: tuple[str, ...] = ()
    clip_start_sec: float | None = None
    clip_end_sec: float | None = None

    @property
    def wants_audio_only(self) -> bool:
        return self.audio_only or self.quality in {"audio", "audio_only"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that the child and its leash enforce on what really arrives."""

    wall_clock_seconds: float = 1800
    no_progress_seconds: float = 300
    max_bytes: int = 10 * 1024**3
    min_speed_bytes: int = 0
    memory_bytes: int = 4 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """To look and not to download: at one page of media, or at the entries of a list, `max_items` at most."""

    kind: Literal["media", "list"]
    max_items: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One attempt. `work_directory` is private to the job and survives attempts, so that partial files resume."""

    job_id: str
    attempt: int
    url: str
    work_directory: str
    proxy_url: str
    ffmpeg_location: str
    options: DownloadOptions = field(default_factory=DownloadOptions)
    limits: Limits = field(default_factory=Limits)
    cookies_file: str | None = None
    playlist_item: int | None = None
    # Of the list that this is an entry of, where the page itself does not know.
    playlist: str | None = None
    playlist_index: int | None = None
    require_sandbox: bool = False
    probe: ProbeRequest | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> JobSpec:
        """Raises ValueError, TypeError or KeyError for anything but the output of `to_json`."""
        data: dict[str, Any] = json.loads(text)
        options = data.pop("options")
        for name in ("subtitle_languages", "sponsorblock_remove"):
            options[name] = tuple(options[name])
        probe = data.pop("probe", None)
        return cls(
            options=DownloadOptions(**options),
            limits=Limits(**data.pop("limits")),
            probe=ProbeRequest(**probe) if probe else None,
            **data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One JSON line from an attempt: `name` and its payload (shapes in `EVENTS`)."""

    name: EventName
    data: dict[str, Any] = field(default_factory=dict)

    def to_line(self) -> bytes:
        return json.dumps({"event": self.name, **self.data}, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Event:
        data: dict[str, Any] = json.loads(line)
        return cls(name=data.pop("event"), data=data)


# The payload of each event. Sizes in bytes, times in seconds; None where the origin does not say.
EVENTS: dict[str, str] = {
    "started": "pid, process_group, sandbox ('full'|'partial'|'off'), ytdlp_version",
    "stage": "stage (a Stage)",
    "info": "title, duration, format, metadata (the API's metadata object, strings clipped), total_bytes",
    "progress": "percent (0-100, never falls), downloaded_bytes, total_bytes, speed, eta",
    "log": "level ('debug'|'info'|'warning'|'error'), message",
    "file": (
        "path (relative to work_directory), kind, is_main, size_bytes, sha256, crc32, ext, format, width, height, "
        "duration, vcodec, acodec, language"
    ),
    "result": "result: what a probe has found (shapes in extraction.py)",
    "items": "items: some of the formats or entries that belong to the result; there may be several such events",
    "error": "code (a job error code), message, retry_after (seconds or None)",
    "done": "(nothing): every file has been reported, hashed and flushed to disk",
    "exit": "status: written by the leash, last of all; the child's exit code, negative for a signal",
}
