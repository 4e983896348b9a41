from __future__ import annotations

import subprocess
import sys

from tests.product import ROOT

# As many as a connection to SQLite leaves, between blocks that stay.
FRAGMENT = """
import ctypes
from downloads import heap

malloc, free = heap._libc.malloc, heap._libc.free
malloc.argtypes, malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
free.argtypes = (ctypes.c_void_p,)
blocks = [malloc(size) for size in (40, 200, 600, 1500) for _ in range(1000)]
for block in blocks[::2]:
    free(block)
print(heap.fill_holes(), heap.fill_holes())
"""


def test_holes_of_the_heap_are_filled_once() -> None:
    """In a process of its own, since what fills them is never freed."""
    found = subprocess.run([sys.executable, "-c", FRAGMENT], cwd=ROOT, capture_output=True, text=True, check=True)

    filled, left = map(int, found.stdout.split())
    assert filled > 1000 * (200 + 600 + 1500) / 2
    assert left < filled / 20
