"""The bytes of a zip archive around files that are stored as they are: where each lies is known before any is read.

After PKWARE's APPNOTE 6.3: no compression, names in UTF-8, and zip64 only where a number is too large for the old
fields, since old programs know no other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

MAX_16, MAX_32 = 0xFFFF, 0xFFFFFFFF
_UTF8 = 0x0800
_STORED = 0
_PLAIN, _ZIP64 = 20, 45
_UNIX = 3 << 8
_MODE = 0o100644 << 16
_ZIP64_EXTRA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    name: str
    size: int
    crc32: int
    changed_at: datetime

    @property
    def is_large(self) -> bool:
        return self.size >= MAX_32


def local_header(member: Member) -> bytes:
    """What stands before the bytes of a member."""
    name = member.name.encode()
    extra = _extra([member.size, member.size]) if member.is_large else b""
    size = MAX_32 if member.is_large else member.size
    needed = _ZIP64 if member.is_large else _PLAIN
    fields = (needed, _UTF8, _STORED, *_dos_time(member.changed_at), member.crc32, size, size, len(name), len(extra))
    return struct.pack("<4s5H3I2H", b"PK\3\4", *fields) + name + extra


def directory(members: Iterable[tuple[Member, int]], start: int) -> bytes:
    """All that follows the last member; each comes with the offset of its header, `start` is that of the directory."""
    entries = [_entry(member, offset) for member, offset in members]
    listing = b"".join(entries)
    return listing + _end(len(entries), len(listing), start)


def _entry(member: Member, offset: int) -> bytes:
    name = member.name.encode()
    is_far = offset >= MAX_32
    large = [*([member.size, member.size] if member.is_large else []), *([offset] if is_far else [])]
    extra = _extra(large) if large else b""
    needed = _ZIP64 if large else _PLAIN
    size = MAX_32 if member.is_large else member.size
    about = (_UNIX | needed, needed, _UTF8, _STORED, *_dos_time(member.changed_at), member.crc32, size, size)
    rest = (len(name), len(extra), 0, 0, 0, _MODE, MAX_32 if is_far else offset)
    return struct.pack("<4s6H3I5H2I", b"PK\1\2", *about, *rest) + name + extra


def _end(count: int, size: int, start: int) -> bytes:
    large = b""
    if count >= MAX_16 or size >= MAX_32 or start >= MAX_32:
        record = (44, _UNIX | _ZIP64, _ZIP64, 0, 0, count, count, size, start)
        large = struct.pack("<4sQ2H2I4Q", b"PK\6\6", *record) + struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
    counts = min(count, MAX_16)
    return large + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, counts, counts, min(size, MAX_32), min(start, MAX_32), 0)


def _extra(numbers: list[int]) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", _ZIP64_EXTRA, 8 * len(numbers), *numbers)


def _dos_time(moment: datetime) -> tuple[int, int]:
    """Two seconds are the finest it knows, and the years from 1980 to 2107."""
    year = min(max(moment.year, 1980), 2107)
    time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
    return time, (year - 1980) << 9 | moment.month << 5 | moment.day
