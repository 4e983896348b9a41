"""How the operations that look without downloading are described in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes

from downloads.api import examples
from downloads.api.describe import Description, answer, header
from downloads.api.findings_shapes import (
    ChannelInfoSerializer,
    FormatsSerializer,
    PageMetadataSerializer,
    PageProbeSerializer,
    PlaylistPreviewSerializer,
)
from downloads.api.probe_queries import ChannelQuery, MetadataQuery, PlaylistQuery, ProbeQuery
from downloads.api.query import WaitQuery

TAGS = ["extraction"]
URL = "https://videos.example.com/watch/42"
LIST_URL = "https://videos.example.com/playlist/7"
PROBE_ID = "0199c4d5-2f10-7c3e-8d21-5b7d1c2e3f40"

WAITING = (
    " The server looks at the page, or answers from what it found within the last minutes. What takes longer than "
    "PROBE_WAIT_SECONDS is answered with 202: ask the same again later, or follow `Location`. A failure has the code "
    "of a failed job: 400 for a URL that cannot be used, 404, 429, 504 when the site is too slow, and 502 for the rest "
    "of what a site may do."
)
LOCATION = header("Location", "Of the probe.", status_codes=["202"])
RETRY_AFTER = header("Retry-After", "Seconds.", int, status_codes=["202"])


def _format(format_id: str, **known: Any) -> dict[str, Any]:
    names = ("ext", "resolution", "width", "height", "fps", "vcodec", "acodec", "filesize", "filesize_approx")
    more = ("tbr", "vbr", "abr", "format_note", "dynamic_range", "language", "protocol")
    return {"format_id": format_id, **dict.fromkeys((*names, *more)), **known}


VIDEO = _format("137", ext="mp4", resolution="1920x1080", width=1920, height=1080, fps=25.0, vcodec="avc1.640028")
AUDIO = _format("140", ext="m4a", resolution="audio only", acodec="mp4a.40.2", filesize=58254848)
TRACKS = {"en": [{"ext": "vtt", "name": "English"}]}
FOUND_FORMATS: dict[str, Any] = {
    "url": URL,
    **{name: examples.METADATA[name] for name in ("title", "duration", "thumbnail", "uploader", "extractor")},
    "formats": {"combined": [], "video_only": [VIDEO], "audio_only": [AUDIO]},
    "best_video_format": "137",
    "best_audio_format": "140",
    "recommended_format": "137+140",
    "presets": [
        {"quality": "best", "format": "137+140", "size_bytes": 1048576000, "available": True},
        {"quality": "2160p", "format": "137+140", "size_bytes": 1048576000, "available": False},
        {"quality": "1080p", "format": "137+140", "size_bytes": 1048576000, "available": True},
        {"quality": "audio", "format": "140", "size_bytes": 58254848, "available": True},
    ],
    "subtitles": TRACKS,
    "automatic_captions": {},
}
FOUND_METADATA: dict[str, Any] = {
    "url": URL,
    **examples.METADATA,
    "formats_available": ["140", "137"],
    "subtitles": TRACKS,
    "automatic_captions": {},
}
_PAGE: dict[str, Any] = {
    "total_videos": 1,
    "page": 1,
    "page_size": 50,
    "total_pages": 1,
    "has_next": False,
    "has_previous": False,
    "videos": [
        {
            "id": "42",
            "title": "A lecture on queues",
            "url": URL,
            "duration": 3600.0,
            "thumbnail": "https://videos.example.com/42.jpg",
            "uploader": "The faculty",
            "upload_date": "20261001",
            "view_count": 1234,
            "playlist_index": 1,
        }
    ],
    "truncated": False,
    "extractor": "generic",
}
FOUND_PLAYLIST: dict[str, Any] = {
    "playlist_id": "7",
    "playlist_title": "Lectures",
    "playlist_uploader": "The faculty",
    "playlist_url": LIST_URL,
    "description": None,
    "thumbnail": None,
    **_PAGE,
}
FOUND_CHANNEL: dict[str, Any] = {
    "channel": {
        "channel_id": "faculty",
        "channel_name": "The faculty",
        "channel_url": "https://videos.example.com/@faculty",
        "subscriber_count": 5200,
        "video_count": 31,
        "description": None,
        "thumbnail": None,
    },
    **_PAGE,
    "filters_applied": {"min_duration": 600, "sort_by": "view_count"},
}
UNDER_WAY: dict[str, Any] = {
    "probe_id": PROBE_ID,
    "kind": "media",
    "status": "running",
    "url": URL,
    "created_at": "2026-11-24T12:00:00Z",
    "expires_at": None,
    "error": None,
    "error_code": None,
    "remedy": None,
    "result": None,
}
OVER: dict[str, Any] = UNDER_WAY | {
    "status": "done",
    "expires_at": "2026-11-24T12:05:24Z",
    "result": {"formats": FOUND_FORMATS, "metadata": FOUND_METADATA},
}


def _look(name: str, summary: str, description: str, *, query: Any, shape: Any, example: Any) -> Description:
    return {
        "operation_id": name,
        "tags": TAGS,
        "summary": summary,
        "description": description + WAITING,
        "parameters": [query, LOCATION, RETRY_AFTER],
        "responses": {200: shape, 202: PageProbeSerializer},
        "examples": [answer("Found", example), answer("Under way", UNDER_WAY, 202)],
    }


FORMATS = _look(
    "formats",
    "Show the formats of a URL",
    "All formats by what they hold, and what a download of each quality would take, with its size.",
    query=ProbeQuery,
    shape=FormatsSerializer,
    example=FOUND_FORMATS,
)
METADATA = _look(
    "metadata",
    "Show the metadata of a URL",
    "What the site says of the media, as JSON or as CSV.",
    query=MetadataQuery,
    shape=PageMetadataSerializer,
    example=FOUND_METADATA,
)
METADATA["responses"] = {
    (200, "application/json"): PageMetadataSerializer,
    (200, "text/csv"): OpenApiTypes.STR,
    202: PageProbeSerializer,
}
PLAYLIST = _look(
    "playlist_preview",
    "Show the entries of a playlist",
    "Page by page, in the site's order; the list is read once, so that a second page costs nothing.",
    query=PlaylistQuery,
    shape=PlaylistPreviewSerializer,
    example=FOUND_PLAYLIST,
)
CHANNEL = _look(
    "channel_info",
    "Show a channel and its videos",
    "Those that pass all filters. What a site does not say of a video lets it through no filter that asks for it.",
    query=ChannelQuery,
    shape=ChannelInfoSerializer,
    example=FOUND_CHANNEL,
)
PROBE: Description = {
    "operation_id": "probe_retrieve",
    "tags": TAGS,
    "summary": "Show a probe",
    "description": "How far the look at a page is, and what it has found. With `wait`, answers when it has ended, or "
    "when the time is over. Of a list its first page: the others are asked for where the probe came from.",
    "parameters": [WaitQuery, header("Retry-After", "Seconds, until it has ended.", int, status_codes=["200"])],
    "responses": {200: PageProbeSerializer},
    "examples": [answer("Under way", UNDER_WAY), answer("Done", OVER)],
}
