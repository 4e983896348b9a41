"""The verdicts of this node's guard, carried from the file that it writes to the counters that all nodes share.

The guard counts from nought whenever it starts; what was carried over before stays. What a guard has counted in its
last seconds before a crash is lost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from downloads.engine.guard_stats import verdicts
from downloads.models.counter import EGRESS_BYTES, EGRESS_REQUESTS, Counter, Increment

Series = tuple[tuple[str, str], ...]


class GuardCounts:
    def __init__(self, path: Path) -> None:
        """Only a guard that starts from now on is counted: a file may be left of one that was counted before."""
        self._path = path
        self._since = time.time()
        self._guard: Any = None
        self._carried: dict[tuple[str, Series], float] = {}

    def carry_over(self) -> None:
        """Adds what is new. Raises DatabaseError, and then what is new stays so."""
        snapshot = self._read()
        if snapshot is None:
            return
        guard = (snapshot["pid"], snapshot["started_at"])
        carried = self._carried if guard == self._guard else {}
        counted = dict(_counts(snapshot))
        Counter.objects.add(
            Increment(name=name, labels=dict(labels), amount=amount - carried.get((name, labels), 0.0))
            for (name, labels), amount in counted.items()
            if amount > carried.get((name, labels), 0.0)
        )
        self._guard, self._carried = guard, counted

    def _read(self) -> dict[str, Any] | None:
        try:
            snapshot: dict[str, Any] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return None
        return snapshot if snapshot["started_at"] >= self._since else None


def _counts(snapshot: dict[str, Any]) -> Iterator[tuple[tuple[str, Series], float]]:
    for verdict, reason, count in verdicts(snapshot):
        yield (EGRESS_REQUESTS, (("reason", reason), ("verdict", verdict))), count
    yield (EGRESS_BYTES, ()), snapshot["relayed_bytes"]
