"""What the service has done and holds, noted every few minutes: the past of what is else only known as it is now.

Deleting jobs does not change it. Counts are totals, so that a sample that was missed loses nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from downloads.models import counter as counters
from downloads.models.counter import Counter
from downloads.models.statuses import FINISHED

EVERY = timedelta(minutes=5)
# Older than that, one an hour is enough.
FINE_FOR = timedelta(days=2)
KEPT_FOR = timedelta(days=90)


class SampleQuerySet(models.QuerySet["Sample"]):
    def since(self, at: datetime) -> SampleQuerySet:
        """Those after `at`, and the last one before, which says where counting began."""
        before = self.filter(taken_at__lte=at).order_by("-taken_at").values_list("taken_at", flat=True).first()
        return self.filter(taken_at__gte=before or at).order_by("taken_at")

    def is_due(self, at: datetime) -> bool:
        return not self.filter(pk=slot_of(at)).exists()

    def take(self, at: datetime, **stock: int | None) -> None:
        """One for each slot of time, whoever is first."""
        self.bulk_create([Sample(taken_at=slot_of(at), **totals(), **stock)], ignore_conflicts=True)

    def purge(self, at: datetime) -> None:
        self.filter(taken_at__lt=at - KEPT_FOR).delete()
        self.filter(taken_at__lt=at - FINE_FOR).exclude(taken_at__minute=0).delete()


class Sample(models.Model):
    taken_at = models.DateTimeField(primary_key=True)
    # Since the service was set up.
    completed = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    cancelled = models.PositiveBigIntegerField(default=0)
    downloaded_bytes = models.PositiveBigIntegerField(default=0)
    # At that time. `free_bytes`: of the disk; None where files are in a bucket.
    stored_bytes = models.PositiveBigIntegerField(default=0)
    free_bytes = models.PositiveBigIntegerField(null=True, blank=True)

    objects = SampleQuerySet.as_manager()

    class Meta:
        ordering = ["taken_at"]

    def __str__(self) -> str:
        return f"{self.taken_at:%Y-%m-%d %H:%M}"

    @classmethod
    def now(cls) -> Sample:
        """The totals as they are, which is not saved."""
        return cls(taken_at=timezone.now(), **totals())


def slot_of(at: datetime) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // EVERY.total_seconds() * EVERY.total_seconds(), tz=UTC)


def totals() -> dict[str, Any]:
    found = dict.fromkeys((str(status) for status in FINISHED), 0) | {"downloaded_bytes": 0}
    for row in Counter.objects.filter(name__in=(counters.JOBS, counters.BYTES_DOWNLOADED)):
        name = "downloaded_bytes" if row.name == counters.BYTES_DOWNLOADED else row.label_set["status"]
        found[name] = int(row.value)
    return found
