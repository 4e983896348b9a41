"""What is known of a media file's streams: from the file itself, from ffmpeg's words, or from the info dict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from downloads.engine.metadata import clean_codec, clean_number

_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
_VIDEO = re.compile(r"Stream #0:\d+.*?: Video: (\w+).*?\b([1-9]\d{1,4})x([1-9]\d{1,4})\b")
_AUDIO = re.compile(r"Stream #0:\d+.*?: Audio: (\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    vcodec: str | None = None
    acodec: str | None = None


NOTHING = Facts()


def from_info(info: Mapping[str, Any]) -> Facts:
    return Facts(
        duration=clean_number(info.get("duration")),
        width=_pixels(info.get("width")),
        height=_pixels(info.get("height")),
        vcodec=clean_codec(info.get("vcodec")),
        acodec=clean_codec(info.get("acodec")),
    )


def from_ffmpeg(words: str) -> Facts:
    """From what ffmpeg prints of the file it wrote, or of the one it read when it wrote none."""
    duration = _DURATION.search(words)
    streams = words.partition("Output #0")[2] or words
    video, audio = _VIDEO.search(streams), _AUDIO.search(streams)
    return Facts(
        duration=_seconds(*duration.groups()) if duration else None,
        width=int(video[2]) if video else None,
        height=int(video[3]) if video else None,
        vcodec=video[1] if video else None,
        acodec=audio[1] if audio else None,
    )


def combine(seen: Facts, said: Facts) -> Facts:
    """Streams that were seen are the truth; what a site said fills in what was not looked at."""
    if not seen.vcodec and not seen.acodec:
        return replace(said, duration=seen.duration or said.duration)
    return replace(seen, duration=seen.duration or said.duration)


def _seconds(hours: str, minutes: str, seconds: str) -> float:
    return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds), 3)


def _pixels(value: object) -> int | None:
    number = clean_number(value)
    return int(number) if number and number > 0 else None
