"""Takes out of messages what must not be kept: queries, credentials, cookies, terminal codes and server paths."""

from __future__ import annotations

import re

MAX_CHARACTERS = 2000

_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_USER_INFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@\"']+@")
_QUERY = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s?#\"'<>]*)[?#][^\s\"'<>]*")
# yt-dlp makes ids of the ends of addresses, and says them with each line.
_BARE_QUERY = re.compile(r"[?#][\w.\[\]%+-]+=[^\s\"'<>]*?(?=:?(?:[\s\"'<>]|$))")
_DATA_URL = re.compile(r"(?i)\bdata:[a-z0-9./+-]*[;,][^\s\"'<>]*")
_SECRET_HEADER = re.compile(r"(?i)\b((?:set-)?cookie|(?:proxy-)?authorization)\s*[:=]\s*[^\r\n]*")
_HOME = re.compile(r"(?<![\w/])/(?:home/[^/\s]+|root|Users/[^/\s]+)(?=/|\b)")


def redact(text: str, work_directory: str = "") -> str:
    """Safe to store and show; files in `work_directory` are named relative to it."""
    clean = _TERMINAL_CODE.sub("", text)
    clean = _SECRET_HEADER.sub(r"\1: …", clean)
    clean = _DATA_URL.sub("data:…", clean)
    clean = _USER_INFO.sub(r"\1", clean)
    clean = _QUERY.sub(r"\1?…", clean)
    clean = _BARE_QUERY.sub("?…", clean)
    if work_directory:
        clean = clean.replace(f"{work_directory.rstrip('/')}/", "").replace(work_directory, ".")
    clean = _HOME.sub("~", clean).encode("utf-8", "replace").decode()
    return clean if len(clean) <= MAX_CHARACTERS else f"{clean[: MAX_CHARACTERS - 1]}…"
