"""What django-q2's workers run: a wake-up, which may be lost, doubled or late."""

from __future__ import annotations

from webhooks.models import Delivery


def send() -> None:
    """Sends what is due, for as long as something is."""
    if not Delivery.objects.unfinished().exists():
        return
    from webhooks import sender  # noqa: PLC0415 - loads an HTTP client that only those with webhooks need

    sender.send_due()
