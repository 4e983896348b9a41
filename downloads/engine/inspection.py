"""What a downloaded file really is, by its first bytes, whatever its name and Content-Type say.

ffmpeg opens whatever it recognises, and a playlist or script may name other files of this server: such content
must be found before ffmpeg or ffprobe sees it. Pure but for reading the file; knows nothing of yt-dlp.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Kind = Literal[
    "empty",
    "media",
    "image",
    "page",
    "drawing",
    "playlist",
    "script",
    "program",
    "archive",
    "document",
    "text",
    "unknown",
]
Role = Literal["media", "subtitle", "thumbnail"]

_HEAD_BYTES = 4096
_MAX_TAGS = 8
_TAG_HEADER_BYTES = 10

_NAMES: dict[Kind, str] = {
    "empty": "empty",
    "page": "a web page",
    "drawing": "an SVG drawing",
    "playlist": "a playlist or manifest",
    "script": "a script",
    "program": "a program",
    "archive": "an archive",
    "document": "a document",
    "text": "plain text",
    "image": "an image",
    "media": "audio or video",
    "unknown": "of an unknown kind",
}
# ffmpeg may know more kinds of media than we do; it is given a list of formats, so the unknown may go on to it.
_ACCEPTED: dict[Role, frozenset[Kind]] = {
    "media": frozenset({"media", "image", "unknown"}),
    "subtitle": frozenset({"text"}),
    "thumbnail": frozenset({"image"}),
}

_SIGNATURES: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x1aE\xdf\xa3", "media"),  # Matroska, WebM
    (0, b"OggS", "media"),
    (0, b"fLaC", "media"),
    (0, b"FLV\x01", "media"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "media"),  # ASF
    (0, b"\x00\x00\x01\xba", "media"),  # MPEG program stream
    (0, b"\x00\x00\x01\xb3", "media"),
    (0, b"\x00\x00\x00\x01\x67", "media"),  # raw H.264
    (0, b"\x00\x00\x01\x67", "media"),
    (0, b"\x0b\x77", "media"),  # AC-3
    (0, b"\x7f\xfe\x80\x01", "media"),  # DTS
    (0, b"#!AMR", "media"),
    (0, b"caff", "media"),
    (0, b"wvpk", "media"),
    (0, b"MAC ", "media"),
    (0, b".snd", "media"),
    (0, b".RMF", "media"),
    (0, b"TTA1", "media"),
    (0, b"DSD ", "media"),
    (0, b"DKIF", "media"),
    (0, b"\xff\xd8\xff", "image"),
    (0, b"\x89PNG\r\n\x1a\n", "image"),
    (0, b"GIF8", "image"),
    (0, b"\x7fELF", "program"),
    (0, b"MZ", "program"),
    (0, b"\xfe\xed\xfa", "program"),
    (0, b"\xcf\xfa\xed\xfe", "program"),
    (0, b"\xce\xfa\xed\xfe", "program"),
    (0, b"\xca\xfe\xba\xbe", "program"),
    (0, b"\x00asm", "program"),
    (0, b"FWS", "program"),
    (0, b"CWS", "program"),
    (0, b"ZWS", "program"),
    (0, b"PK\x03\x04", "archive"),
    (0, b"PK\x05\x06", "archive"),
    (0, b"\x1f\x8b", "archive"),
    (0, b"BZh", "archive"),
    (0, b"\xfd7zXZ\x00", "archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "archive"),
    (0, b"Rar!\x1a\x07", "archive"),
    (0, b"\x28\xb5\x2f\xfd", "archive"),
    (257, b"ustar", "archive"),
    (0, b"%PDF", "document"),
    (0, b"\xd0\xcf\x11\xe0", "document"),
)
_RIFF: dict[bytes, Kind] = {b"AVI ": "media", b"WAVE": "media", b"WEBP": "image"}
_BOXES = frozenset(
    b"ftyp moov mdat free skip wide pnot styp moof sidx emsg prft uuid".split()
)  # the first box of an MP4 or QuickTime file
_STILL_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"})
_TS_PACKET, _TS_SYNC = 188, 0x47

# On text without its byte order mark and leading space, in lower case.
_TEXTS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "playlist",
        re.compile(r"#extm3u|#ext-x-|\[playlist\]|\[reference\]|v=0\s|rtsp://|<mpd[\s>]|<smil|<smoothstreaming"),
    ),
    ("script", re.compile(r"#!|ffconcat|concat:|<\?php|import\s+avisynth|lavfi")),
    ("drawing", re.compile(r"<svg[\s>]")),
    ("page", re.compile(r"<!doctype html|<html[\s>]|<head[\s>]|<body[\s>]|<script[\s>]")),
)
_XML_PROLOGUE = re.compile(r"(?:<\?xml[^>]*>|<!--.*?-->|<!doctype\s+(?!html)[^>\[]*(?:\[.*?\])?[^>]*>|\s)+", re.DOTALL)


def complaint(path: Path, role: Role) -> str | None:
    """Why the file must not be used as what it is said to be; None when it may."""
    found = inspect(path)
    if found in _ACCEPTED[role]:
        return None
    return f"The {role} is really {_NAMES[found]}"


def inspect(path: Path) -> Kind:
    """Looks behind ID3 tags, as ffmpeg does."""
    with path.open("rb") as file:
        offset = 0
        for _ in range(_MAX_TAGS):
            file.seek(offset)
            head = file.read(_HEAD_BYTES)
            length = _tag_bytes(head)
            if not length:
                break
            offset += length
        found = kind_of(head)
    return "media" if offset and found in {"empty", "unknown"} else found


def is_transport_stream(path: Path) -> bool:
    with path.open("rb") as file:
        return _is_transport_stream(file.read(_HEAD_BYTES))


def kind_of(head: bytes) -> Kind:
    if not head:
        return "empty"
    return _by_signature(head) or _by_structure(head) or _by_text(head)


def _tag_bytes(head: bytes) -> int:
    """The length of an ID3v2 tag with its header; 0 when there is none."""
    if head[:3] != b"ID3" or len(head) < _TAG_HEADER_BYTES:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + _TAG_HEADER_BYTES


def _by_signature(head: bytes) -> Kind | None:
    return next((kind for offset, mark, kind in _SIGNATURES if head.startswith(mark, offset)), None)


def _by_structure(head: bytes) -> Kind | None:
    if head[:4] in {b"RIFF", b"RF64"}:
        return _RIFF.get(head[8:12])
    if head[4:8] in _BOXES:
        return "image" if head[8:12] in _STILL_BRANDS else "media"
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return "media"
    return "media" if any(looks_so(head) for looks_so in _STREAMS) else None


def _is_audio_frame(head: bytes) -> bool:
    """MPEG audio or AAC in ADTS: eleven bits of synchronisation, no reserved version; and not text in UTF-16."""
    if len(head) < 4 or (head[:2] == b"\xff\xfe" and not head[3]):  # noqa: PLR2004
        return False
    return head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x18 != 0x08  # noqa: PLR2004


def _is_transport_stream(head: bytes) -> bool:
    return any(
        len(head) > start + _TS_PACKET and head[start] == head[start + step] == _TS_SYNC
        for start, step in ((0, _TS_PACKET), (4, _TS_PACKET + 4))
        if len(head) > start + step
    )


_STREAMS: tuple[Callable[[bytes], bool], ...] = (_is_audio_frame, _is_transport_stream)


def _by_text(head: bytes) -> Kind:
    text = _decoded(head)
    if text is None:
        return "unknown"
    start = text.lstrip("\ufeff \t\r\n\x0b\x0c").lower()
    if prologue := _XML_PROLOGUE.match(start):
        start = start[prologue.end() :]
    return next((kind for kind, pattern in _TEXTS if pattern.match(start)), "text")


def _decoded(head: bytes) -> str | None:
    """The text; None for binary. The last character may be cut."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace")
    if b"\x00" in head:
        return None
    try:
        return head.decode()
    except UnicodeDecodeError as error:
        cut = len(head) == _HEAD_BYTES and error.start > len(head) - 4
        return head[: error.start].decode() if cut else _latin(head)


def _latin(head: bytes) -> str | None:
    """Old pages are not UTF-8; media without a NUL in four kilobytes hardly have so few control bytes."""
    controls = sum(byte < 0x20 and byte not in b"\t\r\n\x0c\x1b" for byte in head)  # noqa: PLR2004
    return head.decode("latin-1") if controls * 100 < len(head) else None
