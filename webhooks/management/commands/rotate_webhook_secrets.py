"""Encrypts the secrets of all webhooks by the first of WEBHOOK_KEYS, so that the others can be taken away."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from webhooks.models import Endpoint
from webhooks.vault import SealedError


class Command(BaseCommand):
    help = (
        "Encrypts the secrets of all webhooks by the first of WEBHOOK_KEYS. They stay the same for those who are told. "
        "Safe to run while the service runs, and again."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        done, lost = 0, []
        for endpoint in Endpoint.objects.order_by("pk").iterator():
            try:
                done += endpoint.reseal()
            except SealedError:
                lost.append(str(endpoint.pk))
        self.stdout.write(f"{done} encrypted by the first key.")
        if lost:
            raise CommandError(f"{len(lost)} cannot be decrypted by any key, and are left: {', '.join(lost)}")
