"""What is asked for, and what a route answers with, apart from how that is delivered."""

from __future__ import annotations

import functools
import hashlib
import random
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import parse_qs, urljoin

CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".ts": "video/mp2t",
    ".m4s": "video/iso.segment",
    ".key": "application/octet-stream",
    ".vtt": "text/vtt; charset=utf-8",
    ".xml": "application/rss+xml; charset=utf-8",
}
HTML = "text/html; charset=utf-8"
_BLOCK_BYTES = 1 << 20


class Body(Protocol):
    @property
    def size(self) -> int: ...

    @property
    def etag(self) -> str: ...

    def chunks(self, start: int, stop: int) -> Iterator[memoryview]: ...


@dataclass(frozen=True, slots=True)
class BytesBody:
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.data).hexdigest()[:32]}"'

    def chunks(self, start: int, stop: int) -> Iterator[memoryview]:
        view = memoryview(self.data)
        for offset in range(start, stop, _BLOCK_BYTES):
            yield view[offset : min(offset + _BLOCK_BYTES, stop)]


@dataclass(frozen=True, slots=True)
class PaddedBody:
    """A head followed by deterministic padding up to `size`, never held in memory as a whole."""

    head: bytes
    size: int

    @property
    def etag(self) -> str:
        return f'"padded-{self.size}-{hashlib.sha256(self.head).hexdigest()[:16]}"'

    def chunks(self, start: int, stop: int) -> Iterator[memoryview]:
        if start < len(self.head):
            yield memoryview(self.head)[start : min(stop, len(self.head))]
        offset = max(start, len(self.head))
        padding = memoryview(_padding())
        while offset < stop:
            phase = offset % len(padding)
            part = padding[phase : phase + stop - offset]
            yield part
            offset += len(part)


@functools.cache
def _padding() -> bytes:
    """Noise with a period that is prime, so that a resume at a wrong offset shows in the hash."""
    return random.Random(2026).randbytes(1048573)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    path: str
    query: str
    base_url: str
    cookie: str = ""

    def param(self, name: str, default: str = "") -> str:
        return parse_qs(self.query, keep_blank_values=True).get(name, [default])[0]

    def number(self, name: str, default: int) -> int:
        return int(self.param(name, str(default)))

    def absolute(self, path: str) -> str:
        return urljoin(self.base_url, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    body: Body
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_manifest(self) -> bool:
        return self.content_type in {CONTENT_TYPES[".m3u8"], CONTENT_TYPES[".mpd"]}


def text(
    content: str, content_type: str = HTML, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Resource:
    body = BytesBody(content.encode())
    return Resource(body=body, content_type=content_type, status=status, headers=headers or {})


def redirect(location: str, code: int = HTTPStatus.FOUND) -> Resource:
    return text("Elsewhere", status=code, headers={"Location": location})


def blob(data: bytes, name: str) -> Resource:
    return Resource(body=BytesBody(data), content_type=type_of(name))


def type_of(name: str) -> str:
    return CONTENT_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")


def free_box_header(payload_bytes: int) -> bytes:
    """An MP4 box that players skip; with 64-bit length where 32 bits do not reach."""
    if payload_bytes + 8 < 1 << 32:
        return struct.pack(">I4s", payload_bytes + 8, b"free")
    return struct.pack(">I4sQ", 1, b"free", payload_bytes + 8)


def padded_mp4(mp4: bytes, size: int) -> PaddedBody:
    """`mp4` made exactly `size` bytes long by a trailing `free` box. Raises ValueError when it is too small."""
    payload = size - len(mp4) - 8
    if payload < 8:
        raise ValueError(f"a padded clip has at least {len(mp4) + 16} bytes")
    return PaddedBody(head=mp4 + free_box_header(payload), size=size)


def numbered_mp4(mp4: bytes, number: int) -> BytesBody:
    """The same picture in a file with bytes of its own."""
    payload = f"item {number}".encode()
    return BytesBody(mp4 + free_box_header(len(payload)) + payload)
