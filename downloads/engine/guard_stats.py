"""The guard's verdicts: logged by host alone, and counted in a file for the metrics to read."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from downloads.engine.guard_answers import Answer

log = logging.getLogger("mediadl.guard")


class Stats:
    """Counters only rise; a new process starts from nought, which `started_at` shows."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._started_at = time.time()
        self._saved: dict[str, Any] = {}
        self.allowed = 0
        self.denied: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.connections = 0
        self.open_connections = 0
        self.relayed_bytes = 0

    def note_allowed(self, host: str) -> None:
        self.allowed += 1
        log.debug("egress_allowed", extra={"host": host})

    def note_refused(self, answer: Answer, host: str | None) -> None:
        """`host` is None where the request named none."""
        counter = self.denied if answer.is_denial else self.failed
        counter[answer.reason] += 1
        event, level = ("egress_denied", logging.INFO) if answer.is_denial else ("egress_failed", logging.DEBUG)
        log.log(level, event, extra={"host": host, "reason": answer.reason})

    def snapshot(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "started_at": self._started_at,
            "allowed": self.allowed,
            "denied": dict(self.denied),
            "failed": dict(self.failed),
            "connections": self.connections,
            "open_connections": self.open_connections,
            "relayed_bytes": self.relayed_bytes,
        }

    def save(self) -> None:
        """Replaces the file as a whole, and only when something has changed. A full disk costs figures, no traffic."""
        current = self.snapshot()
        if self._path is None or current == self._saved:
            return
        try:
            _replace(self._path, json.dumps(current))
        except OSError as error:
            log.warning("stats_unwritable", extra={"reason": error.strerror})
        else:
            self._saved = current


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
