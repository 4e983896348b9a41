"""Token buckets, exact however many processes and nodes take from them at once, in one statement.

A bucket is kept as the moment at which it will be full again: each token taken moves that moment on by the time that
a token takes to come back, and a bucket whose moment has passed is full. That says the same as a count of tokens and
the time of the last look, in one whole number, so that nothing is lost to rounding. A row is the pair of buckets of
one subject, for a minute and for an hour: both give a token or neither does.

PostgreSQL's own clock is used, since each node has another; on SQLite, which is one machine, the process's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from django.db import connection, models

NANOSECONDS = 1_000_000_000
MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
# How much further in the future than its window a bucket may become full. Beyond, the clock has been set back, and what
# the bucket says means nothing: it counts as full, since it would refuse for as long otherwise.
CLOCK_SECONDS = 60
MINUTE_BOUND = (MINUTE_SECONDS + CLOCK_SECONDS) * NANOSECONDS
HOUR_BOUND = (HOUR_SECONDS + CLOCK_SECONDS) * NANOSECONDS
# A window so long that no bucket of it is ever empty: how "no limit" is written.
UNLIMITED_SECONDS = 10 * 365 * 24 * HOUR_SECONDS

TAKE = """
    INSERT INTO accounts_ratebucket AS bucket (key, minute_full_at, hour_full_at) VALUES {rows}
    ON CONFLICT (key) DO UPDATE SET
        minute_full_at = {later}(excluded.minute_full_at, {minute_known} + {minute.interval}),
        hour_full_at = {later}(excluded.hour_full_at, {hour_known} + {hour.interval})
    WHERE {minute_known} <= excluded.minute_full_at + {minute.slack}
        AND {hour_known} <= excluded.hour_full_at + {hour.slack}
    RETURNING key, minute_full_at - {now}, hour_full_at - {now}
"""
KNOWN = "CASE WHEN bucket.{0}_full_at > excluded.{0}_full_at + {1} THEN 0 ELSE bucket.{0}_full_at END"
MINUTE_KNOWN = KNOWN.format("minute", MINUTE_BOUND)
HOUR_KNOWN = KNOWN.format("hour", HOUR_BOUND)
LOOK = """
    SELECT key, minute_full_at - {now}, hour_full_at - {now} FROM accounts_ratebucket WHERE key IN ({keys})
"""
GIVE_BACK = """
    UPDATE accounts_ratebucket
    SET minute_full_at = minute_full_at - {minute.interval}, hour_full_at = hour_full_at - {hour.interval}
    WHERE key IN ({keys})
"""
PURGE = "DELETE FROM accounts_ratebucket WHERE minute_full_at <= {now} AND hour_full_at <= {now}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """So many tokens in a window; a count of 0 is no limit."""

    count: int
    window_seconds: int

    @property
    def window(self) -> int:
        return (self.window_seconds if self.count else UNLIMITED_SECONDS) * NANOSECONDS

    @property
    def interval(self) -> int:
        """How long a token takes to come back."""
        return self.window // self.count if self.count else 0

    @property
    def slack(self) -> int:
        """How far the stored moment may lie past that of a first token while one more token is left."""
        return self.window - 2 * self.interval

    def remaining(self, owed: int) -> int:
        return max(0, (self.window - max(0, owed)) // self.interval)

    def wait_seconds(self, owed: int) -> float:
        """Until one token is there again."""
        return max(0, owed + self.interval - self.window) / NANOSECONDS if self.count else 0.0

    def reset_seconds(self, owed: int) -> int:
        """Until all are there again."""
        return math.ceil(max(0, owed) / NANOSECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What a subject owes its two buckets, as the nanoseconds until each is full, and whether it got a token."""

    key: str
    is_taken: bool
    minute_owed: int
    hour_owed: int


class RateBucketManager(models.Manager["RateBucket"]):
    def take(self, keys: Iterable[str], minute: Quota, hour: Quota, *, at: int | None = None) -> list[Balance]:
        """Takes a token from every key's buckets, or from none. `at` is nanoseconds since the epoch."""
        ordered = sorted(set(keys))  # one order of row locks, so that no two statements wait for each other
        taken = self._rows(TAKE, ordered, minute, hour, at)
        if len(taken) == len(ordered):
            return [Balance(key=key, is_taken=True, minute_owed=m, hour_owed=h) for key, m, h in taken]
        if taken:
            self._give_back([key for key, _, _ in taken], minute, hour)
        seen = self._rows(LOOK, ordered, minute, hour, at)
        refused = set(ordered) - {key for key, _, _ in taken}
        return [Balance(key=key, is_taken=key not in refused, minute_owed=m, hour_owed=h) for key, m, h in seen]

    def purge(self, *, at: int | None = None) -> int:
        """Removes buckets that are full, which is what a missing one is, so that it may run at any time."""
        now, moment = self._clock(at)
        with connection.cursor() as cursor:
            cursor.execute(PURGE.format(now=now), moment)
            return int(cursor.rowcount)

    def _rows(
        self, sql: str, keys: list[str], minute: Quota, hour: Quota, at: int | None
    ) -> list[tuple[str, int, int]]:
        now, moment = self._clock(at)
        statement = sql.format(
            rows=", ".join(
                f"(%(key{i})s, {now} + {minute.interval}, {now} + {hour.interval})" for i in range(len(keys))
            ),
            keys=marks(keys),
            later="greatest" if connection.vendor == "postgresql" else "max",
            minute=minute,
            hour=hour,
            minute_known=MINUTE_KNOWN,
            hour_known=HOUR_KNOWN,
            now=now,
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, named(keys) | moment)
            rows: list[tuple[str, int, int]] = cursor.fetchall()
        return rows

    def _give_back(self, keys: list[str], minute: Quota, hour: Quota) -> None:
        with connection.cursor() as cursor:
            cursor.execute(GIVE_BACK.format(keys=marks(keys), minute=minute, hour=hour), named(keys))

    @staticmethod
    def _clock(at: int | None) -> tuple[str, dict[str, str | int]]:
        """The SQL of the moment, and the parameter that it needs."""
        if at is None and connection.vendor == "postgresql":
            return f"(extract(epoch FROM clock_timestamp()) * {NANOSECONDS})::bigint", {}
        return "%(now)s", {"now": time.time_ns() if at is None else at}


def marks(keys: list[str]) -> str:
    return ", ".join(f"%(key{i})s" for i in range(len(keys)))


def named(keys: list[str]) -> dict[str, str | int]:
    return {f"key{i}": key for i, key in enumerate(keys)}


class RateBucket(models.Model):
    key = models.CharField(primary_key=True, max_length=128)
    minute_full_at = models.BigIntegerField()
    hour_full_at = models.BigIntegerField()

    objects: ClassVar[RateBucketManager] = RateBucketManager()

    class Meta:
        verbose_name = "rate bucket"

    def __str__(self) -> str:
        return self.key
