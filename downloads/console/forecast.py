"""When the store will be full, at the pace of the last days. Pure, but for the samples that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from downloads.models import Sample

LOOKS_BACK = timedelta(days=7)
# Of less no pace can be told.
LEAST = timedelta(hours=1)
SECONDS_A_DAY = 86_400
# Whoever looks further ahead is guessing.
HORIZON = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """`bytes_a_day`: None while there is too little past. `full_at`: None when that is not in sight."""

    since: datetime | None = None
    bytes_a_day: int | None = None
    full_at: datetime | None = None


def forecast(samples: Sequence[Sample], now: datetime, stored_bytes: int, room_bytes: int | None) -> Forecast:
    """`room_bytes`: what fits in; None without a limit."""
    if not samples or now - samples[0].taken_at < LEAST:
        return Forecast()
    first = samples[0]
    pace = (stored_bytes - first.stored_bytes) / (now - first.taken_at).total_seconds()
    return Forecast(
        since=first.taken_at,
        bytes_a_day=round(pace * SECONDS_A_DAY),
        full_at=None if room_bytes is None else _full_at(now, room_bytes, pace),
    )


def _full_at(now: datetime, room_bytes: int, pace: float) -> datetime | None:
    if room_bytes <= 0:
        return now
    if pace <= 0 or room_bytes / pace > HORIZON.total_seconds():
        return None
    return now + timedelta(seconds=room_bytes / pace)
