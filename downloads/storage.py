"""Where bytes lie, and nothing else knows: paths made of ids, publishing by rename, removal, and the audit.

`work/<job>/` is private to a job and outlives its attempts; `files/<job>/<attempt>/<file>.<ext>` is published.
"""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings


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


def path_of(key: str) -> Path:
    return Path(settings.FILES_ROOT) / key


def publish(source: Path, key: str, size_bytes: int) -> None:
    """Moves a finished file below the media root. Raises StorageError unless it is a regular file of that size."""
    facts = source.lstat()
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1 or facts.st_size != size_bytes:
        raise StorageError("A finished file is not the regular file that was reported.")
    target = path_of(key)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source.rename(target)
    target.chmod(0o640)


def flush(job_id: uuid.UUID, attempt: int) -> None:
    """Makes the renames durable: called before the rows are committed that speak of them."""
    for directory in (path_of(f"{job_id}/{attempt}"), path_of(str(job_id)), Path(settings.FILES_ROOT)):
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove(keys: Iterable[str]) -> None:
    """Removes files and the directories that this leaves empty; what is gone already is no error."""
    for key in keys:
        path = path_of(key)
        path.unlink(missing_ok=True)
        _remove_empty(path.parent)


def remove_attempt(job_id: uuid.UUID, attempt: int) -> None:
    directory = path_of(f"{job_id}/{attempt}")
    shutil.rmtree(directory, ignore_errors=True)
    _remove_empty(directory.parent)


def stored_keys() -> Iterator[tuple[str, os.stat_result]]:
    """Every file below the media root with its facts."""
    root = Path(settings.FILES_ROOT)
    for directory, _, names in os.walk(root):
        for name in names:
            path = Path(directory) / name
            try:
                yield str(path.relative_to(root)), path.lstat()
            except FileNotFoundError:
                continue


def _remove_empty(directory: Path) -> None:
    root = Path(settings.FILES_ROOT)
    while directory != root and root in directory.parents:
        try:
            directory.rmdir()
        except OSError:
            return
        directory = directory.parent


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
