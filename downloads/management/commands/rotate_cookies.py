"""Encrypts all stored cookies by the first of COOKIE_KEYS, so that the others can be taken away."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from downloads.models import CookieJar
from downloads.vault import UndecryptableError


class Command(BaseCommand):
    help = "Encrypts all stored cookies by the first of COOKIE_KEYS. Safe to run while the service runs, and again."

    def handle(self, *_: Any, **__: Any) -> None:
        done, lost = 0, []
        for jar in CookieJar.objects.order_by("pk").iterator():
            try:
                done += jar.rotate()
            except UndecryptableError:
                lost.append(str(jar.pk))
        self.stdout.write(f"{done} encrypted by the first key.")
        if lost:
            raise CommandError(f"{len(lost)} cannot be decrypted by any key, and are left: {', '.join(lost)}")
