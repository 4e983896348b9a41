"""Where bytes lie, and nothing else knows: keys made of ids, work directories, and the store of what is published.

`work/<job>/` is private to a job and outlives its attempts; `<job>/<attempt>/<file>.<ext>` is published, below
`files/` or in a bucket.
"""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings

from downloads import mime
from downloads.local_store import LocalStore


class StorageError(Exception):
    """A file is not what the attempt said it is."""


def ensure_roots() -> None:
    for root in (settings.DATA_DIR, settings.FILES_ROOT, settings.WORK_ROOT, settings.RUN_ROOT):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)


# --- Work directories -------------------------------------------------------------------------------------------


def work_directory(job_id: uuid.UUID) -> Path:
    return Path(settings.WORK_ROOT) / str(job_id)


def prepare_work(job_id: uuid.UUID) -> Path:
    directory = work_directory(job_id)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def remove_work(job_id: uuid.UUID) -> None:
    shutil.rmtree(work_directory(job_id), ignore_errors=True)


def work_job_ids() -> Iterator[uuid.UUID]:
    yield from _directories_named_by_id(Path(settings.WORK_ROOT))


# --- Published files --------------------------------------------------------------------------------------------


def key_of(job_id: uuid.UUID, attempt: int, file_id: uuid.UUID, extension: str) -> str:
    return f"{job_id}/{attempt}/{file_id}.{extension}"


class Store(Protocol):
    """Where published files are kept. Failures are OSErrors."""

    def put(self, source: Path, key: str, *, mime_type: str, beat: Callable[[], None]) -> None:
        """Takes the file at `source`, which may be gone afterwards. While that lasts, `beat` is called now and then."""

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
    facts = source.lstat()
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1 or facts.st_size != size_bytes:
        raise StorageError("A finished file is not the regular file that was reported.")
    store().put(source, key, mime_type=mime_type, beat=beat)


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
    return shutil.disk_usage(settings.DATA_DIR).free


def total_bytes() -> int:
    return shutil.disk_usage(settings.DATA_DIR).total


def has_room() -> bool:
    return free_bytes() >= settings.STORAGE_RESERVE_BYTES
