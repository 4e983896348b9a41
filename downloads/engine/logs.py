"""The logger that yt-dlp is given: what it says becomes `log` events, redacted, and warnings are remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from downloads.engine.redaction import redact

Level = Literal["debug", "info", "warning", "error"]

MAX_LINES = 2000
MAX_WARNINGS = 50
_DEBUG_MARK = "[debug] "


class JobLog:
    """`write` is called once a line, from whatever thread yt-dlp speaks."""

    def __init__(self, write: Callable[[Level, str], None], work_directory: str) -> None:
        self._write = write
        self._work_directory = work_directory
        self._lines = 0
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        """yt-dlp sends here all that it would show on a screen."""
        if message.startswith(_DEBUG_MARK):
            self._add("debug", message.removeprefix(_DEBUG_MARK))
        else:
            self._add("info", message)

    def info(self, message: str) -> None:
        self._add("info", message)

    def warning(self, message: str) -> None:
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(message)
        self._add("warning", message)

    def error(self, message: str) -> None:
        self._add("error", message)

    def _add(self, level: Level, message: str) -> None:
        text = redact(message, self._work_directory).strip()
        self._lines += 1
        if self._lines > MAX_LINES or not text:
            return
        self._write(level, text)
        if self._lines == MAX_LINES:
            self._write("warning", f"The log ends here, after {MAX_LINES} lines")
