"""Log lines of the programs that run without Django, in the two shapes that LOG_FORMAT names."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

FORMATS = ("console", "json")
# What a line may tell besides its words.
_FACTS = ("host", "reason", "address")


def to_stderr(format_name: str, level: str = "INFO") -> None:
    """Raises ValueError for a level that does not exist."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if format_name == "json" else ConsoleLines())
    logging.basicConfig(level=level.upper(), handlers=[handler])


class JsonLines(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        shown = {"event": record.getMessage(), **_facts(record), "logger": record.name}
        shown |= {"level": record.levelname.lower(), "timestamp": _utc(record.created)}
        if record.exc_info:
            shown["exception"] = self.formatException(record.exc_info)
        return json.dumps(shown)


class ConsoleLines(logging.Formatter):
    """As the rest of the server writes on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        line = f"{_utc(record.created)} [{record.levelname.lower():<9}] {record.getMessage()} [{record.name}]{facts}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _FACTS if hasattr(record, name)}


def _utc(seconds: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1e6):06}Z"
