"""The guard's verdicts: logged by host alone, and counted in a file for the metrics to read."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from downloads.engine.guard_answers import Answer

log = logging.getLogger("mediadl.guard")


class Stats:
    """Counters only rise; a new process starts from nought, which `started_at` shows."""

    def __init__(self, path: Path | None = None) -> None:
        self._file = None if path is None else _StatsFile(path)
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
        if self._file is None or current == self._saved:
            return
        try:
            self._file.replace(json.dumps(current))
        except OSError as error:
            log.warning("stats_unwritable", extra={"reason": error.strerror})
        else:
            self._saved = current


def verdicts(snapshot: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """(verdict, reason, how often) of a snapshot; what was allowed has no reason."""
    yield "allowed", "", snapshot["allowed"]
    for verdict in ("denied", "failed"):
        for reason, count in snapshot[verdict].items():
            yield verdict, reason, count


class _StatsFile:
    """Its directory is held open from the start: when the disk is taken away, nothing is written in its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = f"{path.name}.{os.getpid()}"
        self._directory: int | None = None
        with suppress(OSError):
            self._open()

    def _open(self) -> int:
        if self._directory is None:
            self._directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._directory

    def replace(self, text: str) -> None:
        here, flags = self._open(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(self._draft, flags, 0o600, dir_fd=here), "w") as draft:
                draft.write(text)
            os.replace(self._draft, self._path.name, src_dir_fd=here, dst_dir_fd=here)
        except OSError:
            with suppress(OSError):
                os.unlink(self._draft, dir_fd=here)
            raise
