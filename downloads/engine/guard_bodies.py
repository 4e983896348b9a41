"""Where an HTTP/1 body ends. Pure: it is shown the bytes as they pass, and says which are the body's."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

MAX_LINE = 4096
MAX_TRAILERS = 16 * 1024
_WINDOW = 256

_STRICT_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")  # origins pad the size and add extensions


class MessageError(Exception):
    """The peer broke the protocol; `status` is what a client is told."""

    def __init__(self, why: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(why)
        self.status = status


class Body(Protocol):
    """How much of what arrives belongs to a body."""

    @property
    def is_complete(self) -> bool: ...

    @property
    def ends_with_connection(self) -> bool: ...

    def wanted(self, at_most: int) -> int:
        """How many bytes may be read now without reading past what belongs to others."""

    def take(self, data: memoryview) -> int:
        """How many of these bytes belong to the body. Raises MessageError."""


class Length:
    """A body of a known number of bytes, perhaps none."""

    ends_with_connection = False

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def is_complete(self) -> bool:
        return self._left == 0

    def wanted(self, at_most: int) -> int:
        return min(self._left, at_most)

    def take(self, data: memoryview) -> int:
        taken = min(self._left, len(data))
        self._left -= taken
        return taken


class UntilClose:
    """A body that ends where the connection does; also one direction of a tunnel."""

    ends_with_connection = True
    is_complete = False

    def wanted(self, at_most: int) -> int:
        return at_most

    def take(self, data: memoryview) -> int:
        return len(data)


class Chunked:
    """A chunked body with its framing, to be passed on as it is. `is_strict`: neither extensions nor trailers."""

    ends_with_connection = False

    def __init__(self, *, is_strict: bool) -> None:
        self.is_complete = False
        self._is_strict = is_strict
        self._size = _STRICT_SIZE if is_strict else _SIZE
        self._left = 0
        self._line = bytearray()
        self._trailer_bytes = 0
        self._on_line: Callable[[bytes], None] = self._read_size

    def wanted(self, at_most: int) -> int:
        return at_most

    def take(self, data: memoryview) -> int:
        position = 0
        while position < len(data) and not self.is_complete:
            if self._left:
                position += self._skip(len(data) - position)
            else:
                position += self._take_line(bytes(data[position : position + _WINDOW]))
        return position

    def _skip(self, available: int) -> int:
        skipped = min(self._left, available)
        self._left -= skipped
        return skipped

    def _take_line(self, window: bytes) -> int:
        end = window.find(b"\n") + 1
        self._line += window[:end] if end else window
        if len(self._line) > MAX_LINE:
            raise MessageError("chunk line")
        if not end:
            return len(window)
        line = bytes(self._line)
        self._line.clear()
        if not line.endswith(b"\r\n"):
            raise MessageError("chunk line")
        self._on_line(line[:-2])
        return end

    def _read_size(self, line: bytes) -> None:
        match = self._size.fullmatch(line)
        if match is None:
            raise MessageError("chunk size")
        self._left = int(match[1], 16)
        self._on_line = self._read_end_of_data if self._left else self._read_trailer

    def _read_end_of_data(self, line: bytes) -> None:
        if line:
            raise MessageError("chunk data")
        self._on_line = self._read_size

    def _read_trailer(self, line: bytes) -> None:
        self.is_complete = not line
        self._trailer_bytes += len(line)
        if line and (self._is_strict or self._trailer_bytes > MAX_TRAILERS):
            raise MessageError("trailers")
