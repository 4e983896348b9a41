"""What is reckoned of a file's bytes while they are read once: SHA-256 for people and tags, CRC-32 for archives."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import BinaryIO

_READ_BYTES = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksums:
    sha256: str
    crc32: int


class Sum:
    def __init__(self, data: bytes = b"") -> None:
        self._sha256 = hashlib.sha256(data)
        self._crc32 = zlib.crc32(data)

    def add(self, data: bytes | memoryview) -> None:
        self._sha256.update(data)
        self._crc32 = zlib.crc32(data, self._crc32)

    def add_rest(self, file: BinaryIO) -> None:
        buffer = bytearray(_READ_BYTES)
        view = memoryview(buffer)
        while count := file.readinto(buffer):  # type: ignore[attr-defined]  # files that are opened for bytes have it
            self.add(view[:count])

    @property
    def checksums(self) -> Checksums:
        return Checksums(sha256=self._sha256.hexdigest(), crc32=self._crc32)


def of(file: BinaryIO) -> Checksums:
    total = Sum()
    total.add_rest(file)
    return total.checksums
