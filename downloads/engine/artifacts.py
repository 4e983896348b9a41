"""What an attempt hands over: which files, what they are, and that they are whole and on the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from downloads.engine import checksums, facts, mp4
from downloads.engine.checksums import Checksums
from downloads.engine.errors import ErrorCode, JobError
from downloads.engine.facts import Facts
from downloads.engine.metadata import NAME_CHARACTERS, clean_text

Kind = Literal["media", "subtitle", "thumbnail", "info_json"]

_MP4_SUFFIXES = frozenset({".mp4", ".m4a", ".m4v", ".mov"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    path: Path
    kind: Kind
    language: str | None = None

    @property
    def is_main(self) -> bool:
        return self.kind == "media"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The checksums of a file that somebody has just had to read anyway; good as long as nobody writes to it."""

    checksums: Checksums
    inode: int
    size_bytes: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path, sums: Checksums) -> Digest:
        return cls._of(path.stat(), sums)

    @classmethod
    def _of(cls, status: os.stat_result, sums: Checksums) -> Digest:
        return cls(
            checksums=sums,
            inode=status.st_ino,
            size_bytes=status.st_size,
            changed_ns=status.st_mtime_ns,
        )

    def fits(self, status: os.stat_result) -> bool:
        return self == self._of(status, self.checksums)


def found(info: Mapping[str, Any], work: Path) -> list[Artifact]:
    """The finished files that the info dict names, the main one first; nothing else that lies in the directory."""
    candidates = [
        Artifact(path=Path(str(info.get("filepath"))), kind="media"),
        *_subtitles(info),
        *_thumbnails(info),
    ]
    return [item for item in candidates if item.is_main or _is_ours(item.path, work)]


def seal(artifact: Artifact, work: Path, known: Digest | None = None) -> tuple[int, Checksums]:
    """Size and checksums, when all bytes are on the disk. Raises JobError for what is no plain file of ours."""
    if not _is_ours(artifact.path, work):
        raise JobError(ErrorCode.INTERNAL_ERROR, f"The {artifact.kind} file is missing or not in its place")
    descriptor = os.open(artifact.path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file, ThreadPoolExecutor(1) as flusher:
        flushed = flusher.submit(os.fsync, descriptor)  # the disk and the processor work at the same time
        status = os.fstat(descriptor)
        sums = known.checksums if known and known.fits(status) else checksums.of(file)
        flushed.result()
        return status.st_size, sums


def flush_directory(work: Path) -> None:
    descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def describe(artifact: Artifact, info: Mapping[str, Any], heard: Facts) -> dict[str, Any]:
    """The descriptive half of a `file` event. `heard`: what ffmpeg said of the main file, if it ran."""
    known = _facts(artifact, info, heard) if artifact.is_main else facts.NOTHING
    extension = artifact.path.suffix.removeprefix(".")
    return {
        "path": artifact.path.name,
        "kind": artifact.kind,
        "is_main": artifact.is_main,
        "ext": extension,
        "format": clean_text(info.get("format"), NAME_CHARACTERS) if artifact.is_main else extension,
        "language": artifact.language or (clean_text(info.get("language"), 50) if artifact.is_main else None),
        **asdict(known),
    }


def _facts(artifact: Artifact, info: Mapping[str, Any], heard: Facts) -> Facts:
    """The file itself knows best, where asking it costs next to nothing."""
    layout = mp4.read_layout(artifact.path) if artifact.path.suffix in _MP4_SUFFIXES else None
    seen = mp4.facts(layout) if layout else heard
    return facts.combine(seen, facts.from_info(info))


def _is_ours(path: Path, work: Path) -> bool:
    try:
        return path.parent == work and stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _subtitles(info: Mapping[str, Any]) -> Iterator[Artifact]:
    for language, subtitle in (info.get("requested_subtitles") or {}).items():
        if path := subtitle.get("filepath"):
            yield Artifact(path=Path(path), kind="subtitle", language=clean_text(language, 50))


def _thumbnails(info: Mapping[str, Any]) -> Iterator[Artifact]:
    for thumbnail in info.get("thumbnails") or ():
        if path := thumbnail.get("filepath"):
            yield Artifact(path=Path(path), kind="thumbnail")
