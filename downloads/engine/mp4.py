"""The boxes of a plain MP4 file, and what they tell of its streams, without a process of ffprobe's.

Plain: one `moov`, no fragments, boxes that fit. Whatever a hostile file claims, the answer is None or less facts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from downloads.engine.facts import Facts

MAX_MOOV_BYTES = 64 * 1024**2
HEADER_BYTES = 8
# stbl in minf in mdia in trak; a hostile file may nest without end.
MAX_DEPTH = 5
_MAX_BOXES = 1000
_PLAIN = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"pdin"})
CONTAINERS = frozenset({b"trak", b"mdia", b"minf", b"stbl"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    kind: bytes
    start: int
    body: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A plain file: its top-level boxes, and `moov` as bytes without its header."""

    boxes: tuple[Box, ...]
    moov: bytes

    @property
    def moov_box(self) -> Box:
        return next(box for box in self.boxes if box.kind == b"moov")

    @property
    def is_fast_start(self) -> bool:
        return next((box.kind == b"moov" for box in self.boxes if box.kind in {b"moov", b"mdat"}), False)


def read_layout(path: Path) -> Layout | None:
    """None for what is no plain MP4 file."""
    with path.open("rb") as file:
        boxes = _top_level(file, path.stat().st_size)
        moovs = [box for box in boxes or () if box.kind == b"moov"]
        if boxes is None or len(moovs) != 1 or moovs[0].end - moovs[0].body > MAX_MOOV_BYTES:
            return None
        file.seek(moovs[0].body)
        return Layout(boxes=boxes, moov=file.read(moovs[0].end - moovs[0].body))


def facts(layout: Layout) -> Facts:
    try:
        return _facts(layout)
    except (ValueError, struct.error):
        return Facts()


def _facts(layout: Layout) -> Facts:
    known: dict[str, float | int | str | None] = {"duration": _duration(layout.moov)}
    for trak in children(layout.moov):
        if trak.kind == b"trak":
            for name, value in _track_facts(layout.moov[trak.body : trak.end]).items():
                known.setdefault(name, value)
    return Facts(**known)  # type: ignore[arg-type]  # each name has the type that its reader gives


def _top_level(file: BinaryIO, size: int) -> tuple[Box, ...] | None:
    boxes: list[Box] = []
    offset = 0
    while offset < size:
        file.seek(offset)
        box = _box(file.read(16), offset, size)
        if box is None or box.kind not in _PLAIN or len(boxes) >= _MAX_BOXES:
            return None
        boxes.append(box)
        offset = box.end
    is_usual = boxes and boxes[0].kind == b"ftyp" and sum(box.kind == b"ftyp" for box in boxes) == 1
    return tuple(boxes) if is_usual else None


def _box(header: bytes, start: int, limit: int) -> Box | None:
    """None for one that is cut or does not fit."""
    if len(header) < HEADER_BYTES:
        return None
    length, kind = struct.unpack_from(">I4s", header)
    body = start + HEADER_BYTES
    if length == 1 and len(header) >= HEADER_BYTES * 2:
        length, body = struct.unpack_from(">Q", header, HEADER_BYTES)[0], body + HEADER_BYTES
    elif length == 0:
        length = limit - start
    end = start + length
    return Box(kind=kind, start=start, body=body, end=end) if body <= end <= limit else None


def children(data: bytes | bytearray, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Raises ValueError for a box that does not fit; QuickTime's closing zero word is no box."""
    limit = len(data) if end is None else end
    while start + HEADER_BYTES <= limit:
        box = _box(bytes(data[start : start + 16]), start, limit)
        if box is None:
            raise ValueError("a box does not fit into its parent")
        yield box
        start = box.end


def _duration(moov: bytes) -> float | None:
    for box in children(moov):
        if box.kind == b"mvhd":
            is_long = moov[box.body : box.body + 1] == b"\x01"
            scale, length = struct.unpack_from(">IQ" if is_long else ">II", moov, box.body + (20 if is_long else 12))
            return round(length / scale, 3) if scale and length else None
    return None


def _track_facts(trak: bytes) -> dict[str, int | str | None]:
    handler, entry = b"", b""
    for box in descend(trak, 0, len(trak)):
        if box.kind == b"hdlr" and not handler:  # QuickTime has a second one, of the data
            handler = trak[box.body + 8 : box.body + 12]
        elif box.kind == b"stsd":
            entry = trak[box.body + 8 : box.end]
    if handler == b"vide" and len(entry) >= 36:  # noqa: PLR2004 -- up to and with the height
        width, height = struct.unpack_from(">HH", entry, 32)
        return {"vcodec": _codec(entry), "width": width or None, "height": height or None}
    return {"acodec": _codec(entry)} if handler == b"soun" and entry else {}


def descend(data: bytes | bytearray, start: int, end: int, depth: int = 0) -> Iterator[Box]:
    """All boxes inside, parents first. Raises ValueError as `children` does, and for more levels than there are."""
    if depth > MAX_DEPTH:
        raise ValueError("boxes are nested too deep")
    for box in children(data, start, end):
        yield box
        if box.kind in CONTAINERS:
            yield from descend(data, box.body, box.end, depth + 1)


def _codec(entry: bytes) -> str:
    """As in RFC 6381 where the entry says enough."""
    name = entry[4:8].decode("ascii", "replace").strip().lower()
    profile = entry.find(b"avcC")
    if profile > 0:
        return f"{name}.{entry[profile + 5 : profile + 8].hex()}"
    return f"{name}{_object_type(entry)}" if name == "mp4a" else name


def _object_type(entry: bytes) -> str:
    """MPEG-4's kind of audio, from the descriptors in `esds`: .40.2 is AAC-LC, .6b is MP3."""
    descriptors = entry.find(b"esds") + 8
    config = entry.find(b"\x04", descriptors) if descriptors > 8 else -1  # noqa: PLR2004
    if config < 0:
        return ""
    while entry[config + 1 : config + 2] >= b"\x80":  # lengths may be padded
        config += 1
    kind = entry[config + 2 : config + 3]
    special = entry.find(b"\x05", config + 15)
    while entry[special + 1 : special + 2] >= b"\x80":
        special += 1
    if kind != b"\x40" or special < 0 or special + 2 >= len(entry):
        return f".{kind.hex()}" if kind else ""
    return f".40.{entry[special + 2] >> 3}"
