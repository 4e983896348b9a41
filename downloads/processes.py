"""Processes under supervision: own session each, killed as a group, restarted with back-off, gone when we are gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, Protocol

from django.db import connections

from downloads.engine import linux

PR_SET_PDEATHSIG = 1
QUICK_CRASH_SECONDS = 30.0
MAX_QUICK_CRASHES = 6
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0

_libc = ctypes.CDLL(None, use_errno=True)


class CrashLoopError(Exception):
    """A service keeps ending right after its start."""


class Process(Protocol):
    """The part of `subprocess.Popen` that supervision needs."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def terminate(self) -> None: ...


Launch = Callable[[], Process]


# --- Starting ---------------------------------------------------------------------------------------------------


def die_with_parent() -> None:
    """Asks the kernel to kill this process when the thread that started it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def inherit_death_below() -> None:
    """Every process forked from here on, at any depth, dies with its parent, and of SIGTERM."""
    os.register_at_fork(after_in_child=_die_with_parent_or_when_told)


def _die_with_parent_or_when_told() -> None:
    die_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def program(command: Sequence[str], *, environment: Mapping[str, str], pass_fds: Sequence[int] = ()) -> Launch:
    """A new program, which shares nothing with us: for what must not know our secrets. It gives way."""

    def prepare() -> None:
        die_with_parent()
        linux.give_way(linux.NICE_TO_THE_WEB)

    def launch() -> Process:
        return subprocess.Popen(  # noqa: S603 - our own commands
            command,
            env=environment,
            pass_fds=pass_fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509 - the supervisor has no threads
        )

    return launch


def fork(target: Callable[[], None]) -> Launch:
    """`target` in a fork of this process: it starts in milliseconds and shares the memory of what is loaded."""

    def launch() -> Process:
        # A connection that two processes share serves neither.
        connections.close_all()
        parent = os.getpid()
        pid = os.fork()
        return Forked(pid) if pid else _run_fork(target, parent)

    return launch


class Forked:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._reap(os.WNOHANG)

    def wait(self) -> int:
        self._reap(0)
        return self.returncode or 0

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def _reap(self, flags: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, flags)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def _run_fork(target: Callable[[], None], parent: int) -> NoReturn:
    status = 1
    try:
        os.setsid()
        die_with_parent()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        if os.getppid() == parent:
            target()
            status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except BaseException:  # noqa: BLE001 - the last frame of this process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


# --- Keeping ----------------------------------------------------------------------------------------------------


class Service:
    """One supervised process. `stop_order`: lower stops first."""

    def __init__(self, name: str, launch: Launch, *, stop_order: int = 0) -> None:
        self.name = name
        self.launch = launch
        self.stop_order = stop_order
        self.process: Process | None = None
        self.started_at = 0.0
        self.start_after = 0.0
        self.quick_crashes = 0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.process = self.launch()
        self.started_at = time.monotonic()

    def tend(self, say: Callable[[str], None]) -> None:
        """Starts the service again when it has ended and its delay is over. Raises CrashLoopError in the end."""
        if self.is_running:
            return
        if self.process is not None:
            self._bury(self.process, say)
        if time.monotonic() >= self.start_after:
            self.start()

    def kill(self) -> None:
        """SIGKILL to the whole group: a killed q2 cluster would leave a sentinel that goes on taking tasks."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def terminate(self) -> None:
        """SIGTERM to the process itself, never to its group: a q2 cluster hangs for ever on the latter."""
        if self.process is not None:
            self.process.terminate()

    def _bury(self, process: Process, say: Callable[[str], None]) -> None:
        self.kill()
        lived = time.monotonic() - self.started_at
        self.quick_crashes = self.quick_crashes + 1 if lived < QUICK_CRASH_SECONDS else 1
        if self.quick_crashes >= MAX_QUICK_CRASHES:
            raise CrashLoopError(f"{self.name} ended {self.quick_crashes} times right after its start")
        delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (self.quick_crashes - 1))
        say(f"{self.name} ended with status {process.returncode}; starting it again in {delay:g} s")
        self.start_after = time.monotonic() + delay
        self.process = None


def stop_all(services: Sequence[Service], drain_seconds: float, *, is_urgent: Callable[[], bool]) -> None:
    """Stops in order, all of one order together; whatever is left at the limit, or when urgent, is killed."""
    deadline = time.monotonic() + drain_seconds
    for order in sorted({service.stop_order for service in services}):
        group = [service for service in services if service.stop_order == order]
        for service in group:
            service.terminate()
        while any(service.is_running for service in group) and time.monotonic() < deadline and not is_urgent():
            time.sleep(0.05)
        for service in group:
            service.kill()
