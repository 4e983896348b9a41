"""What a download would take of a page's formats, as far as it can be told without yt_dlp: the web process asks here.

A probe lets yt-dlp choose once for each `key`; options of one key make it sort and select alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from downloads.engine.spec import DownloadOptions

# The API's names, best first; "4k" and "audio_only" are other names of two of them.
QUALITIES = ("best", "2160p", "1440p", "1080p", "720p", "480p", "360p", "audio")
SAME_QUALITY = {"4k": "2160p", "audio_only": "audio"}
# By what decides on codecs; every other container and sound format is chosen for as the first of its kind.
CONTAINERS = ("mp4", "webm", "mkv")
AUDIO_FORMATS = ("flac", "mp3", "m4a", "opus", "vorbis")
SAME_AUDIO = {"wav": "flac", "aac": "m4a"}


def distinct() -> Iterator[DownloadOptions]:
    """One of each key."""
    for quality in QUALITIES[:-1]:
        for container in CONTAINERS:
            yield DownloadOptions(quality=quality, video_format=container)
    for audio_format in AUDIO_FORMATS:
        yield DownloadOptions(quality="audio", audio_format=audio_format)


def key(options: DownloadOptions) -> str:
    if options.wants_audio_only:
        return f"audio/{SAME_AUDIO.get(options.audio_format, options.audio_format)}"
    container = options.video_format if options.video_format in CONTAINERS else CONTAINERS[0]
    return f"{SAME_QUALITY.get(options.quality, options.quality)}/{container}"


def by_ids(custom_format: str, offered: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The formats of the first alternative that is there whole; none when no alternative is."""
    known = {item["format_id"]: item for item in offered if item["format_id"]}
    for alternative in custom_format.split("/"):
        names = alternative.split("+")
        if all(name in known for name in names):
            return [known[name] for name in names]
    return []


def size(parts: Iterable[Mapping[str, Any]], duration: float | None) -> int | None:
    """Of all that would be fetched; None as soon as one part does not tell."""
    sizes = [_part_size(part, duration) for part in parts]
    return sum(one for one in sizes if one) if sizes and all(sizes) else None


def _part_size(part: Mapping[str, Any], duration: float | None) -> int | None:
    """`part` in the API's shape, whose numbers are numbers."""
    said: int | None = part.get("filesize") or part.get("filesize_approx")
    rate = part.get("tbr")
    return said or (round(rate * 1000 / 8 * duration) if rate and duration else None)
