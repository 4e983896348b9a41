"""What the sweep does for webhooks: harmless to repeat, and to run on several nodes at once."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from downloads import bell
from webhooks import messages, outbox
from webhooks.models import Delivery
from webhooks.models.delivery import DeliveryQuerySet

PROGRESS_KEPT = timedelta(hours=1)
PURGED_AT_ONCE = 500


def look_after() -> None:
    outbox.announce_expiring()
    if Delivery.objects.due().exists() or Delivery.objects.sending().exists():
        # Retries that have become due, wake-ups that were lost, and what dead senders held.
        bell.ring(bell.WEBHOOKS)


def purge() -> int:
    """Forgets what is over for WEBHOOK_RETENTION_DAYS; reports of progress sooner, since there are many."""
    old = Delivery.objects.ended_before(timedelta(days=settings.WEBHOOK_RETENTION_DAYS))
    progress = Delivery.objects.filter(event=messages.PROGRESS).ended_before(PROGRESS_KEPT)
    return sum(_delete(rows) for rows in (old, progress))


def _delete(rows: DeliveryQuerySet) -> int:
    """In bites, so that no transaction is long."""
    deleted = 0
    while found := list(rows.values_list("pk", flat=True)[:PURGED_AT_ONCE]):
        deleted += Delivery.objects.filter(pk__in=found).delete()[0]
    return deleted
