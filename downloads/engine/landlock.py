"""Landlock: the kernel's unprivileged file and TCP restrictions, inherited by every descendant.

It governs opening, creating and executing files; looking at names (stat, readlink) stays possible.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from downloads.engine import linux

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH, _RULE_PORT = 1, 2

_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_DIRECTORY = 1 << 3
_REMOVE_DIRECTORY = 1 << 4
_REMOVE_FILE = 1 << 5
_MAKE_DIRECTORY = 1 << 7
_MAKE_FILE = 1 << 8
_REFER = 1 << 13
_TRUNCATE = 1 << 14

_CONNECT_TCP = 1 << 1
_ALL_TCP = 0b11
_ALL_SCOPES = 0b11  # abstract Unix sockets, signals

READ = _READ_FILE | _READ_DIRECTORY
READ_AND_EXECUTE = READ | _EXECUTE
# No execution of what was downloaded, and no links, sockets, pipes or devices for others to stumble over.
WORK = READ | _WRITE_FILE | _TRUNCATE | _MAKE_FILE | _MAKE_DIRECTORY | _REMOVE_FILE | _REMOVE_DIRECTORY | _REFER
DEVICE = _READ_FILE | _WRITE_FILE
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE

TCP_ABI = 4
SCOPE_ABI = 6


def abi() -> int:
    """The kernel's Landlock version; 0 when it has none or it is switched off."""
    try:
        return linux.syscall(_CREATE_RULESET, 0, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(*, paths: Iterable[tuple[str, int]], tcp_ports: Iterable[int]) -> None:
    """Confine this thread and its descendants to `paths` (path, rights) and TCP connections to `tcp_ports`.

    A path that does not exist is skipped. Raises OSError when the kernel refuses.
    """
    version = abi()
    files = _file_rights(version)
    ruleset = _create(files, _ALL_TCP if version >= TCP_ABI else 0, _ALL_SCOPES if version >= SCOPE_ABI else 0)
    try:
        for path, rights in paths:
            _allow_path(ruleset, path, rights & files)
        for port in tcp_ports if version >= TCP_ABI else ():
            _add_rule(ruleset, _RULE_PORT, struct.pack("=QQ", _CONNECT_TCP, port))
        linux.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _file_rights(version: int) -> int:
    """Every file right that the version knows: each one that is handled and not granted is refused."""
    last = {1: 12, 2: 13, 3: 14, 4: 14}.get(version, 15)
    return (1 << last + 1) - 1


def _create(files: int, tcp: int, scopes: int) -> int:
    # Older kernels accept the longer structure as long as what they do not know is zero.
    attributes = ctypes.create_string_buffer(struct.pack("=QQQ", files, tcp, scopes), 24)
    return linux.syscall(_CREATE_RULESET, ctypes.addressof(attributes), 24, 0)


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _ON_FILES
        _add_rule(ruleset, _RULE_PATH, struct.pack("=Qi", rights, descriptor))
    finally:
        os.close(descriptor)


def _add_rule(ruleset: int, kind: int, attributes: bytes) -> None:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    linux.syscall(_ADD_RULE, ruleset, kind, ctypes.addressof(buffer), 0)
