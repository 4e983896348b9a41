"""What happened to a batch. What happened to its jobs is in theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

if TYPE_CHECKING:
    from downloads.models.batch import Batch

# As of jobs (event.py): called in the transaction of the event.
Witness = Callable[["Batch", str], None]
witnesses: list[Witness] = []


class BatchEventQuerySet(models.QuerySet["BatchEvent"]):
    def append(self, batch: Batch, kind: str, **data: Any) -> BatchEvent:
        facts = (
            {"status": batch.status, "error_code": batch.error_code} if batch.error_code else {"status": batch.status}
        )
        event = self.create(batch=batch, owner_id=batch.owner_id, kind=kind, data=facts | data)
        for notice in witnesses:
            notice(batch, kind)
        return event


class BatchEvent(models.Model):
    """Appended in the transaction that causes it, and never changed. `completed` is the end, whatever the outcome."""

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey("downloads.Batch", on_delete=models.CASCADE, related_name="events")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=16)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    objects = BatchEventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.batch_id}"
