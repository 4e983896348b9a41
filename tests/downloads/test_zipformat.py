"""What is made is read by Python's zipfile and by Info-ZIP, also where sizes and offsets are beyond 32 bits."""

from __future__ import annotations

import io
import subprocess
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from downloads.zipformat import Member, directory, local_header

MOMENT = datetime(2026, 11, 24, 12, 30, 42, tzinfo=UTC)
GIB = 1024**3


def member(name: str, content: bytes) -> Member:
    return Member(name=name, size=len(content), crc32=zlib.crc32(content), changed_at=MOMENT)


def archive(contents: dict[str, bytes]) -> bytes:
    body, placed = b"", []
    for name, content in contents.items():
        placed.append((member(name, content), len(body)))
        body += local_header(placed[-1][0]) + content
    return body + directory(placed, len(body))


def test_is_read_as_it_was_made() -> None:
    contents = {"one.txt": b"first", "Ü/☃ 日本語.mp4": b"\0" * 1000, "empty": b""}
    with zipfile.ZipFile(io.BytesIO(archive(contents))) as read:
        assert {info.filename: read.read(info) for info in read.infolist()} == contents
        assert read.testzip() is None
        assert {info.date_time for info in read.infolist()} == {(2026, 11, 24, 12, 30, 42)}
        assert {info.external_attr >> 16 for info in read.infolist()} == {0o100644}


@pytest.mark.needs("unzip")
def test_info_zip_finds_no_error(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive({"one.txt": b"first", "Ü ☃.mp4": b"second"}))
    found = subprocess.run(["unzip", "-t", str(path)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    assert "No errors detected" in found.stdout


class Sparse(io.RawIOBase):
    """Some texts at some places, and zeros between them."""

    def __init__(self, size: int, texts: dict[int, bytes]) -> None:
        self._size, self._texts, self._at = size, texts, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._size, self._at + size)
        data = bytearray(end - self._at)
        for place, text in self._texts.items():
            first, last = max(place, self._at), min(place + len(text), end)
            if first < last:
                data[first - self._at : last - self._at] = text[first - place : last - place]
        self._at = end
        return bytes(data)


@pytest.mark.parametrize("size", [4 * GIB - 2, 4 * GIB - 1, 4 * GIB, 9 * GIB])
def test_large_members_and_what_lies_behind_them(size: int) -> None:
    large = Member(name="large.mp4", size=size, crc32=0, changed_at=MOMENT)
    small = member("small.txt", b"behind it")
    header, behind = local_header(large), local_header(small)
    place = len(header) + size
    start = place + len(behind) + small.size
    end = directory([(large, 0), (small, place)], start)
    texts = {0: header, place: behind + b"behind it", start: end}
    with zipfile.ZipFile(Sparse(start + len(end), texts)) as read:
        assert [(info.filename, info.file_size) for info in read.infolist()] == [("large.mp4", size), ("small.txt", 9)]
        assert read.read("small.txt") == b"behind it"
        with read.open("large.mp4") as file:
            assert file.read(10) == bytes(10)


def test_more_members_than_sixteen_bits_count() -> None:
    one = local_header(member("x", b""))
    placed = [(member("x", b""), 0)] * 70_000
    with zipfile.ZipFile(io.BytesIO(one + directory(placed, len(one)))) as read:
        assert len(read.infolist()) == 70_000
