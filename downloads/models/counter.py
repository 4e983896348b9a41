"""Counts that only grow, kept apart from the rows they count: deleting old jobs must not make a metric fall."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F

from downloads.models.statuses import Status

if TYPE_CHECKING:
    from downloads.models.job import Job

JOBS = "jobs_total"
JOB_ERRORS = "job_errors_total"
BYTES_DOWNLOADED = "bytes_downloaded_total"
EGRESS_REQUESTS = "egress_requests_total"
EGRESS_BYTES = "egress_bytes_total"
JOB_SECONDS = "job_duration_seconds"
# How many took at most so long, and longer than the bound before. The sum has a row of its own.
JOB_SECONDS_BUCKET = "job_duration_seconds_bucket"
JOB_SECONDS_SUM = "job_duration_seconds_sum"
BOUNDS = ("1", "2", "5", "10", "30", "60", "120", "300", "600", "1800", "3600", "7200", "+Inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Increment:
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    amount: float = 1

    @property
    def label_text(self) -> str:
        return json.dumps(self.labels, sort_keys=True, separators=(",", ":"))


class CounterQuerySet(models.QuerySet["Counter"]):
    def record_end(self, job: Job) -> None:
        """To be called once, in the transaction that ends the job."""
        self.record_ends([job])

    def record_ends(self, jobs: Iterable[Job]) -> None:
        totals: defaultdict[tuple[str, str], float] = defaultdict(float)
        for increment in (increment for job in jobs for increment in _of_an_end(job)):
            totals[increment.name, increment.label_text] += increment.amount
        self.add(
            Increment(name=name, labels=json.loads(labels), amount=amount) for (name, labels), amount in totals.items()
        )

    def add(self, increments: Iterable[Increment]) -> None:
        # In one order everywhere, so that two transactions never wait for each other.
        for increment in sorted(increments, key=lambda item: (item.name, item.label_text)):
            key = {"name": increment.name, "labels": increment.label_text}
            added = F("value") + increment.amount
            if not self.filter(**key).update(value=added):
                self.bulk_create([Counter(**key)], ignore_conflicts=True)
                self.filter(**key).update(value=added)


class Counter(models.Model):
    name = models.CharField(max_length=64)
    # As JSON with sorted keys.
    labels = models.CharField(max_length=255)
    value = models.FloatField(default=0)

    objects = CounterQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="counter_one_row_per_series",
                fields=["name", "labels"],
                violation_error_message="A series has one counter.",
            ),
            models.CheckConstraint(
                name="counter_not_negative",
                condition=models.Q(value__gte=0),
                violation_error_message="A counter is not negative.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}{self.labels}"

    @property
    def label_set(self) -> dict[str, str]:
        labels: dict[str, str] = json.loads(self.labels)
        return labels


def _of_an_end(job: Job) -> list[Increment]:
    increments = [Increment(name=JOBS, labels={"status": str(job.status)})]
    if job.status == Status.FAILED:
        increments.append(Increment(name=JOB_ERRORS, labels={"code": job.error_code}))
    if job.status == Status.COMPLETED and job.started_at and job.finished_at:
        seconds = max(0.0, (job.finished_at - job.started_at).total_seconds())
        bound = next(bound for bound in BOUNDS if seconds <= float(bound))
        increments += [
            Increment(name=BYTES_DOWNLOADED, amount=job.downloaded_bytes),
            Increment(name=JOB_SECONDS_BUCKET, labels={"le": bound}),
            Increment(name=JOB_SECONDS_SUM, amount=seconds),
        ]
    return increments
