"""How long a job waits before it is tried again."""

from __future__ import annotations

import random
from datetime import timedelta

from downloads.engine.errors import JobError

RETRY_BASE = timedelta(seconds=10)
RETRY_CAP = timedelta(minutes=15)
MAX_SNOOZE = timedelta(hours=1)


def retry_delay(failures: int) -> timedelta:
    """Full jitter below an exponential ceiling, so that failed jobs do not come back as one wave."""
    ceiling = min(RETRY_CAP, RETRY_BASE * 2 ** max(0, failures - 1))
    return timedelta(seconds=ceiling.total_seconds() * random.random())  # noqa: S311 - spreading load needs no secret


def patience(error: JobError, snoozes: int) -> timedelta:
    """What the origin asked for (an hour at most), else a growing pause."""
    if error.retry_after:
        return min(timedelta(seconds=error.retry_after), MAX_SNOOZE)
    return RETRY_BASE + retry_delay(snoozes + 1)
