"""What the children of these tests do: the fork server runs `run`, and the spec's URL names one of the functions."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from downloads.engine.spec import Event, JobSpec

Emit = Callable[[Event], None]

_IGNORING = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


def run(spec: JobSpec, emit: Emit) -> int:
    name = spec.url.rpartition("/")[2]
    return int(globals()[name](spec, emit) or 0)


def say(emit: Emit, **data: Any) -> None:
    emit(Event(name="log", data={"level": "info", **data}))


def hello(spec: JobSpec, emit: Emit) -> None:
    say(emit, message="hello")
    emit(Event(name="done"))


def describe(spec: JobSpec, emit: Emit) -> None:
    say(
        emit,
        environment=dict(os.environ),
        first_environment=_initial_environment(),
        descriptors=sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())[:-1],
        directory=str(Path.cwd()),
        group=os.getpgrp(),
        session=os.getsid(0),
        oom=Path("/proc/self/oom_score_adj").read_text().strip(),
        parent=os.getppid(),
        niceness=os.nice(0),
    )


def _initial_environment() -> str:
    return Path("/proc/self/environ").read_text()


def status_seven(spec: JobSpec, emit: Emit) -> int:
    return 7


def fails(spec: JobSpec, emit: Emit) -> NoReturn:
    raise LookupError("it is not there")


def crashes(spec: JobSpec, emit: Emit) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def sleeps(spec: JobSpec, emit: Emit) -> None:
    say(emit, message="ready")
    time.sleep(600)


def holds_the_interpreter(spec: JobSpec, emit: Emit) -> None:
    _spawn_stubborn()
    say(emit, message="ready")
    re.match(r"(a+)+$", "a" * 60 + "b")


def is_stubborn(spec: JobSpec, emit: Emit) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _spawn_stubborn()
    say(emit, message="ready")
    time.sleep(600)


def tidies_up(spec: JobSpec, emit: Emit) -> None:
    def stop(*_: object) -> NoReturn:
        say(emit, message="tidy")
        os._exit(3)

    signal.signal(signal.SIGTERM, stop)
    say(emit, message="ready")
    time.sleep(600)


def leaves_a_process(spec: JobSpec, emit: Emit) -> None:
    _spawn_stubborn()
    emit(Event(name="done"))


def leaves_a_daemon(spec: JobSpec, emit: Emit) -> None:
    """One that left the process group, which only a child without a sandbox can."""
    daemon = subprocess.Popen([sys.executable, "-c", _IGNORING], stdout=subprocess.PIPE, start_new_session=True)
    assert daemon.stdout
    daemon.stdout.readline()
    say(emit, message="ready", daemon=daemon.pid)


def _spawn_stubborn() -> None:
    process = subprocess.Popen([sys.executable, "-c", _IGNORING], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()


class _Raw:
    """An event whose line is whatever the test likes."""

    def __init__(self, line: bytes) -> None:
        self._line = line

    def to_line(self) -> bytes:
        return self._line


def babbles(spec: JobSpec, emit: Any) -> None:
    emit(_Raw(b"this is no event\n"))
    say(emit, message="after")
    time.sleep(600)


def dies_in_mid_sentence(spec: JobSpec, emit: Any) -> None:
    emit(_Raw(b'{"event":"log","mess'))
    os.kill(os.getpid(), signal.SIGKILL)


def floods(spec: JobSpec, emit: Emit) -> None:
    while True:
        say(emit, message="x" * 1000)


def fills_memory(spec: JobSpec, emit: Emit) -> None:
    hoard = [bytearray(b"x") * 1024**2 for _ in range(400)]  # no zeros, of which the kernel would keep one page
    say(emit, message="full", size=len(hoard))
    time.sleep(600)


def fills_memory_in_a_grandchild(spec: JobSpec, emit: Emit) -> None:
    subprocess.run([sys.executable, "-c", "import time; x = b'x' * 400_000_000; time.sleep(600)"], check=False)


def fills_disk(spec: JobSpec, emit: Emit) -> None:
    Path("deep").mkdir()
    for number in range(5):
        with Path(f"deep/{number}").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 60 * 1024**2)
    time.sleep(600)
