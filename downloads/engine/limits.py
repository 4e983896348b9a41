"""Bounds on what really arrives: bytes, silence and speed. Pure: the clock and the disk's use come from outside."""

from __future__ import annotations

from downloads.engine.errors import ErrorCode, JobError
from downloads.engine.spec import Limits, Stage

SPEED_WINDOW_SECONDS = 30.0
# Formats, their merged file and the file that replaces it may lie side by side for a while.
_COPIES_WHILE_PROCESSING = 3
_SLACK_BYTES = 16 * 1024**2


class Watch:
    """Fed by hooks and by the watchdog; whoever finds a bound broken gets a `JobError`. Callers hold one lock."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._stage: Stage = "extracting"
        self._arrived: dict[str, int] = {}
        self._disk_bytes = 0
        self._alive_at = now
        self._window = (now, 0)

    def enter(self, stage: Stage, now: float) -> None:
        self._stage = stage
        self._alive_at = now
        self._window = (now, self._total)

    def show_life(self, now: float) -> None:
        self._alive_at = now

    def announce(self, total_bytes: int | None) -> None:
        """What the site says will come. Raises JobError when that is too much already."""
        if total_bytes and total_bytes > self._limits.max_bytes:
            raise self._too_large(total_bytes)

    def arrived(self, key: str, downloaded_bytes: int, now: float) -> None:
        """So much of one file is there. Raises JobError when all files together are too large."""
        if downloaded_bytes > self._arrived.get(key, 0):
            self._alive_at = now
        self._arrived[key] = downloaded_bytes
        if self._total > self._limits.max_bytes:
            raise self._too_large(self._total)

    def verdict(self, disk_bytes: int, now: float) -> JobError | None:
        """What the watchdog asks a few times a second, with all that lies in the work directory."""
        if disk_bytes != self._disk_bytes:
            self._alive_at = now
            self._disk_bytes = disk_bytes
        if disk_bytes > self._disk_limit():
            return self._too_large(disk_bytes)
        if now - self._alive_at > self._limits.no_progress_seconds:
            return self._silence()
        return self._slowness(now)

    @property
    def _total(self) -> int:
        return sum(self._arrived.values())

    def _disk_limit(self) -> int:
        if self._stage in {"extracting", "downloading"}:
            return self._limits.max_bytes + min(self._limits.max_bytes // 20, _SLACK_BYTES)
        return self._limits.max_bytes * _COPIES_WHILE_PROCESSING + _SLACK_BYTES

    def _silence(self) -> JobError:
        seconds = round(self._limits.no_progress_seconds)
        if self._stage == "downloading":
            return JobError(ErrorCode.TOO_SLOW, f"No data arrived for {seconds} seconds")
        return JobError(ErrorCode.TIMEOUT, f"Nothing happened for {seconds} seconds while {self._stage}")

    def _slowness(self, now: float) -> JobError | None:
        if self._stage != "downloading" or not self._limits.min_speed_bytes:
            return None
        start, before = self._window
        if now - start < SPEED_WINDOW_SECONDS:
            return None
        arrived = max(self._total, self._disk_bytes)
        speed = (arrived - before) / (now - start)
        self._window = (now, arrived)
        if speed >= self._limits.min_speed_bytes:
            return None
        return JobError(ErrorCode.TOO_SLOW, f"Only {round(max(speed, 0))} bytes a second arrived")

    def _too_large(self, size: int) -> JobError:
        return JobError(ErrorCode.TOO_LARGE, f"{size} bytes are more than the limit of {self._limits.max_bytes}")
