"""What a process shares with its forks: memory is copied by the page, as soon as one of them writes a word of it.

The holes of a heap are where a fork puts what it allocates: a connection to SQLite is thousands of small blocks, many
of them alone on their page. With the holes filled they lie together at the heap's end.
"""

from __future__ import annotations

import ctypes
import gc
from typing import ClassVar

from django.db import connections

# The small ones of glibc, each with the 16 bytes of what it costs to be a block of its own.
SIZES = (2032, 1008, 496, 240, 112, 48, 24)
AT_ONCE = 64

_libc = ctypes.CDLL(None)


class Mallinfo2(ctypes.Structure):
    """Bytes and blocks of the heap, as malloc.h names them: `fordblks` are free, `keepcost` of them at its end."""

    NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_: ClassVar = [(name, ctypes.c_size_t) for name in NAMES.split()]


def settle() -> None:
    """To be called once all is loaded that the forks will need, and before the first of them."""
    # It would be closed at the fork, and leave the largest holes of all.
    connections.close_all()
    gc.collect()
    gc.freeze()
    fill_holes()


def fill_holes() -> int:
    """Takes the heap's free blocks for good, which are shared already: how many bytes. Knows glibc's heap alone."""
    if not hasattr(_libc, "mallinfo2"):
        return 0
    _libc.mallinfo2.restype = Mallinfo2
    _libc.malloc.argtypes, _libc.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    before = _holes()
    for size in SIZES:
        _fill(size)
    return before - _holes()


def _fill(size: int) -> None:
    """Until blocks of that size come from the end of the heap."""
    left, before = _holes(), None
    while before is None or before - left > AT_ONCE * size // 2:
        for _ in range(AT_ONCE):
            _libc.malloc(size)
        before, left = left, _holes()


def _holes() -> int:
    facts = _libc.mallinfo2()
    return int(facts.fordblks - facts.keepcost)
