"""What the jobs of batches do, counted in one query however many batches or jobs there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Avg, Case, Count, F, Q, Sum, Value, When

from downloads.models.batch import Batch, BatchStatus
from downloads.models.job import Job
from downloads.models.statuses import FINISHED, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """`percent`: of the whole batch, in which a job that has ended is done. `versions` changes with every job."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Status.values, 0))
    percent: float = 0.0
    versions: int = 0

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> dict[Any, Tally]:
        """By batch id."""
        wanted = [batch.pk for batch in batches]
        percent = Case(When(status__in=FINISHED, then=Value(100.0)), default=F("progress_percent"))
        counts = {f"of_{status}": Count("id", filter=Q(status=status)) for status in Status.values}
        jobs = Job.objects.present().filter(batch__in=wanted).order_by().values("batch")
        rows = jobs.annotate(percent=Avg(percent), versions=Sum("version"), **counts)
        found = {row["batch"]: cls._of(row) for row in rows}
        return {batch_id: found.get(batch_id) or cls() for batch_id in wanted}

    @classmethod
    def _of(cls, row: Mapping[str, Any]) -> Tally:
        counts = {status: row[f"of_{status}"] for status in Status.values}
        return cls(counts=counts, percent=row["percent"] or 0.0, versions=row["versions"])

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def finished(self) -> int:
        return sum(self.counts[status] for status in FINISHED)

    def status_of(self, batch: Batch) -> str:
        """As it is shown: one that waits for its first job is queued, and one that stops still runs."""
        if batch.status == BatchStatus.RUNNING and not self.finished and not self.counts[Status.RUNNING]:
            return str(Status.QUEUED)
        return str(BatchStatus.RUNNING if batch.status == BatchStatus.STOPPING else batch.status)

    def percent_of(self, batch: Batch) -> float:
        return 100.0 if batch.has_ended else round(self.percent, 2)
