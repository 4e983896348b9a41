"""A machine of the deployment, as it last described itself: what health, metrics and the admin know of workers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models.functions import Now

# `manage.py up` pulses every 10 s.
SILENT_AFTER = timedelta(seconds=45)
FORGOTTEN_AFTER = timedelta(days=1)


class NodeQuerySet(models.QuerySet["Node"]):
    def alive(self) -> NodeQuerySet:
        return self.filter(seen_at__gte=Now() - SILENT_AFTER)

    def workers(self) -> NodeQuerySet:
        """Without those that serve pages alone."""
        return self.filter(slots__gt=0)

    def forgotten(self) -> NodeQuerySet:
        return self.filter(seen_at__lt=Now() - FORGOTTEN_AFTER)

    def pulse(self, name: str, **facts: Any) -> None:
        self.update_or_create(name=name, defaults={"seen_at": Now(), **facts})


class Node(models.Model):
    name = models.CharField(primary_key=True, max_length=255)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    version = models.CharField(max_length=32, blank=True)
    ytdlp_version = models.CharField(max_length=32, blank=True)
    # The downloads that it runs at a time.
    slots = models.PositiveIntegerField(default=0)
    # full, partial or off, as the kernel allows.
    sandbox = models.CharField(max_length=8, blank=True)
    # Component name → {"status": "ok"|"warning"|"error", "message": …}: ffmpeg, javascript, guard, engine, storage.
    components = models.JSONField(default=dict)

    objects = NodeQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
