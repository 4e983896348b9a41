"""What a process and its descendants occupy: memory by /proc, disk by the blocks of a directory's files."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_BLOCK_BYTES = 512  # st_blocks counts these, whatever the file system's own block is


def descendants(root: int) -> list[int]:
    """Children and their children; a process that comes or goes meanwhile may be missing or stale."""
    children_of = _listed_children if _kernel_lists_children() else _scan()
    found: list[int] = []
    waiting = [root]
    while waiting:
        children = children_of(waiting.pop())
        found += children
        waiting += children
    return found


def is_alive(process: int) -> bool:
    """False for a zombie as well: nobody may be there to bury it."""
    try:
        return not Path(f"/proc/{process}/stat").read_bytes().rpartition(b") ")[2].startswith(b"Z")
    except OSError:
        return False


def resident_bytes(processes: Iterable[int]) -> int:
    """Memory without file pages; what is still shared with the fork server (some 50 MB) counts each time."""
    return sum(_private_pages(process) for process in processes) * _PAGE_BYTES


def disk_bytes(directory: str) -> int:
    total = 0
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                total += disk_bytes(entry.path) if entry.is_dir(follow_symlinks=False) else 0
    return total


@cache
def _kernel_lists_children() -> bool:
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _listed_children(process: int) -> list[int]:
    children: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208
            with suppress(OSError):
                children += map(int, Path(f"/proc/{process}/task/{task}/children").read_bytes().split())
    return children


def _scan() -> Callable[[int], list[int]]:
    """The same for kernels without CONFIG_PROC_CHILDREN: one look at every process."""
    children: dict[int, list[int]] = defaultdict(list)
    for process in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        with suppress(OSError):
            after_name = Path(f"/proc/{process}/stat").read_bytes().rpartition(b") ")[2]
            children[int(after_name.split()[1])].append(int(process))
    return lambda parent: children[parent]


def _private_pages(process: int) -> int:
    try:
        resident, shared = Path(f"/proc/{process}/statm").read_bytes().split()[1:3]
    except (OSError, ValueError):
        return 0
    return int(resident) - int(shared)
