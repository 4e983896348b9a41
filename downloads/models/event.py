"""What happened to a job: its history, and its log. Streams, timelines and webhooks read the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from accounts.models import prepared

if TYPE_CHECKING:
    from downloads.models.job import Job

MAX_LOG_LINES = 2000

# Apps that tell others of events add theirs when they are ready. Each is called in the transaction of the event, with
# the jobs as they are now and the event's kind, so that nothing can be told that did not happen, or happen untold.
Witness = Callable[[Sequence["Job"], str], None]
witnesses: list[Witness] = []


def witness(jobs: Sequence[Job], kind: str) -> None:
    for notice in witnesses:
        notice(jobs, kind)


class JobEventQuerySet(models.QuerySet["JobEvent"]):
    def append(self, job: Job, kind: str, **data: Any) -> None:
        prepared.insert(self.model(**_fields(job, kind, data)))
        witness([job], kind)

    def append_all(self, jobs: Iterable[Job], kind: str) -> None:
        happened = list(jobs)
        self.bulk_create(JobEvent(**_fields(job, kind, {})) for job in happened)
        witness(happened, kind)


def _fields(job: Job, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    facts = {"status": job.status, "error_code": job.error_code} if job.error_code else {"status": job.status}
    return {"job": job, "owner_id": job.owner_id, "kind": kind, "attempt": job.attempt, "data": facts | data}


class JobEvent(models.Model):
    """Appended in the transaction that causes it, and never changed."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey("downloads.Job", on_delete=models.CASCADE, related_name="events")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=16)
    attempt = models.PositiveIntegerField()
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    objects = JobEventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.job_id}"


class JobLogQuerySet(models.QuerySet["JobLog"]):
    def at_level(self, level: str) -> JobLogQuerySet:
        """Lines of `level` and above."""
        return self.filter(level__in=JobLog.LEVELS[JobLog.LEVELS.index(level) :])

    def append(self, job: Job, lines: Iterable[tuple[datetime, str, str]]) -> None:
        """Adds (moment, level, message) lines; a job that talks without end is cut off at MAX_LOG_LINES."""
        room = MAX_LOG_LINES - self.filter(job=job).count()
        rows = [
            JobLog(job=job, attempt=job.attempt, timestamp=timestamp, level=level, message=message[:2000])
            for timestamp, level, message in lines
        ]
        self.bulk_create(rows[: max(0, room)])


class JobLog(models.Model):
    LEVELS = ("debug", "info", "warning", "error")

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey("downloads.Job", on_delete=models.CASCADE, related_name="logs")
    attempt = models.PositiveIntegerField()
    timestamp = models.DateTimeField()
    level = models.CharField(max_length=8)
    message = models.TextField()

    objects = JobLogQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.level}: {self.message}"
