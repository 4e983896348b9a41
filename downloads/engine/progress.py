"""One honest percentage over all chosen formats, from what yt-dlp's hooks say. Pure: the clock comes from outside.

    percent = 95 % x sum(weight x share done) / sum(weight), and the rest when postprocessing is done.

A format's weight is its size, else its bitrate, else a guess by kind; its share is bytes, else fragments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from downloads.engine.metadata import clean_number

DOWNLOAD_PERCENT = 95.0
POSTPROCESSED_PERCENT = 99.0
INTERVAL_SECONDS = 0.2
_SPEED_WINDOW_SECONDS = 5.0
_VIDEO_WEIGHT, _AUDIO_WEIGHT = 9.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One chosen format. `size` in bytes, None where the site does not say; weights are relative to each other."""

    key: str
    size: int | None
    weight: float


@dataclass(slots=True)
class _Arrival:
    downloaded: int = 0
    total: int | None = None
    share: float = 0.0


class Progress:
    """Not thread-safe: callers hold one lock around it."""

    def __init__(self, parts: Sequence[Part] = (), *, percent: float = 0.0) -> None:
        self._parts = {part.key: part for part in parts}
        self._arrivals: dict[str, _Arrival] = {}
        self._percent = percent
        self._samples: deque[tuple[float, int]] = deque()
        self._reported_at: float | None = None

    def planned(self, parts: Sequence[Part]) -> Progress:
        """Begin anew with other formats, but at the percentage that was told already."""
        return Progress(parts, percent=self._percent)

    @property
    def downloaded_bytes(self) -> int:
        return sum(arrival.downloaded for arrival in self._arrivals.values())

    @property
    def total_bytes(self) -> int | None:
        totals = [self._total(key) for key in self._parts]
        return sum(filter(None, totals)) if totals and None not in totals else None

    def update(self, key: str, status: Mapping[str, Any], now: float) -> None:
        """`status` is what yt-dlp gives a progress hook; unknown keys are formats that nobody planned."""
        self._parts.setdefault(key, Part(key=key, size=None, weight=1.0))
        arrival = self._arrivals.setdefault(key, _Arrival())
        total = _whole(status.get("total_bytes"))
        estimate = _whole(status.get("total_bytes_estimate"))
        arrival.total = total or estimate or arrival.total
        arrival.downloaded = _whole(status.get("downloaded_bytes")) or arrival.downloaded
        if status.get("status") == "finished":
            arrival.downloaded = arrival.total = total or arrival.downloaded
            arrival.share = 1.0
        else:
            arrival.share = self._share(arrival, status, is_exact=bool(total))
        self._sample(now)

    def is_due(self, now: float) -> bool:
        return self._reported_at is None or now - self._reported_at >= INTERVAL_SECONDS

    def report(self, now: float) -> dict[str, Any]:
        """The payload of a `progress` event."""
        self._reported_at = now
        self._percent = max(self._percent, min(DOWNLOAD_PERCENT, DOWNLOAD_PERCENT * self._done_share()))
        speed = self.speed(now)
        total, done = self.total_bytes, self.downloaded_bytes
        left = max(total - done, 0) if total is not None else None
        return {
            "percent": round(self._percent, 1),
            "downloaded_bytes": done,
            "total_bytes": total,
            "speed": round(speed) if speed else None,
            "eta": round(left / speed) if speed and left is not None else None,
            "is_between_formats": 0 < self._formats_done() < len(self._parts),
        }

    def rise_to(self, percent: float, now: float) -> dict[str, Any]:
        """The payload after a stage of known worth."""
        self._percent = max(self._percent, percent)
        return {**self.report(now), "speed": None, "eta": None}

    def speed(self, now: float) -> float | None:
        """Bytes a second over the last seconds; None before there is anything to measure."""
        if len(self._samples) < 2:  # noqa: PLR2004
            return None
        (start, first), (_, last) = self._samples[0], self._samples[-1]
        return max(last - first, 0) / (now - start) if now > start else None

    def _total(self, key: str) -> int | None:
        arrival = self._arrivals.get(key)
        return (arrival and arrival.total) or self._parts[key].size

    def _share(self, arrival: _Arrival, status: Mapping[str, Any], *, is_exact: bool) -> float:
        index, count = clean_number(status.get("fragment_index")), clean_number(status.get("fragment_count"))
        if count and count > 0 and not is_exact:
            return min(max(index or 0, 0) / count, 1.0)
        return min(arrival.downloaded / arrival.total, 1.0) if arrival.total else 0.0

    def _formats_done(self) -> int:
        return sum(arrival.share >= 1.0 for arrival in self._arrivals.values())

    def _done_share(self) -> float:
        weight = sum(part.weight for part in self._parts.values())
        done = sum(self._parts[key].weight * arrival.share for key, arrival in self._arrivals.items())
        return done / weight if weight else 0.0

    def _sample(self, now: float) -> None:
        if self._samples and now - self._samples[-1][0] < INTERVAL_SECONDS / 2:
            self._samples[-1] = (self._samples[-1][0], self.downloaded_bytes)
        else:
            self._samples.append((now, self.downloaded_bytes))
        while now - self._samples[0][0] > _SPEED_WINDOW_SECONDS and len(self._samples) > 2:  # noqa: PLR2004
            self._samples.popleft()


def parts_of(info: Mapping[str, Any]) -> list[Part]:
    """The formats that yt-dlp chose, with weights on one scale."""
    formats = info.get("requested_formats") or [info]
    duration = clean_number(info.get("duration"))
    sizes = [_whole(item.get("filesize")) or _whole(item.get("filesize_approx")) for item in formats]
    weights = _weights(formats, sizes, duration)
    return [
        Part(key=part_key(item), size=size, weight=weight)
        for item, size, weight in zip(formats, sizes, weights, strict=True)
    ]


def part_key(item: Mapping[str, Any]) -> str:
    return str(item.get("format_id") or "media")


def _weights(formats: Sequence[Mapping[str, Any]], sizes: Sequence[int | None], duration: float | None) -> list[float]:
    if all(sizes):
        return [float(size or 0) for size in sizes]
    rates = [
        size * 8 / 1000 / duration if size and duration else clean_number(item.get("tbr"))
        for item, size in zip(formats, sizes, strict=True)
    ]
    if all(rates):
        return [float(rate or 0) for rate in rates]
    return [_AUDIO_WEIGHT if item.get("vcodec") == "none" else _VIDEO_WEIGHT for item in formats]


def _whole(value: object) -> int | None:
    number = clean_number(value)
    return int(number) if number is not None and number >= 0 else None
