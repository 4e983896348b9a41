"""When a message that did not arrive is sent again. Pure."""

from __future__ import annotations

import random
from datetime import timedelta

MINUTE, HOUR = 60, 3600
# Seconds to wait after the first failure, the second, and so on; further ones wait as long as the last.
PAUSES = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
JITTER = 0.2
LONGEST_RETRY_AFTER = 24 * HOUR


def pause(failures: int, retry_after: float | None = None) -> timedelta:
    """After so many failures in a row. Never sooner than the receiver asked for, within a day."""
    planned = PAUSES[min(failures, len(PAUSES)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    asked = min(retry_after or 0, LONGEST_RETRY_AFTER)
    return timedelta(seconds=max(planned, asked))
