"""What was used of a day, exact however many processes count at once: a row for each subject and day, in UTC.

A subject is the id of a user or of a key. Rows outlive the jobs that they counted: deleting a job gives nothing back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django.db import connection, models
from django.utils import timezone

KEPT_DAYS = 90
NO_LIMIT = 2**62

TAKE = """
    INSERT INTO accounts_dayusage AS usage (subject, day, jobs, bytes)
    SELECT %(subject)s, %(day)s, %(jobs)s, 0 WHERE %(jobs)s <= %(most_jobs)s
    UNION ALL SELECT %(also)s, %(day)s, %(jobs)s, 0 WHERE %(also)s IS NOT NULL
    ON CONFLICT (subject, day) DO UPDATE SET jobs = usage.jobs + excluded.jobs
    WHERE usage.subject = %(also)s
    OR usage.jobs + excluded.jobs <= %(most_jobs)s AND usage.bytes < %(most_bytes)s
    RETURNING jobs
"""
ADD = """
    INSERT INTO accounts_dayusage AS usage (subject, day, jobs, bytes)
    SELECT %(subject)s, %(day)s, 0, %(bytes)s
    UNION ALL SELECT %(also)s, %(day)s, 0, %(bytes)s WHERE %(also)s IS NOT NULL
    ON CONFLICT (subject, day) DO UPDATE SET bytes = usage.bytes + excluded.bytes
    RETURNING CASE WHEN subject = %(subject)s THEN bytes ELSE 0 END
"""


def today() -> date:
    return timezone.now().date()


def day_ends_at() -> datetime:
    """When a new day of everybody begins."""
    return datetime.combine(today() + timedelta(days=1), time(), tzinfo=timezone.now().tzinfo)


class DayUsageManager(models.Manager["DayUsage"]):
    def take_jobs(
        self,
        subject: uuid.UUID,
        count: int,
        *,
        most_jobs: int | None = None,
        most_bytes: int | None = None,
        also: uuid.UUID | None = None,
    ) -> bool:
        """Counts so many jobs of today, or none of them when they are too many or the bytes are used up.

        They are counted for `also`, too, which has no limit: even when they are refused, unless the caller rolls back.
        """
        if count == 0:
            return True
        values: dict[str, Any] = {
            "jobs": count,
            "most_jobs": most_jobs or NO_LIMIT,
            "most_bytes": most_bytes or NO_LIMIT,
            "also": _prepared(also),
        }
        return len(self._upsert(TAKE, subject, values)) == (1 if also is None else 2)

    def add_bytes(self, subject: uuid.UUID, count: int, *, also: uuid.UUID | None = None) -> int:
        """Today's bytes of `subject` with these, which are counted for `also`, too."""
        totals = self._upsert(ADD, subject, {"bytes": count, "also": _prepared(also)})
        return sum(total for (total,) in totals)

    def of_today(self, subject: uuid.UUID) -> DayUsage:
        """An unsaved row of zeros where nothing was used yet."""
        return self.filter(subject=subject, day=today()).first() or DayUsage(subject=subject, day=today())

    def of_days(self, subjects: Iterable[uuid.UUID], days: int) -> dict[tuple[uuid.UUID, date], DayUsage]:
        """By subject and day, of so many days up to today; nothing of days without use."""
        rows = self.filter(subject__in=list(subjects), day__gt=today() - timedelta(days=days))
        return {(row.subject, row.day): row for row in rows}

    def purge(self) -> int:
        return self.filter(day__lt=today() - timedelta(days=KEPT_DAYS)).delete()[0]

    def _upsert(self, sql: str, subject: uuid.UUID, values: dict[str, Any]) -> list[tuple[int]]:
        key = {"subject": _prepared(subject), "day": connection.ops.adapt_datefield_value(today())}
        with connection.cursor() as cursor:
            cursor.execute(sql, key | values)
            rows: list[tuple[int]] = cursor.fetchall()
        return rows


def _prepared(subject: uuid.UUID | None) -> Any:
    return models.UUIDField().get_db_prep_value(subject, connection)


class DayUsage(models.Model):
    pk = models.CompositePrimaryKey("subject", "day")
    subject = models.UUIDField()
    day = models.DateField()
    jobs = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)

    objects: ClassVar[DayUsageManager] = DayUsageManager()

    class Meta:
        verbose_name_plural = "day usage"

    def __str__(self) -> str:
        return f"{self.subject} on {self.day}"
