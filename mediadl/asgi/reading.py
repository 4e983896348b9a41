"""Opens a stored file without leaving its root, and reads it without blocking the event loop."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

from mediadl.asgi.threads import Threads

CHUNK_BYTES = 256 * 1024
READS_IN_A_TURN = 2
DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # non-blocking: a FIFO would hold the thread


class Truncated(Exception):  # noqa: N818  # named for what it says
    """The file has become shorter than what its Content-Length promised."""


def open_below(root: Path, key: bytes) -> io.FileIO:
    """Goes down one name at a time and follows no symlink, so that no key and no race leads out of the root."""
    names = key.split(b"/")
    if b"\0" in key or any(name in (b"", b".", b"..") for name in names):
        raise FileNotFoundError(key)
    try:
        directory = os.open(root, DIRECTORY_FLAGS & ~os.O_NOFOLLOW)
    except FileNotFoundError as error:
        # The disk is away, and what is on it is not gone.
        raise OSError(errno.ENODEV, "the store is not there") from error
    try:
        for name in names[:-1]:
            directory = _step_into(directory, name)
        descriptor = os.open(names[-1], FILE_FLAGS, dir_fd=directory)
    finally:
        os.close(directory)
    return _regular(descriptor)


def _step_into(directory: int, name: bytes) -> int:
    """Closes the one it leaves only when it is in the next, since the caller closes what it holds."""
    below = os.open(name, DIRECTORY_FLAGS, dir_fd=directory)
    os.close(directory)
    return below


def _regular(descriptor: int) -> io.FileIO:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError("not a regular file")
    return io.FileIO(descriptor, "rb")


class Reader:
    """Reads for all downloads of a process.

    A trip to a thread costs as much as a chunk from memory, so only what may wait for the disk makes one. From memory
    few read in one turn of the event loop, or 200 downloads would make every other request wait for 200 chunks.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._turns = asyncio.Semaphore(READS_IN_A_TURN)

    async def chunks(self, file: io.FileIO, start: int, length: int) -> AsyncIterator[bytes]:
        position, end = start, start + length
        while position < end:
            data = await self._read(file.fileno(), position, min(CHUNK_BYTES, end - position))
            if not data:
                raise Truncated
            yield data
            position += len(data)

    async def _read(self, descriptor: int, position: int, size: int) -> bytes:
        async with self._turns:
            await asyncio.sleep(0)
            if _is_in_memory(descriptor, position, size):
                return os.pread(descriptor, size, position)
        return await self._threads.run(os.pread, descriptor, size, position)


def _is_in_memory(descriptor: int, position: int, size: int) -> bool:
    """Whether both ends are in the page cache, and with them, but for a rare eviction, all between."""
    probe = [bytearray(1)]
    try:
        os.preadv(descriptor, probe, position, os.RWF_NOWAIT)
        os.preadv(descriptor, probe, position + size - 1, os.RWF_NOWAIT)
    except OSError:  # not there, or a file system that cannot say
        return False
    return True
