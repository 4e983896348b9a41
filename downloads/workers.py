"""Worker processes as others see them: who they are, that they answer, and whether they should take work."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from django.conf import settings

from downloads import storage


def identity() -> str:
    """As "node/pid/start time": never the same for two processes, also when a pid is used again."""
    pid = os.getpid()
    return f"{settings.NODE_NAME}/{pid}/{_start_time(pid)}"


def is_alive(worker: str) -> bool:
    """Whether the process named by `identity()` on this node still exists."""
    _, pid, started = worker.rsplit("/", 2)
    return _start_time(int(pid)) == started


def beat(queue: str) -> None:
    """Says that a worker of `queue` answered a ring. On a disk that is away or read-only nobody can."""
    with contextlib.suppress(OSError):
        storage.check_there()
        _beat_file(queue).touch()


def last_beat(queue: str) -> int:
    """Another number after each beat; no time to reckon with, since clocks are set."""
    try:
        return _beat_file(queue).stat().st_mtime_ns
    except OSError:
        return 0


def start_draining() -> None:
    """Where it cannot be said, workers go on until they are killed, and their jobs are given back at the next start."""
    with contextlib.suppress(OSError):
        storage.check_there()
        _drain_file().touch()


def stop_draining() -> None:
    _drain_file().unlink(missing_ok=True)


def is_draining() -> bool:
    """Workers of a draining node claim nothing and hand their jobs back."""
    return _drain_file().exists()


def _start_time(pid: int) -> str | None:
    """Clock ticks since boot, from /proc/<pid>/stat; None when the process is gone or a zombie."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if facts[0] == "Z" else facts[19]


def _beat_file(queue: str) -> Path:
    return Path(settings.RUN_ROOT) / f"{queue}.beat"


def _drain_file() -> Path:
    return Path(settings.RUN_ROOT) / "draining"
