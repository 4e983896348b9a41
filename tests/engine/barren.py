"""A machine without room for another process, as one of its processes sees it: a system call filter refuses to fork."""

from __future__ import annotations

import ctypes
import errno
import struct

from downloads.engine import linux, seccomp

_SET_MODE_FILTER = 1


def forbid_forks() -> None:
    """For this process and whatever it has started, which is nothing."""
    column = list(seccomp._SECCOMP).index(linux.MACHINE)
    program = [
        seccomp._load(seccomp._OFFSET_NUMBER),
        *seccomp._when(seccomp._CLONE[column], [seccomp._refuse(errno.EAGAIN)]),
        (seccomp._RETURN, 0, 0, seccomp._ALLOW),
    ]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("=HxxxxxxQ", len(program), ctypes.addressof(buffer))
    linux.forbid_new_privileges()
    filter_ = ctypes.create_string_buffer(header, len(header))
    linux.syscall(seccomp._SECCOMP[linux.MACHINE], _SET_MODE_FILTER, 0, ctypes.addressof(filter_))
