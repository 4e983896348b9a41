"""Opens a stored file without leaving its root, and reads it without blocking the event loop."""

from __future__ import annotations

import asyncio
import io
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

from mediadl.asgi.threads import Threads

CHUNK_BYTES = 256 * 1024
DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # non-blocking: a FIFO would hold the thread


class Truncated(Exception):  # noqa: N818  # named for what it says
    """The file has become shorter than what its Content-Length promised."""


def open_below(root: Path, key: bytes) -> io.FileIO:
    """Goes down one name at a time and follows no symlink, so that no key and no race leads out of the root."""
    names = key.split(b"/")
    if b"\0" in key or any(name in (b"", b".", b"..") for name in names):
        raise FileNotFoundError(key)
    directory = os.open(root, DIRECTORY_FLAGS & ~os.O_NOFOLLOW)
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


async def read_chunks(file: io.FileIO, start: int, length: int, threads: Threads) -> AsyncIterator[bytes]:
    """A trip to a thread costs as much as reading 256 KB from memory, so only what may wait for the disk makes one."""
    position, end, descriptor = start, start + length, file.fileno()
    while position < end:
        size = min(CHUNK_BYTES, end - position)
        if _is_in_memory(descriptor, position, size):
            await asyncio.sleep(0)  # or a fast reader has the event loop to itself
            data = os.pread(descriptor, size, position)
        else:
            data = await threads.run(os.pread, descriptor, size, position)
        if not data:
            raise Truncated
        yield data
        position += len(data)


def _is_in_memory(descriptor: int, position: int, size: int) -> bool:
    """Whether both ends are in the page cache, and with them, but for a rare eviction, all between."""
    probe = [bytearray(1)]
    try:
        os.preadv(descriptor, probe, position, os.RWF_NOWAIT)
        os.preadv(descriptor, probe, position + size - 1, os.RWF_NOWAIT)
    except OSError:  # not there, or a file system that cannot say
        return False
    return True
