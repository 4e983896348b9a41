"""The few kernel calls that Python has no name for. Each raises OSError with the kernel's errno."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from contextlib import suppress
from pathlib import Path

# The web process goes before looks at pages, for which people wait, and these before downloads.
NICE_TO_THE_WEB = 5
NICE_TO_ALL = 10

# A 32-bit Python on a 64-bit kernel has other call numbers.
MACHINE = platform.machine() if struct.calcsize("P") == 8 else "unknown"  # noqa: PLR2004

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

_MADV_COLLAPSE = 25
_HUGE_PAGE_BYTES = 2 * 1024**2

_CAPABILITY_VERSION_3 = 0x20080522
_CAPSET = {"x86_64": 126, "aarch64": 91}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_libc.syscall.restype = ctypes.c_long


def prctl(option: int, value: int) -> int:
    return _checked(_libc.prctl(option, value, 0, 0, 0))


def syscall(number: int, *arguments: int) -> int:
    """Arguments are integers; a pointer is its address, and its buffer must outlive the call."""
    return _checked(_libc.syscall(*map(ctypes.c_long, (number, *arguments))))


def set_parent_death_signal(number: int) -> None:
    """Follows the parent's *thread* that forked us: start long-lived children from main threads."""
    prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Descendants whose parent dies become children of this process."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def forbid_new_privileges() -> None:
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def use_huge_pages() -> None:
    """Gather this process's memory in pages of 2 MB, where the kernel can (6.1 and later): forks copy far fewer."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, rights, _, _, _, *name = line.split()
        if "w" in rights and name in ([], ["[heap]"]):
            first, last = (int(address, 16) // _HUGE_PAGE_BYTES for address in addresses.split("-"))
            _libc.madvise((first + 1) * _HUGE_PAGE_BYTES, max(0, last - first - 1) * _HUGE_PAGE_BYTES, _MADV_COLLAPSE)


def keep_capabilities(keep: int) -> None:
    """Drop all capabilities but those of the mask, for good once no new privileges are allowed."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    current = ctypes.create_string_buffer(24)
    syscall(_CAPSET[MACHINE] - 1, ctypes.addressof(header), ctypes.addressof(current))
    low, high = (struct.unpack_from("=I", current, offset)[0] & mask for offset, mask in ((4, keep), (16, keep >> 32)))
    data = ctypes.create_string_buffer(struct.pack("=6I", low, low, 0, high, high, 0))
    syscall(_CAPSET[MACHINE], ctypes.addressof(header), ctypes.addressof(data))


def _checked(result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def give_way(niceness: int = NICE_TO_ALL) -> None:
    """Lets whoever answers people go first: a download can wait for a few milliseconds.

    Where the kernel groups processes by session, niceness counts within a session only, and the group has its own.
    """
    with suppress(OSError):
        os.nice(niceness - os.nice(0))
    with suppress(OSError), open("/proc/self/autogroup", "w") as group:  # noqa: PTH123 - no pathlib in a fresh fork
        group.write(str(niceness))
