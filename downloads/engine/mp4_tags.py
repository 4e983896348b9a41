"""Writes tags into a plain MP4 file, and `moov` to its front, without ffmpeg.

An ffmpeg process costs 20 to 70 ms and moves all bytes twice for `+faststart`; this is one pass in the kernel.
What has offsets that we do not follow is left to ffmpeg.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping
from ctypes import CDLL, c_int64, get_errno
from pathlib import Path
from typing import BinaryIO

from downloads.engine import checksums
from downloads.engine.checksums import Checksums
from downloads.engine.mp4 import HEADER_BYTES, Box, Layout, children, descend

# Boxes inside `moov` that point at bytes of the file in ways that we do not follow.
_FOREIGN_OFFSETS = (b"saio", b"iloc", b"cmov")
_MAX_SENDFILE_BYTES = 1 << 30
_INSERT_RANGE = 0x20
_CANNOT = (OverflowError, ValueError, struct.error)
_libc = CDLL(None, use_errno=True)

_UTF8, _IMPLICIT, _INTEGER = 1, 0, 21

_TEXT_ITEMS = {
    "title": b"\xa9nam",
    "artist": b"\xa9ART",
    "album_artist": b"aART",
    "composer": b"\xa9wrt",
    "album": b"\xa9alb",
    "date": b"\xa9day",
    "comment": b"\xa9cmt",
    "genre": b"\xa9gen",
    "description": b"desc",
    "synopsis": b"ldes",
    "show": b"tvsh",
    "episode_id": b"tven",
}
_NUMBER_ITEMS = {"season_number": b"tvsn", "episode_sort": b"tves"}
_PAIR_ITEMS = {"track": (b"trkn", ">HHHH"), "disc": (b"disk", ">HHH")}


def write(path: Path, layout: Layout, tags: Mapping[str, str], target: Path) -> bool:
    """Write `path` to `target` with `tags` and `moov` first. False, and no target, when it takes ffmpeg."""
    try:
        moov, old = _with_tags(layout, tags), layout.moov_box
        growth = len(moov) - (old.end - old.start)
        _move_chunks(moov, lambda at: at + (len(moov) if at < old.start else growth))
    except _CANNOT:
        return False
    with path.open("rb") as source, target.open("wb") as sink:
        ftyp, *others = (box for box in layout.boxes if box.kind != b"moov")
        _copy(source, sink, ftyp.start, ftyp.end)
        sink.write(moov)
        sink.flush()
        for box in others:
            _copy(source, sink, box.start, box.end)
    return True


def insert(path: Path, layout: Layout, tags: Mapping[str, str]) -> Checksums | None:
    """Write `tags` into `path` itself: the file system makes room before the media, of which no byte is copied.

    Returns the new file's checksums, which are cheapest to have just before. None, and nothing changed, where that
    cannot be. Ended in the middle, it leaves a broken file.
    """
    media = next((box.start for box in layout.boxes if box.kind == b"mdat"), 0)
    if not layout.is_fast_start or not media:
        return None
    descriptor = os.open(path, os.O_RDWR)
    try:
        head, growth = _head(descriptor, layout, tags, media)
        sums = _checksums(path, head, media)  # room is made by dropping the file from memory
        _make_room(descriptor, media, growth)
    except (*_CANNOT, OSError):
        return None
    else:
        os.pwrite(descriptor, head, 0)
        return sums
    finally:
        os.close(descriptor)


def is_done(layout: Layout, tags: Mapping[str, str]) -> bool:
    """Nothing to write: it starts fast and has these tags."""
    if not layout.is_fast_start:
        return False
    have = dict(_items(_ilst(layout.moov)))
    return all(have.get(key) == item for key, item in _rendered(tags))


def _with_tags(layout: Layout, tags: Mapping[str, str]) -> bytearray:
    """`moov` with its header, its chunks where they were. Raises one of `_CANNOT` for what we do not follow."""
    if any(mark in layout.moov for mark in _FOREIGN_OFFSETS):
        raise ValueError("the file has offsets of another kind")
    kept = [layout.moov[box.start : box.end] for box in children(layout.moov) if box.kind != b"udta"]
    return bytearray(_wrap(b"moov", b"".join([*kept, _udta(layout.moov, tags)])))


def _move_chunks(moov: bytearray, move: Callable[[int], int]) -> None:
    for box in list(descend(moov, HEADER_BYTES, len(moov))):
        if box.kind not in {b"stco", b"co64"}:
            continue
        table = array("I" if box.kind == b"stco" else "Q", bytes(moov[box.body + 8 : box.end]))
        _swap(table)
        moved = array(table.typecode, map(move, table))
        _swap(moved)
        moov[box.body + 8 : box.end] = moved.tobytes()


def _head(descriptor: int, layout: Layout, tags: Mapping[str, str], media: int) -> tuple[bytes, int]:
    """All that comes before the media, filled up to whole blocks of the file system, and by how much it grows."""
    before = [box for box in layout.boxes if box.start < media and box.kind not in {b"moov", b"free", b"skip", b"wide"}]
    moov = _with_tags(layout, tags)
    ftyp, *others = (os.pread(descriptor, box.end - box.start, box.start) for box in before)
    length = len(ftyp) + len(moov) + sum(map(len, others)) + HEADER_BYTES
    block = os.fstatvfs(descriptor).f_bsize
    growth = max(-(-(length - media) // block) * block, 0)

    def move(at: int) -> int:
        if at < media:
            raise ValueError("there are media before the media")
        return at + growth

    _move_chunks(moov, move)
    padding = _wrap(b"free", bytes(media + growth - length))
    return b"".join([ftyp, bytes(moov), *others, padding]), growth


def _checksums(path: Path, head: bytes, media: int) -> Checksums:
    total = checksums.Sum(head)
    with path.open("rb", buffering=0) as file:
        file.seek(media)
        total.add_rest(file)
    return total.checksums


def _make_room(descriptor: int, before: int, length: int) -> None:
    """Raises OSError where the file system cannot, which most that keep extents can."""
    if not length:
        return
    block = os.fstatvfs(descriptor).f_bsize
    fallocate = getattr(_libc, "fallocate", None)
    if fallocate is None or fallocate(descriptor, _INSERT_RANGE, c_int64(before // block * block), c_int64(length)):
        raise OSError(get_errno(), "no room can be made inside the file")


def _swap(table: array[int]) -> None:
    if sys.byteorder == "little":  # pragma: no branch - a machine has one order
        table.byteswap()


def _udta(moov: bytes, tags: Mapping[str, str]) -> bytes:
    """`moov`'s user data with our items in place of those of the same kind. Raises ValueError for another scheme."""
    if not tags:
        return b"".join(moov[box.start : box.end] for box in children(moov) if box.kind == b"udta")
    ours = dict(_rendered(tags))
    others = [item for key, item in _items(_ilst(moov)) if key not in ours]
    ilst = _wrap(b"ilst", b"".join([*others, *ours.values()]))
    handler = _wrap(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    rest = [
        moov[box.start : box.end]
        for udta in children(moov)
        if udta.kind == b"udta"
        for box in children(moov, udta.body, udta.end)
        if box.kind != b"meta"
    ]
    return _wrap(b"udta", b"".join([*rest, _wrap(b"meta", bytes(4) + handler + ilst)]))


def _ilst(moov: bytes) -> bytes:
    for udta in children(moov):
        if udta.kind != b"udta":
            continue
        for meta in children(moov, udta.body, udta.end):
            if meta.kind == b"meta":
                return _ilst_of(moov, meta)
    return b""


def _ilst_of(moov: bytes, meta: Box) -> bytes:
    boxes = {box.kind: moov[box.body : box.end] for box in children(moov, meta.body + 4, meta.end)}
    if boxes.get(b"hdlr", b"")[8:12] != b"mdir":
        raise ValueError("the file's metadata follow another scheme")
    return boxes.get(b"ilst", b"")


def _items(ilst: bytes) -> Iterator[tuple[bytes, bytes]]:
    for box in children(ilst):
        yield box.kind, ilst[box.start : box.end]


def _rendered(tags: Mapping[str, str]) -> Iterator[tuple[bytes, bytes]]:
    """Names are ffmpeg's; what MP4 has no item for is left out, as ffmpeg does."""
    for name, value in tags.items():
        if name in _TEXT_ITEMS:
            yield _item(_TEXT_ITEMS[name], _UTF8, value.encode("utf-8", "replace"))
        elif name in _NUMBER_ITEMS and value.isdecimal() and int(value) < 1 << 31:
            yield _item(_NUMBER_ITEMS[name], _INTEGER, struct.pack(">i", int(value)))
        elif name in _PAIR_ITEMS and value.isdecimal() and int(value) < 1 << 16:
            kind, shape = _PAIR_ITEMS[name]
            yield _item(kind, _IMPLICIT, struct.pack(shape, 0, int(value), *[0] * (len(shape) - 3)))


def _item(kind: bytes, data_type: int, payload: bytes) -> tuple[bytes, bytes]:
    return kind, _wrap(kind, _wrap(b"data", struct.pack(">II", data_type, 0) + payload))


def _wrap(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + HEADER_BYTES, kind) + body


def _copy(source: BinaryIO, sink: BinaryIO, start: int, end: int) -> None:
    while start < end:
        sent = os.sendfile(sink.fileno(), source.fileno(), start, min(end - start, _MAX_SENDFILE_BYTES))
        if not sent:
            raise OSError("the file became shorter while it was read")
        start += sent
