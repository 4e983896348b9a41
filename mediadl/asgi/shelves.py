"""Where the layer that sends archives takes files from: a directory, or a bucket.

A file that is opened can be read to its end, though it is deleted meanwhile; of a bucket's that is likely, not sure.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

from mediadl.asgi.reading import Reader, Truncated, open_below
from mediadl.asgi.threads import Threads


class Content(Protocol):
    def chunks(self, start: int, length: int) -> AsyncIterator[bytes]:
        """Raises OSError, or Truncated, rather than to end early."""

    def close(self) -> None: ...


class Shelf(Protocol):
    # How many files are opened before their turn comes.
    opened_ahead: int

    async def open(self, key: bytes, size: int) -> Content:
        """Raises OSError, or Truncated when it has another size."""


class Directory:
    opened_ahead = 32

    def __init__(self, root: Path, threads: Threads) -> None:
        self._root = root
        self._threads = threads
        self._reader = Reader(threads)

    async def open(self, key: bytes, size: int) -> Content:
        file = await self._threads.run(open_below, self._root, key)
        if os.fstat(file.fileno()).st_size != size:
            file.close()
            raise Truncated
        return OpenedFile(file, self._reader)


class OpenedFile:
    def __init__(self, file: io.FileIO, reader: Reader) -> None:
        self._file = file
        self._reader = reader

    def chunks(self, start: int, length: int) -> AsyncIterator[bytes]:
        return self._reader.chunks(self._file, start, length)

    def close(self) -> None:
        self._file.close()


class Store(Protocol):
    """Blocking calls, which raise OSError."""

    def size_of(self, key: str) -> int: ...
    def read(self, key: str, start: int, end: int) -> Iterator[bytes]: ...


class Bucket:
    # Each is asked for before the first byte is sent.
    opened_ahead = 4

    def __init__(self, store: Store, threads: Threads) -> None:
        self._store = store
        self._threads = threads

    async def open(self, key: bytes, size: int) -> Content:
        name = key.decode()
        if await self._threads.run(self._store.size_of, name) != size:
            raise Truncated
        return StoredObject(self._store, name, self._threads)


class StoredObject:
    """Its connection is opened when it is read: one that waits for its turn would be closed by the store."""

    def __init__(self, store: Store, key: str, threads: Threads) -> None:
        self._store = store
        self._key = key
        self._threads = threads

    async def chunks(self, start: int, length: int) -> AsyncIterator[bytes]:
        # Whoever holds it last, this or a thread that still reads, closes the connection by letting go of it.
        parts = self._store.read(self._key, start, start + length)
        while data := await self._threads.run(next, parts, b""):
            yield data

    def close(self) -> None:
        """Nothing is held between readings."""
