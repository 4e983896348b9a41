"""What a probe has found, in the API's shapes. Pages, filters and orders are made here, of what is kept in the row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from downloads.api.representation import METADATA_FIELDS, written
from downloads.engine.errors import ERRORS, ErrorCode
from downloads.models import Probe, ProbeKind
from downloads.selection import Entry, ordered, passes

Found = dict[str, Any]

ENTRY_FIELDS = (
    "id",
    "title",
    "url",
    "duration",
    "thumbnail",
    "uploader",
    "upload_date",
    "view_count",
    "playlist_index",
)
DEFAULT_PAGE_SIZE = 50
# A spreadsheet takes what begins with these for a formula.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


# --- One page of media ------------------------------------------------------------------------------------------


def formats(url: str, found: Found) -> dict[str, Any]:
    about = found["metadata"]
    return {
        "url": url,
        **{name: about[name] for name in ("title", "duration", "thumbnail", "uploader", "extractor")},
        "formats": _grouped(found["items"]),
        **{name: found[name] for name in ("best_video_format", "best_audio_format", "recommended_format", "presets")},
        **{name: found[name] for name in ("subtitles", "automatic_captions")},
    }


def metadata(url: str, found: Found) -> dict[str, Any]:
    return {
        "url": url,
        **{name: found["metadata"].get(name) for name in METADATA_FIELDS},
        "formats_available": [item["format_id"] for item in found["items"]],
        "subtitles": found["subtitles"],
        "automatic_captions": found["automatic_captions"],
    }


def metadata_csv(url: str, found: Found) -> str:
    """A line of names and a line of values. Lists of words are joined; what is more than that is JSON."""
    values = metadata(url, found)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(values)
    writer.writerow(_cell(value) for value in values.values())
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = "; ".join(value)
    elif isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False) if value else ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA_SIGNS) else text


def _grouped(items: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {"combined": [], "video_only": [], "audio_only": []}
    for item in items:
        groups[item["streams"]].append({name: value for name, value in item.items() if name != "streams"})
    return groups


# --- A list -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`number` counts from 1."""

    number: int = 1
    size: int = DEFAULT_PAGE_SIZE

    def of(self, entries: Sequence[Entry]) -> dict[str, Any]:
        begin, count = (self.number - 1) * self.size, len(entries)
        pages = -(-count // self.size)
        return {
            "total_videos": count,
            "page": self.number,
            "page_size": self.size,
            "total_pages": pages,
            "has_next": self.number < pages,
            "has_previous": 1 < self.number <= pages + 1,
            "videos": [{name: entry[name] for name in ENTRY_FIELDS} for entry in entries[begin : begin + self.size]],
        }


def playlist(url: str, found: Found, page: Page) -> dict[str, Any]:
    return {
        "playlist_id": found["id"],
        "playlist_title": found["title"],
        "playlist_uploader": found["uploader"],
        "playlist_url": found["url"] or url,
        "description": found["description"],
        "thumbnail": found["thumbnail"],
        **page.of(found["items"]),
        "truncated": found["truncated"],
        "extractor": found["extractor"],
    }


def channel(url: str, found: Found, filters: dict[str, Any], sort_by: str | None, page: Page) -> dict[str, Any]:
    asked = {name: value for name, value in filters.items() if value is not None}
    entries = ordered([entry for entry in found["items"] if passes(entry, asked)], sort_by)
    return {
        "channel": {
            "channel_id": found["channel_id"] or found["id"],
            "channel_name": found["uploader"] or found["title"],
            "channel_url": found["channel_url"] or found["uploader_url"] or found["url"] or url,
            "subscriber_count": found["subscriber_count"],
            "video_count": found["count"] or len(found["items"]),
            "description": found["description"],
            "thumbnail": found["thumbnail"],
        },
        **page.of(entries),
        "truncated": found["truncated"],
        "filters_applied": asked | ({"sort_by": sort_by} if sort_by else {}),
        "extractor": found["extractor"],
    }


# --- The probe itself -------------------------------------------------------------------------------------------


def represent(probe: Probe) -> dict[str, Any]:
    kind = ERRORS[ErrorCode(probe.error_code)] if probe.error_code in ERRORS else None
    return {
        "probe_id": str(probe.pk),
        "kind": probe.kind,
        "status": probe.status,
        "url": probe.url,
        "created_at": written(probe.created_at),
        "expires_at": written(probe.expires_at),
        "error": probe.error_message or None,
        "error_code": probe.error_code or None,
        "remedy": kind.remedy if kind else None,
        "result": _result(probe, probe.result) if probe.result else None,
    }


def _result(probe: Probe, found: Found) -> dict[str, Any]:
    if probe.kind == ProbeKind.MEDIA:
        return {"formats": formats(probe.url, found), "metadata": metadata(probe.url, found)}
    return {"playlist": playlist(probe.url, found, Page())}
