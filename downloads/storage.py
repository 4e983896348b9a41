"""Where bytes lie, and nothing else knows: keys made of ids, work directories, and the store of what is published.

`work/<job>/` is private to a job and outlives its attempts; `<job>/<attempt>/<file>.<ext>` is published, below
`files/` or in a bucket.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings

from downloads import mime
from downloads.local_store import LocalStore


class StorageError(Exception):
    """A file is not what the attempt said it is."""


# Jobs need entries for directories, parts and files.
FEWEST_ENTRIES = 64


def roots() -> tuple[Path, ...]:
    return (settings.DATA_DIR, settings.FILES_ROOT, settings.WORK_ROOT, settings.RUN_ROOT)


def ensure_roots() -> None:
    """At a start alone. Later they are there, or the disk is away, and nothing may be written where it was mounted."""
    for root in roots():
        root.mkdir(mode=0o700, parents=True, exist_ok=True)


def is_there() -> bool:
    """Whether the disk is: its directories, on the mount that REQUIRE_MOUNT names."""
    try:
        is_mounted = not settings.REQUIRE_MOUNT or os.path.ismount(settings.REQUIRE_MOUNT)
        return is_mounted and all(root.is_dir() for root in roots())
    except OSError:
        return False


def check_there() -> None:
    """Raises OSError. For who is about to write what would otherwise lie below the mount."""
    if not is_there():
        raise OSError(errno.ENODEV, "the disk is not there")


# --- Work directories -------------------------------------------------------------------------------------------


def work_directory(job_id: uuid.UUID) -> Path:
    return Path(settings.WORK_ROOT) / str(job_id)


def prepare_work(job_id: uuid.UUID) -> Path:
    """Raises OSError, also when the disk is away."""
    check_there()
    directory = work_directory(job_id)
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def remove_work(job_id: uuid.UUID) -> None:
    shutil.rmtree(work_directory(job_id), ignore_errors=True)


def yield_room(job_id: uuid.UUID) -> None:
    """Gives up what a job has of its file when the disk is full, unless it has the most of all.

    Jobs that wait for room would hold all of it between them otherwise, and none could end. One keeps its bytes.
    """
    sizes = {other: _bytes_below(work_directory(other)) for other in work_job_ids()}
    if job_id in sizes and job_id != max(sizes, key=lambda other: (sizes[other], other)):
        remove_work(job_id)


def work_job_ids() -> Iterator[uuid.UUID]:
    yield from _directories_named_by_id(Path(settings.WORK_ROOT))


def _bytes_below(directory: Path) -> int:
    """As they lie on the disk. Others may be at work there."""
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(place, name).lstat().st_blocks * 512
    return total


# --- Published files --------------------------------------------------------------------------------------------


def key_of(job_id: uuid.UUID, attempt: int, file_id: uuid.UUID, extension: str) -> str:
    return f"{job_id}/{attempt}/{file_id}.{extension}"


class Store(Protocol):
    """Where published files are kept. Failures are OSErrors."""

    def put(self, source: Path, key: str, *, mime_type: str, beat: Callable[[], None]) -> None:
        """Takes the file at `source`, which may be gone afterwards. While that lasts, `beat` is called now and then."""

    def share(self, source: str, key: str, size_bytes: int, *, mime_type: str, beat: Callable[[], None]) -> None:
        """Has what is at `source` also at `key`, each to be removed by itself."""

    def flush(self, job_id: uuid.UUID, attempt: int) -> None:
        """Makes what was put durable: called before the rows are committed that speak of it."""

    def open(self, key: str) -> BinaryIO: ...
    def has(self, key: str) -> bool: ...
    def remove(self, keys: Iterable[str]) -> None: ...
    def remove_attempt(self, job_id: uuid.UUID, attempt: int) -> None: ...
    def sizes(self) -> Iterator[tuple[str, int]]: ...
    def tidy(self) -> None: ...


def store() -> Store:
    if settings.S3_BUCKET:
        # Loaded where there is a bucket: it costs every process 20 MB.
        from downloads import bucket_store  # noqa: PLC0415

        return bucket_store.configured()
    return LocalStore(Path(settings.FILES_ROOT))


def path_of(key: str) -> Path:
    """Where it lies on this machine's disk; not where there is a bucket."""
    return Path(settings.FILES_ROOT) / key


def no_beat() -> None:
    pass


def publish(
    source: Path, key: str, size_bytes: int, *, mime_type: str = mime.OPAQUE, beat: Callable[[], None] = no_beat
) -> None:
    """Hands a finished file to the store. Raises StorageError unless it is a regular file of that size."""
    check_there()
    facts = source.lstat()
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1 or facts.st_size != size_bytes:
        raise StorageError("A finished file is not the regular file that was reported.")
    store().put(source, key, mime_type=mime_type, beat=beat)


def share(
    source: str, key: str, size_bytes: int, *, mime_type: str = mime.OPAQUE, beat: Callable[[], None] = no_beat
) -> None:
    """Publishes under `key` what is published under `source`. Raises OSError, also when that has another size."""
    store().share(source, key, size_bytes, mime_type=mime_type, beat=beat)


def flush(job_id: uuid.UUID, attempt: int) -> None:
    store().flush(job_id, attempt)


def open_file(key: str) -> BinaryIO:
    """To be read from the beginning to the end, and closed. Raises FileNotFoundError."""
    return store().open(key)


def has(key: str) -> bool:
    return store().has(key)


def remove(keys: Iterable[str]) -> None:
    """Removes files and the directories that this leaves empty; what is gone already is no error."""
    store().remove(keys)


def remove_attempt(job_id: uuid.UUID, attempt: int) -> None:
    store().remove_attempt(job_id, attempt)


def stored_sizes() -> Iterator[tuple[str, int]]:
    """Every file in the store: its key and its size."""
    return store().sizes()


def _directories_named_by_id(root: Path) -> Iterator[uuid.UUID]:
    if not root.is_dir():
        return
    for entry in os.scandir(root):
        try:
            yield uuid.UUID(entry.name)
        except ValueError:
            continue


# --- Room -------------------------------------------------------------------------------------------------------


def free_bytes() -> int:
    """0 when the disk is away."""
    return _usage().free


def total_bytes() -> int:
    """0 when the disk is away."""
    return _usage().total


def has_room() -> bool:
    """Jobs wait for a disk that is away: what room there will be is seen when it is back."""
    usage = _usage()
    return not is_there() or (usage.free >= settings.STORAGE_RESERVE_BYTES and usage.entries >= FEWEST_ENTRIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    total: int
    free: int
    entries: float


def _usage() -> Usage:
    try:
        found = os.statvfs(settings.DATA_DIR)
    except OSError:
        return Usage(total=0, free=0, entries=0)
    # Some file systems have as many entries as there is room for, and say 0.
    entries = found.f_favail if found.f_files else math.inf
    return Usage(total=found.f_blocks * found.f_frsize, free=found.f_bavail * found.f_frsize, entries=entries)
