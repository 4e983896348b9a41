"""A system call filter for a process that downloads, decodes and encodes, written by hand as classic BPF.

What is refused gets EPERM and not a signal, so that libraries that merely try something fall back.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Iterator
from functools import cache

from downloads.engine import linux

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SET_MODE_FILTER, _GET_ACTION_AVAILABLE = 1, 2
_SPEC_ALLOW = 1 << 2  # without it, kernels before 5.16 slow the whole process down against Spectre

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000

# BPF: load a word, jump if equal, jump if any bit set, and with a constant, return.
_LOAD, _IF_EQUAL, _IF_BITS, _AND, _RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENTS = 0, 4, 16
_X32_BIT = 0x40000000

# name: (x86_64, aarch64); None where the architecture has no such call.
_REFUSED: dict[str, tuple[int, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "perf_event_open": (298, 241),
    # out of the process group, where its leash would miss it
    "setsid": (112, 157),
    "setpgid": (109, 154),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "fanotify_init": (300, 262),
    # large attack surface, and ways around filters
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "modify_ldt": (154, None),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "reboot": (169, 142),
    "acct": (163, 89),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "vhangup": (153, 58),
    # channels to other processes of the same user
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # servers: listening needs no bind, so that Landlock's bind right does not cover it
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
}
_SOCKET, _SOCKETPAIR, _CLONE, _CLONE3, _PRLIMIT = (41, 198), (53, 199), (56, 220), (435, 435), (302, 261)
# A connection that is opened by its first bytes passes Landlock unseen; (call, index of its flags).
_FAST_OPEN = {"sendto": ((44, 206), 3), "sendmsg": ((46, 211), 2), "sendmmsg": ((307, 269), 3)}
_MSG_FASTOPEN = 0x20000000

_TYPE_MASK = 0xF  # the rest are SOCK_CLOEXEC and SOCK_NONBLOCK
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def is_available() -> bool:
    action = ctypes.create_string_buffer(struct.pack("=I", _ERRNO), 4)
    try:
        linux.syscall(_SECCOMP[linux.MACHINE], _GET_ACTION_AVAILABLE, 0, ctypes.addressof(action))
    except (OSError, KeyError):
        return False
    return True


def restrict() -> None:
    """Filter this thread and its descendants; needs no_new_privs. Raises OSError when the kernel refuses."""
    if linux.MACHINE not in _SECCOMP:
        raise OSError(errno.ENOSYS, f"no system call table for {linux.MACHINE}")
    buffer = ctypes.create_string_buffer(code(), len(code()))
    header = struct.pack("=HxxxxxxQ", len(code()) // 8, ctypes.addressof(buffer))
    program = ctypes.create_string_buffer(header, len(header))
    linux.syscall(_SECCOMP[linux.MACHINE], _SET_MODE_FILTER, _SPEC_ALLOW, ctypes.addressof(program))


@cache
def code() -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions(linux.MACHINE))


def instructions(machine: str) -> Iterator[Instruction]:
    column = list(_SECCOMP).index(machine)
    yield _load(_OFFSET_ARCHITECTURE)
    yield (_IF_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[machine])
    yield _refuse(errno.ENOSYS)
    yield _load(_OFFSET_NUMBER)
    yield (_IF_BITS, 0, 1, _X32_BIT)
    yield _refuse(errno.ENOSYS)
    for numbers in _REFUSED.values():
        if (number := numbers[column]) is not None:
            yield from _when(number, [_refuse()])
    # Its flags lie in memory, where a filter cannot look: glibc and Rust fall back to clone.
    yield from _when(_CLONE3[column], [_refuse(errno.ENOSYS)])
    for call, checks in _argument_checks():
        yield from _when(call[column], [*checks, (_RETURN, 0, 0, _ALLOW)])
    yield (_RETURN, 0, 0, _ALLOW)


def _argument_checks() -> Iterator[tuple[tuple[int, int], list[Instruction]]]:
    """For each call that is allowed with some arguments only: its numbers and what refuses the others."""
    # Landlock sees neither UDP nor raw sockets nor MPTCP and SCTP, which are stream sockets as well.
    yield (
        _SOCKET,
        [
            *_refuse_unless(0, (socket.AF_INET, socket.AF_INET6)),
            *_refuse_unless(1, (socket.SOCK_STREAM,), mask=_TYPE_MASK),
            *_refuse_unless(2, (0, socket.IPPROTO_TCP)),
        ],
    )
    # A datagram pair could send to any Unix socket by its path.
    yield _SOCKETPAIR, [*_refuse_unless(1, (socket.SOCK_STREAM, socket.SOCK_SEQPACKET), mask=_TYPE_MASK)]
    yield _CLONE, [*_refuse_bits(0, _NEW_NAMESPACES)]
    yield _PRLIMIT, [*_refuse_unless(0, (0,))]
    for call, flags in _FAST_OPEN.values():
        yield call, [*_refuse_bits(flags, _MSG_FASTOPEN)]


def _when(number: int, block: list[Instruction]) -> Iterator[Instruction]:
    yield (_IF_EQUAL, 0, len(block), number)
    yield from block


def _refuse_unless(argument: int, values: tuple[int, ...], *, mask: int = 0xFFFFFFFF) -> Iterator[Instruction]:
    yield _load(_OFFSET_ARGUMENTS + 8 * argument)
    yield (_AND, 0, 0, mask)
    for index, value in enumerate(values):
        yield (_IF_EQUAL, len(values) - index, 0, value)
    yield _refuse()


def _refuse_bits(argument: int, bits: int) -> Iterator[Instruction]:
    yield _load(_OFFSET_ARGUMENTS + 8 * argument)
    yield (_IF_BITS, 0, 1, bits)
    yield _refuse()


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _refuse(number: int = errno.EPERM) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)
