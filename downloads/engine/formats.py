"""The formats of a page's media: as the API lists them, and which of them a download of each quality would take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from downloads.engine import choices, options, ytdlp
from downloads.engine.choices import QUALITIES
from downloads.engine.metadata import NAME_CHARACTERS, WORD_CHARACTERS, clean_codec, clean_number, clean_text
from downloads.engine.spec import DownloadOptions, JobSpec

HEIGHTS = sorted(set(options.HEIGHTS.values()))
MAX_LANGUAGES = 300
MAX_TRACKS = 10

Format = dict[str, Any]


def is_media(item: Format) -> bool:
    """Storyboards are listed among the formats, too."""
    return not (item.get("vcodec") == "none" and item.get("acodec") == "none")


def represent(item: Format) -> dict[str, Any]:
    """The API's fields, and which of its groups it belongs to; a codec that is not named may be there."""
    streams = "audio_only" if not has_video(item) else "combined" if has_audio(item) else "video_only"
    return {**{name: convert(item.get(name)) for name, convert in _FIELDS.items()}, "streams": streams}


def summary(downloader: ytdlp.Downloader, spec: JobSpec, info: ytdlp.Info, offered: Sequence[Format]) -> dict[str, Any]:
    """What is said of all formats together; `offered` are sorted from worst to best."""
    chosen = {choices.key(wanted): _chosen(downloader, spec, info, wanted) for wanted in choices.distinct()}
    presets = [{"quality": quality, **chosen[choices.key(DownloadOptions(quality=quality))]} for quality in QUALITIES]
    return {
        "best_video_format": _last_id(offered, has_video),
        "best_audio_format": _last_id(offered, _is_audio_only) or _last_id(offered, has_audio),
        "recommended_format": presets[0]["format"],
        "presets": presets,
        "choices": chosen,
        "subtitles": _tracks(info.get("subtitles")),
        "automatic_captions": _tracks(info.get("automatic_captions")),
    }


def has_video(item: Format) -> bool:
    return item.get("vcodec") != "none"


def has_audio(item: Format) -> bool:
    return item.get("acodec") != "none"


def _is_audio_only(item: Format) -> bool:
    return has_audio(item) and not has_video(item)


def _last_id(offered: Sequence[Format], is_wanted: Callable[[Format], bool]) -> str | None:
    return next((_identifier(item.get("format_id")) for item in reversed(offered) if is_wanted(item)), None)


def _chosen(downloader: ytdlp.Downloader, spec: JobSpec, info: ytdlp.Info, wanted: DownloadOptions) -> dict[str, Any]:
    chosen = _choose(downloader, spec, info, wanted)
    parts = (chosen or {}).get("requested_formats") or ([chosen] if chosen else [])
    return {
        "format": _identifier(chosen.get("format_id")) if chosen else None,
        "size_bytes": choices.size(map(represent, parts), clean_number(info.get("duration"))),
        "available": bool(chosen) and _is_reached(wanted.quality, parts),
    }


def _choose(downloader: ytdlp.Downloader, spec: JobSpec, info: ytdlp.Info, wanted: DownloadOptions) -> Format | None:
    """What a download would take: by the same options, sorted and selected by yt-dlp itself."""
    params = options.build(replace(spec, options=wanted))
    downloader.params["format_sort"] = params["format_sort"]
    listed = {**info, "formats": list(info.get("formats") or [info])}
    downloader.sort_formats(listed)
    selector = downloader.build_format_selector(params["format"])
    found: list[Format] = downloader._select_formats(listed["formats"], selector)  # noqa: SLF001
    return found[0] if found else None


def _is_reached(quality: str, parts: Sequence[Format]) -> bool:
    """Whether it is of that quality, and not only the next best: 1920 by 800 is 1080p, 1280 by 720 is not."""
    if quality not in options.HEIGHTS:
        return any(map(has_audio if quality == "audio" else is_media, parts))
    height = options.HEIGHTS[quality]
    below = max((other for other in HEIGHTS if other < height), default=0)
    return any(below < _resolution(part) <= height for part in parts if has_video(part))


def _resolution(item: Format) -> float:
    """As yt-dlp's `res` has it: the smaller side, so that an upright film counts like a wide one."""
    sides = [side for name in ("width", "height") if (side := clean_number(item.get(name)))]
    return min(sides, default=0)


def _tracks(languages: object) -> dict[str, list[dict[str, Any]]]:
    """By language, in which forms there are subtitles."""
    if not isinstance(languages, Mapping):
        return {}
    listed = list(languages.items())[:MAX_LANGUAGES]
    return {
        language: [_track(track) for track in tracks[:MAX_TRACKS] if isinstance(track, Mapping)]
        for name, tracks in listed
        if (language := clean_text(name, WORD_CHARACTERS)) and isinstance(tracks, list)
    }


def _track(track: Mapping[str, Any]) -> dict[str, Any]:
    return {"ext": _word(track.get("ext")), "name": _word(track.get("name"))}


def _word(value: object) -> str | None:
    return clean_text(value, WORD_CHARACTERS)


def _identifier(value: object) -> str | None:
    return clean_text(value, NAME_CHARACTERS)


def _count(value: object) -> int | None:
    number = clean_number(value)
    return None if number is None or number < 0 else int(number)


_FIELDS: dict[str, Callable[[object], Any]] = {
    "format_id": _identifier,
    "ext": _word,
    "resolution": _word,
    "width": _count,
    "height": _count,
    "fps": clean_number,
    "vcodec": clean_codec,
    "acodec": clean_codec,
    "filesize": _count,
    "filesize_approx": _count,
    "tbr": clean_number,
    "vbr": clean_number,
    "abr": clean_number,
    "format_note": _word,
    "dynamic_range": _word,
    "language": _word,
    "protocol": _word,
}
