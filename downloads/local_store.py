"""Published files below a directory: publishing is a rename, and what is renamed is flushed."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO


class LocalStore:
    def __init__(self, root: Path) -> None:
        self.root = root

    def path_of(self, key: str) -> Path:
        return self.root / key

    def put(self, source: Path, key: str, *, mime_type: str, beat: Callable[[], None]) -> None:  # noqa: ARG002
        """Takes no time, so that nothing has to beat meanwhile."""
        target = self.path_of(key)
        # The root is there, or its disk is away.
        for directory in (target.parent.parent, target.parent):
            directory.mkdir(mode=0o700, exist_ok=True)
        source.rename(target)
        target.chmod(0o640)

    def share(self, source: str, key: str, size_bytes: int, *, mime_type: str, beat: Callable[[], None]) -> None:  # noqa: ARG002
        """A second name for the same bytes. Not every file system has that."""
        target = self.path_of(key)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.hardlink_to(self.path_of(source))
        if target.lstat().st_size != size_bytes:
            raise OSError(errno.EIO, "the file has another size than its row says")

    def flush(self, job_id: uuid.UUID, attempt: int) -> None:
        for directory in (self.path_of(f"{job_id}/{attempt}"), self.path_of(str(job_id)), self.root):
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def open(self, key: str) -> BinaryIO:
        return self.path_of(key).open("rb")

    def has(self, key: str) -> bool:
        return self.path_of(key).exists()

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            path = self.path_of(key)
            path.unlink(missing_ok=True)
            self._remove_empty(path.parent)

    def remove_attempt(self, job_id: uuid.UUID, attempt: int) -> None:
        directory = self.path_of(f"{job_id}/{attempt}")
        shutil.rmtree(directory, ignore_errors=True)
        self._remove_empty(directory.parent)

    def sizes(self) -> Iterator[tuple[str, int]]:
        for directory, _, names in os.walk(self.root):
            for name in names:
                path = Path(directory) / name
                try:
                    yield str(path.relative_to(self.root)), path.lstat().st_size
                except FileNotFoundError:
                    continue

    def tidy(self) -> None:
        """Nothing half-done is left anywhere but in work directories."""

    def _remove_empty(self, directory: Path) -> None:
        while directory != self.root and self.root in directory.parents:
            try:
                directory.rmdir()
            except OSError:
                return
            directory = directory.parent
