"""The types that files are served as: a fixed table, never what an origin says."""

from __future__ import annotations

TYPES = {
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "flv": "video/x-flv",
    "ts": "video/mp2t",
    "3gp": "video/3gpp",
    "mpg": "video/mpeg",
    "ogv": "video/ogg",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "opus": "audio/ogg",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "weba": "audio/webm",
    "mka": "audio/x-matroska",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "ass": "text/x-ssa",
    "lrc": "text/plain",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "json": "application/json",
}
OPAQUE = "application/octet-stream"
# What a browser may show in place: media it plays and raster images, nothing that can carry script.
INLINE = frozenset(
    {"video/mp4", "video/webm", "video/ogg", "audio/mpeg", "audio/mp4", "audio/aac", "audio/flac", "audio/wav"}
    | {"audio/ogg", "audio/webm", "image/jpeg", "image/png", "image/webp"}
)


def safe_extension(extension: str) -> str:
    """`extension` when it is in the table, else "bin"."""
    lowered = extension.lower().lstrip(".")
    return lowered if lowered in TYPES else "bin"


def type_of(extension: str) -> str:
    return TYPES.get(extension, OPAQUE)


def is_shown_inline(mime_type: str) -> bool:
    return mime_type in INLINE
