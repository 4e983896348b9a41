"""A thread that looks at the work directory and the clock while yt-dlp, or an ffmpeg of its, is busy or stuck."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

INTERVAL_SECONDS = 0.25
# Where ffmpeg, when it downloads by itself, writes how far it has come.
FFMPEG_PROGRESS = ".ffmpeg-progress"

_TAIL_BYTES = 1024
_OUT_TIME = re.compile(rb"out_time_us=(\d+)")


class Watchdog(threading.Thread):
    """Calls `look` with the bytes on disk, several times a second, until it is stopped."""

    def __init__(self, work: Path, look: Callable[[int], None]) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._work = work
        self._look = look
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(INTERVAL_SECONDS):
            self._look(disk_bytes(self._work))

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def disk_bytes(directory: Path) -> int:
    total = 0
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):  # renamed or removed meanwhile
                if entry.is_dir(follow_symlinks=False):
                    total += disk_bytes(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def ffmpeg_seconds(work: Path) -> float | None:
    """How much of its output ffmpeg has written, by the clock of the media; None when it does not run."""
    try:
        with (work / FFMPEG_PROGRESS).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            times = _OUT_TIME.findall(file.read())
    except OSError:
        return None
    return int(times[-1]) / 1_000_000 if times else None
