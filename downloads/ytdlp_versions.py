"""Which yt-dlp the engine of this machine uses: the installed one, or another in a directory of its own.

`DATA_DIR/ytdlp/<version>-<letters>/` holds packages and never changes. `selection.json` beside them names the one that
is used and the one before it; to replace that file is to switch, which a supervisor that runs does at once.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.metadata
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

NEW = ".new-"
# Longer than an attempt may last, which goes on reading what it was started with.
KEPT_SECONDS = 24 * 3600
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class BusyError(Exception):
    """Somebody else changes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Names of directories; nothing is the installed yt-dlp."""

    current: str = ""
    previous: str = ""
    # What was installed, and for which Python the packages are, when it was made.
    installed: str = ""
    python: str = PYTHON


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What the engine of this machine has said of itself when it was ready."""

    pid: int
    ytdlp_version: str
    overlay: str


# --- What is used -----------------------------------------------------------------------------------------------


def in_use() -> str:
    """The version: of the engine, while one runs."""
    now = running()
    return now.ytdlp_version if now else chosen_version()


def chosen_version() -> str:
    chosen = directory()
    return version_in(chosen) if chosen else installed()


@functools.cache
def installed() -> str:
    # From the package's metadata: importing yt_dlp would cost every process its memory.
    return importlib.metadata.version("yt-dlp")


def directory() -> Path | None:
    """The packages to use, or None for the installed ones: also when those have become newer since, or Python has."""
    selected = selection()
    if selected is None or not selected.current or selected.python != PYTHON:
        return None
    chosen = root() / selected.current
    version = version_in(chosen)
    has_been_overtaken = installed() != selected.installed and is_newer(installed(), version)
    return None if not version or has_been_overtaken else chosen


def version_in(packages: Path) -> str:
    """Nothing where there is none."""
    found = importlib.metadata.distributions(name="yt-dlp", path=[str(packages)])
    return next((distribution.version for distribution in found), "")


def is_newer(version: str, other: str) -> bool:
    return numbers(version) > numbers(other)


def numbers(version: str) -> tuple[int, ...]:
    """2026.01.05 and 2026.1.5 are the same."""
    return tuple(map(int, re.findall(r"\d+", version)))


def running() -> Running | None:
    try:
        found = Running(**json.loads(report_path().read_text()))
        command = Path(f"/proc/{found.pid}/cmdline").read_bytes()
    except (OSError, ValueError, TypeError):
        return None
    return found if b"downloads.engine.forkserver" in command else None


def report_path() -> Path:
    return Path(settings.RUN_ROOT) / "engine.json"


# --- Changing it ------------------------------------------------------------------------------------------------


def root() -> Path:
    return Path(settings.DATA_DIR) / "ytdlp"


@contextmanager
def locked() -> Iterator[None]:
    """One change at a time on this machine. Raises BusyError."""
    root().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError from None
        yield


def selection() -> Selection | None:
    """None where none was ever made, or what is there is none."""
    with suppress(OSError, ValueError, TypeError):
        return Selection(**json.loads(_selection_path().read_text()))
    return None


def select(name: str, previous: str) -> None:
    write(Selection(current=name, previous=previous, installed=installed()))


def write(selected: Selection | None) -> None:
    path = _selection_path()
    if selected is None:
        path.unlink(missing_ok=True)
        return
    hidden = path.with_name(f".{path.name}")
    with hidden.open("w") as file:
        json.dump(asdict(selected), file)
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(path)


def prune() -> None:
    """Directories that are neither used nor to be gone back to, and that no attempt reads any more."""
    selected = selection() or Selection()
    for path in filter(Path.is_dir, root().iterdir()):
        is_old = time.time() - path.stat().st_mtime > KEPT_SECONDS
        if path.name not in (selected.current, selected.previous) and (is_old or path.name.startswith(NEW)):
            shutil.rmtree(path, ignore_errors=True)


def _selection_path() -> Path:
    return root() / "selection.json"
