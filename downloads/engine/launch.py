"""What happens in a child before the engine's own code and after it. Nothing here returns to the leash."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

from downloads.engine import linux, sandbox, wire
from downloads.engine.spec import Event, JobSpec

Emit = Callable[[Event], None]
Run = Callable[[JobSpec, Emit], int]

_OOM_SCORE = 500  # the kernel takes the download and not the worker
_TEMPORARY = ".tmp"
# In the environment of everything that a child starts, so that strays can be told from other programs.
MARK = "MEDIADL_ATTEMPT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The engine's code for a child, and whether it runs inside the sandbox."""

    run: Run
    is_sandboxed: bool = True
    # Beside what every child may read.
    readable: tuple[str, ...] = ()


class Emitter:
    """Writes whole lines to the slot, one at a time though yt-dlp downloads fragments in threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._connection.sendall(event.to_line())

    def close(self, seconds: float) -> None:
        """No line is cut in two by our exit, unless a writer is stuck for longer than `seconds`."""
        self._lock.acquire(timeout=seconds)


def run(entry: Entry, spec: JobSpec, connection: socket.socket, *, leash: int) -> NoReturn:
    emit = Emitter(connection)
    status = 1
    try:
        _become_a_child(spec, connection, leash)
        status = _run_confined(entry, spec, emit)
    except BaseException as error:  # noqa: BLE001 - the last frame of the process: there is nobody else to tell
        with suppress(OSError):
            emit(wire.error("internal_error", f"{type(error).__name__}: {error}"))
    finally:
        emit.close(1)
        os._exit(status)


def _become_a_child(spec: JobSpec, connection: socket.socket, leash: int) -> None:
    linux.set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != leash:
        os._exit(1)  # it died before the line above
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    _keep_only(connection)
    _volunteer_for_the_oom_killer()
    _enter_directory(spec.work_directory)


def _keep_only(connection: socket.socket) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    kept = connection.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, 65536)


def _volunteer_for_the_oom_killer() -> None:
    with suppress(OSError, ValueError):
        score = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
        os.pwrite(score, b"%d" % max(_OOM_SCORE, int(os.pread(score, 16, 0))), 0)
        os.close(score)


def _enter_directory(work: str) -> None:
    os.umask(0o077)
    os.environ[MARK] = "1"
    os.environ["TMPDIR"] = temporary = f"{work}/{_TEMPORARY}"
    os.makedirs(temporary, exist_ok=True)  # noqa: PTH103 - before every first event: pathlib is slow to warm up
    os.chdir(work)


def _run_confined(entry: Entry, spec: JobSpec, emit: Emit) -> int:
    state = _enter_sandbox(entry, spec) if entry.is_sandboxed else sandbox.OFF
    emit(_started(state))
    if spec.require_sandbox and state.level != "full":
        emit(wire.error("missing_dependency", "; ".join(state.reasons)))
        return 1
    return entry.run(spec, emit)


def _enter_sandbox(entry: Entry, spec: JobSpec) -> sandbox.SandboxState:
    return sandbox.enter(
        work_directory=spec.work_directory,
        guard_port=urlsplit(spec.proxy_url).port,
        limits=spec.limits,
        readable=[*entry.readable, *(path for path in (spec.ffmpeg_location, spec.cookies_file) if path)],
    )


def _started(state: sandbox.SandboxState) -> Event:
    # Whoever warmed the fork server imported it; nobody imports it for this.
    version = getattr(sys.modules.get("yt_dlp.version"), "__version__", "")
    return Event(
        name="started",
        data={
            "pid": os.getpid(),
            "process_group": os.getpgrp(),
            "sandbox": state.level,
            "ytdlp_version": version,
        },
    )
