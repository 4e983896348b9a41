"""From an info dict to the API's `metadata` object: known fields only, clipped, and safe to store as JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

TITLE_CHARACTERS = 1000
DESCRIPTION_CHARACTERS = 20_000
NAME_CHARACTERS = 500
URL_CHARACTERS = 2048
WORD_CHARACTERS = 200
MAX_WORDS = 200
MAX_CHAPTERS = 500
_MAX_NUMBER = 2**53  # what every JSON reader keeps exactly

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_WEB_URL = re.compile(r"(?i)https?://[^\s\x00-\x1f]+")
_DATE = re.compile(r"\d{8}")


def metadata(info: Mapping[str, Any]) -> dict[str, Any]:
    return {name: convert(info.get(name)) for name, convert in _FIELDS.items()}


def clean_text(value: object, limit: int) -> str | None:
    """No NUL, no other control but tab and line ends, no lone surrogates; None for what is no text or empty."""
    if not isinstance(value, str):
        return None
    # A bad site may send pairs of surrogates as two escapes: UTF-16 joins them, and replaces what stands alone.
    whole = value[: limit * 2].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _CONTROL.sub("", whole).strip()[:limit] or None


def clean_number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and abs(value) <= _MAX_NUMBER else None


def clean_codec(value: object) -> str | None:
    """yt-dlp says 'none' for a stream that is not there."""
    return None if value == "none" else clean_text(value, WORD_CHARACTERS)


def _text(limit: int) -> Callable[[object], str | None]:
    return lambda value: clean_text(str(value) if isinstance(value, int) else value, limit)


def _url(value: object) -> str | None:
    text = clean_text(value, URL_CHARACTERS + 1)
    return text if text and len(text) <= URL_CHARACTERS and _WEB_URL.fullmatch(text) else None


def _date(value: object) -> str | None:
    return value if isinstance(value, str) and _DATE.fullmatch(value) else None


def _count(value: object) -> int | None:
    number = clean_number(value)
    return None if number is None or number < 0 else int(number)


def _words(value: object) -> list[str]:
    if not isinstance(value, list | tuple):
        return []
    words = (clean_text(item, WORD_CHARACTERS) for item in value[:MAX_WORDS])
    return [word for word in words if word]


def _chapters(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list | tuple):
        return []
    return [_chapter(item) for item in value[:MAX_CHAPTERS] if isinstance(item, Mapping)]


def _chapter(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "start_time": clean_number(item.get("start_time")),
        "end_time": clean_number(item.get("end_time")),
        "title": clean_text(item.get("title"), NAME_CHARACTERS),
    }


_FIELDS: dict[str, Callable[[object], Any]] = {
    "id": _text(NAME_CHARACTERS),
    "title": _text(TITLE_CHARACTERS),
    "description": _text(DESCRIPTION_CHARACTERS),
    "uploader": _text(NAME_CHARACTERS),
    "uploader_id": _text(NAME_CHARACTERS),
    "uploader_url": _url,
    "channel_id": _text(NAME_CHARACTERS),
    "channel_url": _url,
    "upload_date": _date,
    "duration": clean_number,
    "view_count": _count,
    "like_count": _count,
    "comment_count": _count,
    "tags": _words,
    "categories": _words,
    "thumbnail": _url,
    "webpage_url": _url,
    "extractor": _text(NAME_CHARACTERS),
    "width": _count,
    "height": _count,
    "fps": clean_number,
    "vcodec": clean_codec,
    "acodec": clean_codec,
    "chapters": _chapters,
    "playlist": _text(TITLE_CHARACTERS),
    "playlist_index": _count,
}
