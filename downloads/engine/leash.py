"""The process that holds one attempt: it has the slot's connection in one hand and the child's pidfd in the other.

It leads the attempt's session and process group, runs none of yt-dlp's code, and so can always act: when the slot
lets go, asks to cancel, or a limit is reached, the child and everything the child started are killed.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import time
from contextlib import suppress

from downloads.engine import linux, rlimits, usage, wire
from downloads.engine.spec import Event, JobSpec, Limits

_TERM_GRACE_SECONDS = 0.5
_WATCH_SECONDS = 1.0
_SILENCE_SECONDS = 18.0  # shorter than a slot's lease: whoever claims the job next must not meet this child
_CLEAR_SECONDS = 2.0
_LAST_WORDS_SECONDS = 30.0


class Leash:
    """`hold` returns when the child and its descendants are gone and the slot has been told."""

    def __init__(self, connection: socket.socket, spec: JobSpec, child: int, unread: bytes = b"") -> None:
        self._connection = connection
        self._spec = spec
        self._child = child
        self._commands = unread
        self._verdict: Event | None = None
        now = time.monotonic()
        self._expire_at = now + spec.limits.wall_clock_seconds
        self._watch_at = now + _WATCH_SECONDS
        self._kill_at = math.inf
        self._silent_at = math.inf

    def hold(self) -> None:
        self._wait()
        status = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        _kill_orphans()
        self._tell(status)

    def _wait(self) -> None:
        pidfd = os.pidfd_open(self._child)
        self._poll = select.poll()
        self._poll.register(pidfd, select.POLLIN)
        self._poll.register(self._connection, select.POLLIN)
        self._obey()
        while True:
            due = min(self._expire_at, self._watch_at, self._kill_at, self._silent_at) - time.monotonic()
            ready = dict(self._poll.poll(max(0, due) * 1000))
            if pidfd in ready:
                os.close(pidfd)
                return
            if ready:
                self._listen()
            self._enforce(time.monotonic())

    def _listen(self) -> None:
        with suppress(BlockingIOError):  # woken for nothing
            self._hear(_received(self._connection))

    def _hear(self, received: bytes) -> None:
        self._commands += received
        if received:
            self._obey()
        else:
            self._poll.unregister(self._connection)
            self._kill()

    def _obey(self) -> None:
        """A slot that says anything that it should not is no slot."""
        *lines, self._commands = self._commands.split(b"\n")
        if len(self._commands) > len(wire.CANCEL):
            self._kill()
        for line in lines:
            command = line + b"\n"
            if command == wire.CANCEL:
                self._cancel()
            elif command == wire.BEAT:
                self._silent_at = time.monotonic() + _SILENCE_SECONDS
            else:
                self._kill()

    def _cancel(self) -> None:
        os.killpg(0, signal.SIGTERM)  # which the leash itself ignores
        self._kill_at = min(self._kill_at, time.monotonic() + _TERM_GRACE_SECONDS)

    def _enforce(self, now: float) -> None:
        if now >= self._kill_at:
            self._kill()
        if now >= self._expire_at:
            self._expire_at = math.inf
            self._end("timeout", f"The job took longer than {self._spec.limits.wall_clock_seconds:g} seconds")
        if now >= self._silent_at:
            self._silent_at = math.inf
            self._end("worker_lost", "The worker that ran the job stopped answering")
        if now >= self._watch_at:
            self._watch_at = now + _WATCH_SECONDS
            self._watch(self._spec.limits)

    def _watch(self, limits: Limits) -> None:
        if usage.resident_bytes(usage.descendants(os.getpid())) > limits.memory_bytes:
            self._end("too_large", f"The job needs more than {limits.memory_bytes} bytes of memory")
        elif usage.disk_bytes(self._spec.work_directory) > max_disk_bytes(limits):
            self._end("too_large", f"The job needs more than {max_disk_bytes(limits)} bytes on disk")

    def _end(self, code: str, message: str) -> None:
        if self._verdict is None:
            self._verdict = wire.error(code, message)
            self._kill()

    def _kill(self) -> None:
        self._kill_at = math.inf
        for process in (self._child, *usage.descendants(self._child)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _tell(self, status: int) -> None:
        lines = wire.TORN if status < 0 else b""
        lines += self._verdict.to_line() if self._verdict else b""
        lines += Event(name="exit", data={"status": status}).to_line()
        wire.send(self._connection, lines, seconds=_LAST_WORDS_SECONDS)


def _received(connection: socket.socket) -> bytes:
    """Empty when the slot has let go, however. Raises BlockingIOError."""
    try:
        return connection.recv(4096, socket.MSG_DONTWAIT)
    except ConnectionError:
        return b""


def max_disk_bytes(limits: Limits) -> int:
    """Looser than the child's own watch: formats, their merged file and its successor may lie side by side."""
    return 3 * rlimits.max_file_bytes(limits)


def lead() -> None:
    """Become what a leash is: a session of its own that SIGTERM does not end and that orphans come home to."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    linux.adopt_orphans()


def _kill_orphans() -> None:
    """What the child left behind, wherever it hid: as each parent dies, its children become ours."""
    deadline = time.monotonic() + _CLEAR_SECONDS
    while _has_children():
        if time.monotonic() > deadline:
            os.killpg(0, signal.SIGKILL)  # it forks faster than we look: take it all at once, and us with it
        for process in usage.descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.001)


def _has_children() -> bool:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False
