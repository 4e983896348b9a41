"""Measures the process it is loaded into, and every fork of it. A copy lies in an interpreter made for this.

Downloads run in processes that are given no variables, keep no descriptor and may write nowhere. So each process maps
a file into its memory before it becomes one of those, and at its end writes there what it has executed. One that is
killed writes nothing.
"""

from __future__ import annotations

import atexit
import ctypes
import mmap
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from coverage import Coverage

# Files of this size have no blocks until they are written to.
SIZE = 16 * 1024**2
LENGTH_BYTES = 8
NAME = "measured"
PACKAGES = ("accounts", "downloads", "mediadl", "webhooks")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)


def root() -> Path:
    """Of the tree: the interpreter is in `.measured/python` of it."""
    return Path(sys.prefix).parents[1]


def data() -> Path:
    return Path(sys.prefix).with_name("data")


def start() -> None:
    process = Process()
    os.register_at_fork(before=process.lend, after_in_child=process.go_on)
    os._exit = process.ending(os._exit)
    os.execve = process.ending(os.execve)
    os.killpg = process.ending_with_its_group(os.killpg)
    atexit.register(process.save)


class Process:
    def __init__(self) -> None:
        self._lent: int | None = None
        self.lend()
        self._begin()

    def lend(self) -> None:
        """Memory for the next one, mapped by hand: Python's own mapping would keep a descriptor."""
        self._lent = None
        with suppress(OSError):  # in a sandbox
            descriptor, _ = tempfile.mkstemp(dir=data())
            try:
                os.ftruncate(descriptor, SIZE)
                address = _libc.mmap(None, SIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, descriptor, 0)
            finally:
                os.close(descriptor)
            self._lent = address if address != ctypes.c_void_p(-1).value else None

    def go_on(self) -> None:
        """In a fork, which tells what its parent had executed too: begun anew, a tracer would not see the rest of the
        functions that are under way.
        """
        self._own = self._lent

    def _begin(self) -> None:
        self._own = self._lent
        packages = [f"{root() / package}/*" for package in PACKAGES]
        self._coverage = Coverage(
            data_file=None, config_file=False, branch=True, include=packages, omit=["*/migrations/*"], messages=False
        )
        self._coverage.set_option("run:disable_warnings", ["already-imported", "no-data-collected"])
        self._coverage.start()

    def save(self) -> None:
        """Once: the length comes last, so that half of it is nothing."""
        address, self._own = self._own, None
        if address is None:
            return
        with suppress(Exception):
            self._coverage.stop()
            executed = self._coverage.get_data().dumps()
            if len(executed) <= SIZE - LENGTH_BYTES:
                ctypes.memmove(address + LENGTH_BYTES, executed, len(executed))
                ctypes.memmove(address, len(executed).to_bytes(LENGTH_BYTES, "little"), LENGTH_BYTES)

    def ending_with_its_group(self, kill: Any) -> Any:
        def end(group: int, number: int) -> None:
            if number == signal.SIGKILL and group in {0, os.getpgrp()}:
                self.save()
            kill(group, number)

        return end

    def ending(self, function: Any) -> Any:
        def end(*arguments: Any) -> NoReturn:
            self.save()
            function(*arguments)
            raise AssertionError("unreachable")

        return end


# Python reads the .pth more than once where directories have two names, and imports once.
if __name__ == NAME:
    start()
