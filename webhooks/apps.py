from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebhooksConfig(AppConfig):
    name = "webhooks"
    verbose_name = _("Webhooks")

    def ready(self) -> None:
        from downloads.models import batch_event, event  # noqa: PLC0415 - models must be loaded first
        from webhooks import outbox  # noqa: PLC0415

        if outbox.record not in event.witnesses:
            event.witnesses.append(outbox.record)
            batch_event.witnesses.append(outbox.record_batch)
