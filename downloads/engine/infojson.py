"""The info JSON that a requester may keep: what the site says of the media, without what opens doors.

Headers, cookies and the short-lived addresses of formats carry the session that fetched them. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

FILE_NAME = "media.info.json"

_MAX_DEPTH = 12
_SECRET_KEYS = frozenset(
    {
        "cookies",
        "http_headers",
        "url",
        "urls",
        "manifest_url",
        "fragment_base_url",
        "fragments",
        "hls_aes",
        "hls_media_playlist_data",
        "extra_param_to_segment_url",
        "extra_param_to_key_url",
        "request_data",
        "downloader_options",
        "player_url",
        "page_url",
        "tc_url",
        "filepath",
        "filename",
        "data",
    }
)
_LISTED_BY_ADDRESS = frozenset({"thumbnails"})
_QUERY = re.compile(r"[?#].*", re.DOTALL)


def scrub(info: Mapping[str, Any]) -> dict[str, Any]:
    """From yt-dlp's sanitised info dict to one that is safe to hand out and to encode as strict JSON."""
    return {
        key: _thumbnails(value) if key in _LISTED_BY_ADDRESS else _clean(value, 1)
        for key, value in info.items()
        if _is_public(key)
    }


def _is_public(key: str) -> bool:
    return not key.startswith("_") and key not in _SECRET_KEYS and not key.startswith("requested_")


def _thumbnails(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [
        {**_clean_mapping(item, 2), "url": _QUERY.sub("", str(item.get("url", "")))}
        for item in value
        if isinstance(item, Mapping)
    ]


def _clean(value: object, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return _clean_mapping(value, depth)
    if isinstance(value, list | tuple):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\x00", "")
    return value


def _clean_mapping(value: Mapping[str, Any], depth: int) -> dict[str, Any]:
    return {str(key): _clean(item, depth + 1) for key, item in value.items() if _is_public(str(key))}
