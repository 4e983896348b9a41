"""What an attempt tells: stages, progress, log lines, files and its end; and the limits on what it hears of.

yt-dlp calls from its fragment threads, the watchdog from its own, so one lock is around everything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from downloads.engine.errors import JobError
from downloads.engine.limits import Watch
from downloads.engine.logs import Level
from downloads.engine.progress import Part, Progress, part_key
from downloads.engine.spec import Event, EventName, Limits, Stage

Emit = Callable[[Event], None]
Clock = Callable[[], float]


class Reporter:
    def __init__(self, emit: Emit, limits: Limits, clock: Clock) -> None:
        self._emit = emit
        self._clock = clock
        self._lock = threading.RLock()
        self._watch = Watch(limits, clock())
        self._progress = Progress()
        self._planned: frozenset[str] = frozenset()
        self._stage: Stage | None = None
        self._is_over = False

    def event(self, name: EventName, /, **data: Any) -> None:
        with self._lock:
            if not self._is_over:
                self._emit(Event(name=name, data=data))

    def log(self, level: Level, message: str) -> None:
        with self._lock:
            self._watch.show_life(self._clock())
            self.event("log", level=level, message=message)

    def enter(self, stage: Stage) -> None:
        with self._lock:
            if stage == self._stage:
                return
            self._stage = stage
            self._watch.enter(stage, self._clock())
            self.event("stage", stage=stage)

    def plan(self, parts: Sequence[Part]) -> int | None:
        """The formats that will come; what they weigh together, where that is known."""
        with self._lock:
            self._progress = self._progress.planned(parts)
            self._planned = frozenset(part.key for part in parts)
            return self._progress.total_bytes

    def announce(self, total_bytes: int | None) -> None:
        with self._lock:
            self._watch.announce(total_bytes)

    def arrived(self, status: Mapping[str, Any]) -> None:
        """yt-dlp's progress hook. Raises JobError, through yt-dlp, when it is too much."""
        with self._lock:
            now = self._clock()
            size = status.get("downloaded_bytes") or status.get("total_bytes") or 0
            self._watch.announce(status.get("total_bytes"))
            self._watch.arrived(str(status.get("filename")), size, now)
            self._advance(part_key(status.get("info_dict") or {}), status, now)

    def advance(self, key: str, status: Mapping[str, Any]) -> None:
        """Of a part whose progress comes from elsewhere than yt-dlp's hooks."""
        with self._lock:
            self._advance(key, status, self._clock())

    def rise_to(self, percent: float) -> None:
        with self._lock:
            self.event("progress", **self._progress.rise_to(percent, self._clock()))

    def end(self, name: EventName, /, **data: Any) -> bool:
        """Say the last word; whoever comes later says nothing. True for the one who said it."""
        with self._lock:
            if self._is_over:
                return False
            self.event(name, **data)
            self._is_over = True
            return True

    def fail(self, error: JobError) -> bool:
        return self.end("error", code=str(error.code), message=error.message, retry_after=error.retry_after)

    def verdict(self, disk_bytes: int) -> JobError | None:
        with self._lock:
            return None if self._is_over else self._watch.verdict(disk_bytes, self._clock())

    def _advance(self, key: str, status: Mapping[str, Any], now: float) -> None:
        if key not in self._planned:
            return
        self._progress.update(key, status, now)
        if status.get("status") == "finished" or self._progress.is_due(now):
            self.event("progress", **self._progress.report(now))
