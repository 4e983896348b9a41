"""Running fork servers and looking at processes, for the tests beside it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from downloads.engine.spec import Event, JobSpec, Limits
from downloads.engine.supervisor import Attempt

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    process: subprocess.Popen[bytes]
    socket: Path

    def start(self, spec: JobSpec) -> Attempt:
        return Attempt.start(spec, self.socket, timeout=5)


@contextmanager
def fork_server(
    *arguments: str, child: str = "tests.engine.children:run", environment: dict[str, str] | None = None
) -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp(prefix="fork"))
    path = directory / "s"
    command = [sys.executable, "-m", "downloads.engine.forkserver", "--socket", str(path), "--child", child, *arguments]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log)
    try:
        wait_until(lambda: path.exists() or process.poll() is not None, seconds=20)
        assert path.exists(), (directory / "log").read_text()
        yield Server(process=process, socket=path)
    finally:
        process.terminate()
        process.wait(timeout=10)
        shutil.rmtree(directory)


def a_job(name: str, work: Path, **changes: Any) -> JobSpec:
    limits = Limits(**changes.pop("limits", {}))
    defaults: dict[str, Any] = {
        "job_id": "1",
        "attempt": 1,
        "url": f"http://children.test/{name}",
        "work_directory": str(work),
        "proxy_url": "http://127.0.0.1:9",
        "ffmpeg_location": shutil.which("ffmpeg") or "",
    }
    return JobSpec(**(defaults | changes), limits=limits)


def read_until(attempt: Attempt, name: str, *, seconds: float = 60) -> list[Event]:
    """Every event up to the first of that name, or up to the end of the attempt."""
    deadline = time.monotonic() + seconds
    events: list[Event] = []
    while time.monotonic() < deadline and not attempt.is_finished:
        events += attempt.read(0.2)
        if any(event.name == name for event in events):
            break
    return events


def read_all(attempt: Attempt, *, seconds: float = 60) -> list[Event]:
    deadline = time.monotonic() + seconds
    events: list[Event] = []
    while not attempt.is_finished:
        assert time.monotonic() < deadline, events
        events += attempt.read(0.2)
    return events


def members(group: int) -> list[int]:
    """Living processes of a process group."""
    found = []
    for entry in filter(str.isdigit, (path.name for path in Path("/proc").iterdir())):
        with suppress(OSError):
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry))
    return found


def is_alive(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def wait_until(condition: Callable[[], bool], *, seconds: float) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"it did not come true in {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - began


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
