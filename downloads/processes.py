"""Processes under supervision: own session each, killed as a group, restarted with back-off, gone when we are gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

PR_SET_PDEATHSIG = 1
QUICK_CRASH_SECONDS = 30.0
MAX_QUICK_CRASHES = 6
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0

_libc = ctypes.CDLL(None, use_errno=True)


class CrashLoopError(Exception):
    """A service keeps ending right after its start."""


def die_with_parent() -> None:
    """Asks the kernel to kill this process when the thread that started it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def inherit_death_below() -> None:
    """Every process forked from here on, at any depth, dies with its parent."""
    os.register_at_fork(after_in_child=die_with_parent)


class Service:
    """One supervised program. `stop_order`: lower stops first."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        pass_fds: Sequence[int] = (),
        stop_order: int = 0,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.pass_fds = tuple(pass_fds)
        self.stop_order = stop_order
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_after = 0.0
        self.quick_crashes = 0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own commands
            self.command,
            env=self.environment,
            pass_fds=self.pass_fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - the supervisor has no threads
        )
        self.started_at = time.monotonic()

    def tend(self, say: Callable[[str], None]) -> None:
        """Restarts the service when it has ended and its delay is over. Raises CrashLoopError past MAX_QUICK_CRASHES."""
        if self.is_running:
            return
        if self.process is not None:
            self._bury(say)
        if time.monotonic() >= self.start_after:
            self.start()

    def kill(self) -> None:
        """SIGKILL to the whole group: a killed qcluster would leave a sentinel that goes on taking tasks."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def terminate(self) -> None:
        """SIGTERM to the program itself, never to its group: a q2 cluster hangs for ever on the latter."""
        if self.is_running and self.process is not None:
            self.process.terminate()

    def _bury(self, say: Callable[[str], None]) -> None:
        assert self.process is not None  # noqa: S101 - callers checked it
        status = self.process.returncode
        self.kill()
        lived = time.monotonic() - self.started_at
        self.quick_crashes = self.quick_crashes + 1 if lived < QUICK_CRASH_SECONDS else 1
        if self.quick_crashes >= MAX_QUICK_CRASHES:
            raise CrashLoopError(
                f"{self.name} ended {MAX_QUICK_CRASHES} times right after its start (status {status})."
            )
        delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (self.quick_crashes - 1))
        say(f"{self.name} ended with status {status}; starting it again in {delay:g} s")
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
