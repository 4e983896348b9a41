"""From a `JobSpec` to yt-dlp's parameters. Pure: imports neither yt_dlp nor Django, opens nothing.

What a requester chooses arrives in typed fields and is checked against lists here too, so that no yt-dlp option
name, selector filter, regular expression or path can come in from outside. What needs callables (hooks, the
logger, a clip's range) is added in ytdlp.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from downloads.engine.spec import DownloadOptions, JobSpec
from downloads.engine.watchdog import FFMPEG_PROGRESS

_MIN_BLOCK_BYTES, _FIRST_BLOCK_BYTES, _MAX_BLOCK_BYTES = 4 * 1024, 16 * 1024, 1024**2

# The names on disk are ours; titles only shape the name that is shown.
OUTPUT_TEMPLATE = "media.%(ext)s"

HEIGHTS = {"4k": 2160, "2160p": 2160, "1440p": 1440, "1080p": 1080, "720p": 720, "480p": 480, "360p": 360}
QUALITIES = frozenset({"best", "audio", "audio_only", *HEIGHTS})
VIDEO_FORMATS = frozenset({"mp4", "mkv", "webm", "mov", "avi", "flv"})
AUDIO_FORMATS = frozenset({"mp3", "m4a", "flac", "wav", "opus", "aac", "vorbis"})
AUDIO_QUALITIES = frozenset({"96", "128", "192", "256", "320", "best"})
SUBTITLE_FORMATS = frozenset({"srt", "vtt", "ass", "lrc"})
THUMBNAIL_FORMATS = frozenset({"jpg", "png", "webp"})
SPONSORBLOCK_CATEGORIES = frozenset(
    {"sponsor", "intro", "outro", "selfpromo", "preview", "filler", "interaction", "music_offtopic", "hook"}
)
MAX_LANGUAGES = 20
MAX_CUSTOM_FORMAT_CHARACTERS = 200

_LANGUAGE = re.compile(r"(?!all$)[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,6}")
_FORMAT_IDS = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.:@=-]*[+/])*[A-Za-z0-9_][A-Za-z0-9_.:@=-]*")
_FORMAT_KEYWORDS = frozenset({"all", "mergeall"})

# yt-dlp's own order follows; a limit such as res:720 prefers the largest up to it, then the smallest above,
# and formats that do not tell their height come last but are taken when there is nothing else.
_COMMON_SORT = ("lang", "quality", "res", "fps", "hdr:12")
_CODEC_SORT = {"webm": ("vcodec:vp9", "channels", "acodec:opus"), "mkv": ()}
_PLAYS_EVERYWHERE = ("vcodec:h264", "channels", "acodec:aac")
_AUDIO_SORT = {
    "m4a": ("acodec:aac",),
    "aac": ("acodec:aac",),
    "opus": ("acodec:opus",),
    "vorbis": ("acodec:vorbis",),
    "mp3": ("acodec:mp3",),
}
# What formats are merged into; the first that can hold their codecs. The Container step does the rest.
_MERGE_INTO = {"mp4": "mp4", "mov": "mov", "mkv": "mkv", "webm": "webm/mp4/mkv"}
_LOSSLESS = frozenset({"flac", "wav"})

_THUMBNAIL_HOLDERS = frozenset({"mp4", "mov", "mkv", "mp3", "m4a", "flac", "opus", "vorbis"})
_SUBTITLE_HOLDERS = frozenset({"mp4", "mov", "mkv", "webm"})

# S5: what ffmpeg may open among our own files. No playlist, manifest, script, device or network format.
_LOCAL_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,ass,au,avi,caf,dts,eac3,flac,flv,gif,h264,hevc,image2,ivf,jpeg_pipe,lrc,matroska,"
    "mov,mp3,mpeg,mpegts,mpegvideo,ogg,png_pipe,srt,tta,w64,wav,webp_pipe,webvtt,wv,ffmetadata"
)
_LOCAL_INPUT = ("-protocol_whitelist", "file", "-format_whitelist", _LOCAL_FORMATS)
_CONCAT_INPUT = ("-protocol_whitelist", "file", "-format_whitelist", f"{_LOCAL_FORMATS},concat")
_REMOTE_INPUT = (
    "-loglevel",
    "warning",  # the guard's reason for a refusal is one
    "-protocol_whitelist",
    "http,https,tls,tcp,httpproxy,crypto,data",
    "-format_whitelist",
    f"{_LOCAL_FORMATS},hls,dash",
)
# Every postprocessor that hands files to ffmpeg, by yt-dlp's name for it; a test compares it with yt-dlp.
FFMPEG_STEPS = (
    "Audio",
    "Clip",
    "Container",
    "CopyStream",
    "EmbedSubtitle",
    "EmbedThumbnail",
    "ExtractAudio",
    "FixupDuplicateMoov",
    "FixupDuration",
    "FixupM3u8",
    "FixupM4a",
    "FixupStretched",
    "FixupTimestamp",
    "Merger",
    "Metadata",
    "SplitChapters",
    "SponsorBlock",
    "SubtitlesConvertor",
    "Tags",
    "ThumbnailsConvertor",
    "VideoConvertor",
    "VideoRemuxer",
)
CONCAT_STEPS = ("Concat", "Cut", "ModifyChapters")


def build(spec: JobSpec) -> dict[str, Any]:
    """Raises ValueError for an option that the API would not have let through."""
    _check(spec.options)
    return {
        **_safety(spec),
        **_speed(spec.limits.max_bytes),
        **_selection(spec.options, spec.playlist_item or 1),
        **_sidecars(spec.options),
        "ffmpeg_location": spec.ffmpeg_location or None,
        "outtmpl": {"default": OUTPUT_TEMPLATE, "pl_thumbnail": ""},
        "paths": {"home": spec.work_directory},
        "postprocessors": list(_postprocessors(spec.options)),
        "postprocessor_args": _ffmpeg_arguments(),
        "external_downloader_args": {
            "ffmpeg_i": list(_REMOTE_INPUT),
            "ffmpeg_o": ["-progress", f"file:{spec.work_directory}/{FFMPEG_PROGRESS}"],
        },
    }


def _check(options: DownloadOptions) -> None:
    for value, allowed in (
        (options.quality, QUALITIES),
        (options.video_format, VIDEO_FORMATS),
        (options.audio_format, AUDIO_FORMATS),
        (options.audio_quality, AUDIO_QUALITIES),
        (options.subtitle_format, SUBTITLE_FORMATS),
        (options.thumbnail_format, THUMBNAIL_FORMATS),
    ):
        if value not in allowed:
            raise ValueError(f"unknown choice: {value!r}")
    if not SPONSORBLOCK_CATEGORIES.issuperset(options.sponsorblock_remove):
        raise ValueError("unknown SponsorBlock category")
    if len(options.subtitle_languages) > MAX_LANGUAGES or not all(map(_LANGUAGE.fullmatch, options.subtitle_languages)):
        raise ValueError("subtitle languages are codes such as en or pt-BR")
    if options.custom_format is not None and not is_custom_format(options.custom_format):
        raise ValueError("a custom format is format ids joined by + and /")
    start, end = options.clip_start_sec or 0, options.clip_end_sec
    if start < 0 or (end is not None and end <= start):
        raise ValueError("a clip starts at 0 or later and ends after its start")


def is_custom_format(text: str) -> bool:
    """Format ids as /formats lists them, joined by `+` (merge) and `/` (or else)."""
    if len(text) > MAX_CUSTOM_FORMAT_CHARACTERS or not _FORMAT_IDS.fullmatch(text):
        return False
    return _FORMAT_KEYWORDS.isdisjoint(re.split(r"[+/]", text))


def _safety(spec: JobSpec) -> dict[str, Any]:
    return {
        "allow_playlist_files": False,
        "allow_unplayable_formats": False,
        "cachedir": False,
        "color": "never",
        "cookiefile": spec.cookies_file,
        "enable_file_urls": False,
        "ignoreerrors": False,
        # '' is yt-dlp's word for no proxy at all; None would make it read the environment.
        "proxy": spec.proxy_url,
        "remote_components": (),
        "updatetime": False,
        "usenetrc": False,
    }


def _speed(max_bytes: int) -> dict[str, Any]:
    """Few retries: whole attempts are retried outside. Fragments are many, so one fault must not end an attempt."""
    return {
        "buffersize": min(_FIRST_BLOCK_BYTES, block_bytes(max_bytes)),
        "concurrent_fragment_downloads": 8,
        "continuedl": True,
        "extractor_retries": 1,
        "external_downloader": {"m3u8": "native"},
        "file_access_retries": 3,
        "fragment_retries": 5,
        "nopart": False,
        "noprogress": True,
        # yt-dlp formats a line of text for each block otherwise; nobody reads it here.
        "progress_delta": 86_400,
        "retries": 3,
        "skip_unavailable_fragments": False,
        "socket_timeout": 20,
    }


def block_bytes(max_bytes: int) -> int:
    """The most that is read at once: large for speed, and small beside a limit that is checked between blocks."""
    return max(min(_MAX_BLOCK_BYTES, max_bytes // 20), _MIN_BLOCK_BYTES)


def _selection(options: DownloadOptions, item: int) -> dict[str, Any]:
    selected = {"noplaylist": True, "playlist_items": str(item), "lazy_playlist": True}
    if options.wants_audio_only:
        sort = _AUDIO_SORT.get(options.audio_format, ())
        return {**selected, "format": options.custom_format or "ba/b", "format_sort": ["lang", "quality", *sort]}
    return {
        **selected,
        "format": options.custom_format or "bv*+ba/b",
        "format_sort": _video_sort(options),
        "merge_output_format": _MERGE_INTO.get(options.video_format, "mp4/mkv"),
    }


def _video_sort(options: DownloadOptions) -> list[str]:
    codecs = _CODEC_SORT.get(options.video_format, _PLAYS_EVERYWHERE)
    height = HEIGHTS.get(options.quality)
    return [*([f"res:{height}"] if height else []), *_COMMON_SORT, *codecs]


def _sidecars(options: DownloadOptions) -> dict[str, Any]:
    return {
        "writesubtitles": options.download_subtitles or _embeds_subtitles(options),
        "writeautomaticsub": options.auto_subtitles and (options.download_subtitles or _embeds_subtitles(options)),
        "subtitleslangs": list(options.subtitle_languages),
        "subtitlesformat": f"{options.subtitle_format}/vtt/srt/best",
        "writethumbnail": options.write_thumbnail or _embeds_thumbnail(options),
    }


def _embeds_subtitles(options: DownloadOptions) -> bool:
    return options.embed_subtitles and not options.wants_audio_only and options.video_format in _SUBTITLE_HOLDERS


def _embeds_thumbnail(options: DownloadOptions) -> bool:
    container = options.audio_format if options.wants_audio_only else options.video_format
    return options.embed_thumbnail and container in _THUMBNAIL_HOLDERS


def _postprocessors(options: DownloadOptions) -> Iterator[dict[str, Any]]:
    """In the order that yt-dlp's own command line keeps, with our Audio, Container, Cut and Tags in their places."""
    if options.sponsorblock_remove:
        categories = sorted(options.sponsorblock_remove)
        yield {"key": "SponsorBlock", "categories": categories, "when": "after_filter"}
    if options.download_subtitles or _embeds_subtitles(options):
        yield {"key": "FFmpegSubtitlesConvertor", "format": _subtitle_format(options), "when": "before_dl"}
    if options.write_thumbnail:
        yield {"key": "FFmpegThumbnailsConvertor", "format": options.thumbnail_format, "when": "before_dl"}
    if options.wants_audio_only:
        yield _audio_extraction(options)
    else:
        yield {"key": "Container", "target": options.video_format, "may_recode": options.allow_recode}
    if _embeds_subtitles(options):
        yield {"key": "FFmpegEmbedSubtitle", "already_have_subtitle": options.download_subtitles}
    if options.sponsorblock_remove:
        yield {"key": "Cut", "remove_sponsor_segments": sorted(options.sponsorblock_remove)}
    yield {"key": "Tags", "add_metadata": options.embed_metadata, "add_chapters": options.embed_chapters}
    if _embeds_thumbnail(options):
        yield {"key": "EmbedThumbnail", "already_have_thumbnail": options.write_thumbnail}


def _subtitle_format(options: DownloadOptions) -> str:
    """WebM holds WebVTT only."""
    is_for_webm = _embeds_subtitles(options) and not options.download_subtitles and options.video_format == "webm"
    return "vtt" if is_for_webm else options.subtitle_format


def _audio_extraction(options: DownloadOptions) -> dict[str, Any]:
    quality = None if options.audio_format in _LOSSLESS else options.audio_quality.replace("best", "0")
    return {"key": "Audio", "preferredcodec": options.audio_format, "preferredquality": quality}


def _ffmpeg_arguments() -> dict[str, list[str]]:
    """Keys as yt-dlp looks them up: PP+ffmpeg_i before each input, PP+ffmpeg_o before the output."""
    return {
        **{f"{step.lower()}+ffmpeg_i": list(_LOCAL_INPUT) for step in FFMPEG_STEPS},
        **{f"{step.lower()}+ffmpeg_i": list(_CONCAT_INPUT) for step in CONCAT_STEPS},
    }
