"""One zip of all files of a batch. Only its plan is made here: headers, and the keys of the files between them.

The layer that sends it (mediadl/asgi/archives.py) reads the files as it comes to them: no copy is made, and since every
offset is known beforehand, a broken transfer can be resumed. What the plan is made of is in its ETag.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from downloads import names
from downloads.api.representation import shown_directories
from downloads.files import disposition
from downloads.models import Batch, Job, MediaFile, Status
from downloads.zipformat import Member, directory, local_header

TYPE = "application/zip"
MISSING = "not in this archive.txt"
INERT = "sandbox; default-src 'none'; frame-ancestors 'none'"
# Bytes, or a file's key, size and the token by which it is told that the file has been fetched.
Segment = bytes | tuple[str, int, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    segments: tuple[Segment, ...]
    name: str

    @property
    def size(self) -> int:
        return sum(len(segment) if isinstance(segment, bytes) else segment[1] for segment in self.segments)

    def plan(self) -> bytes:
        """For the layer that sends it: base64 texts, and lists of key, size and token."""
        rows = [
            base64.b64encode(segment).decode() if isinstance(segment, bytes) else list(segment)
            for segment in self.segments
        ]
        return json.dumps(rows, separators=(",", ":")).encode()

    def headers(self, owner_id: Any, plan: bytes) -> dict[str, str]:
        return {
            "X-Accel-Segments": str(self.size),
            "X-Accel-Owner": str(owner_id),
            "Content-Type": TYPE,
            "Content-Disposition": disposition(self.name),
            "Content-Security-Policy": INERT,
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-cache",
            "ETag": f'"{hashlib.sha256(plan).hexdigest()[:32]}"',
        }


def of(batch: Batch) -> Archive | None:
    """With what there is now, and a list of what is not. None when there is no file at all."""
    jobs = list(batch.jobs.present().in_order())
    files = list(MediaFile.objects.archivable().filter(job__batch=batch).order_by("job__playlist_index", "job", "pk"))
    if not files:
        return None
    by_id = {job.pk: job for job in jobs}
    paths = _distinct(_without_common(_path(by_id[file.job_id], file) for file in files))
    members = [
        (_member(path, file), _file_segment(by_id[file.job_id], file)) for path, file in zip(paths, files, strict=True)
    ]
    kept = set(MediaFile.objects.stored().main_ones().filter(job__batch=batch).values_list("job", flat=True))
    if text := _missing(jobs, {file.job_id for file in files if file.is_main}, kept):
        changed_at = max(job.updated_at for job in jobs)
        name = MISSING if MISSING not in paths else f"_{MISSING}"
        members.append((Member(name=name, size=len(text), crc32=zlib.crc32(text), changed_at=changed_at), text))
    name = names.safe(batch.title, 150) if batch.title else f"batch {batch.created_at:%Y-%m-%d}"
    return Archive(segments=tuple(_joined(_laid_out(members))), name=f"{name}.zip")


# --- The layout -------------------------------------------------------------------------------------------------


def _laid_out(members: Iterable[tuple[Member, Segment]]) -> Iterator[Segment]:
    offset, placed = 0, []
    for member, content in members:
        header = local_header(member)
        placed.append((member, offset))
        offset += len(header) + member.size
        yield header
        yield content
    yield directory(placed, offset)


def _joined(segments: Iterable[Segment]) -> Iterator[Segment]:
    """What lies side by side and is no file becomes one."""
    pending = b""
    for segment in segments:
        if isinstance(segment, bytes):
            pending += segment
            continue
        yield pending
        pending = b""
        yield segment
    yield pending


def _member(path: str, file: MediaFile) -> Member:
    return Member(name=path, size=file.size_bytes, crc32=file.crc32 or 0, changed_at=file.created_at)


def _file_segment(job: Job, file: MediaFile) -> Segment:
    token = str(file.pk) if job.options.get("delete_after_download") else None
    return file.storage_key, file.size_bytes, token


# --- Names ------------------------------------------------------------------------------------------------------


def _path(job: Job, file: MediaFile) -> PurePosixPath:
    return PurePosixPath(*shown_directories(job), file.filename)


def _without_common(paths: Iterable[PurePosixPath]) -> list[PurePosixPath]:
    """Directories that all of them lie in say nothing."""
    paths = list(paths)
    while all(len(path.parts) > 1 for path in paths) and len({path.parts[0] for path in paths}) == 1:
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]
    return paths


def _distinct(paths: Iterable[PurePosixPath]) -> list[str]:
    """Also for file systems that take capitals for small letters."""
    taken: set[str] = set()
    result = []
    for path in paths:
        candidate, number = path, 1
        while str(candidate).casefold() in taken:
            number += 1
            candidate = path.with_name(f"{path.stem} ({number}){path.suffix}")
        taken.add(str(candidate).casefold())
        result.append(str(candidate))
    return result


# --- What is not there ------------------------------------------------------------------------------------------


def _missing(jobs: Iterable[Job], present: set[Any], kept: set[Any]) -> bytes:
    lines = [line for job in jobs if job.pk not in present for line in _said_of(job, is_kept=job.pk in kept)]
    return "\r\n".join(["Not in this archive:", "", *lines]).encode() if lines else b""


def _said_of(job: Job, *, is_kept: bool) -> Iterator[str]:
    state = f"{job.status}: {job.error_message}" if job.error_message else str(job.status)
    if job.status == Status.COMPLETED:
        state = "its file can only be fetched by itself" if is_kept else "its file has been deleted"
    yield from (job.title or job.url, f"  {job.url}", f"  {state}", "")
