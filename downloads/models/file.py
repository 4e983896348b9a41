"""A published file: one row for each file below the media root, and the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Count, Q, Sum
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from accounts.models import User


# How long a deletion can be undone; the bytes go a little later.
UNDO_TIME = timedelta(seconds=30)


class Kind(models.TextChoices):
    MEDIA = "media", _("Media")
    SUBTITLE = "subtitle", _("Subtitle")
    THUMBNAIL = "thumbnail", _("Thumbnail")
    INFO_JSON = "info_json", _("Info JSON")


class MediaFileQuerySet(models.QuerySet["MediaFile"]):
    def owned_by(self, owner: User) -> MediaFileQuerySet:
        return self.filter(job__owner=owner, job__discarded_at__isnull=True)

    def stored(self) -> MediaFileQuerySet:
        return self.filter(deleted_at__isnull=True)

    def with_bytes(self) -> MediaFileQuerySet:
        """Those that are stored, and those whose deletion could still be undone."""
        return self.filter(Q(deleted_at__isnull=True) | Q(discarded_at__isnull=False))

    def lapsed(self) -> MediaFileQuerySet:
        """Whose deletion can no longer be undone."""
        return self.filter(discarded_at__lte=Now() - UNDO_TIME)

    def archivable(self) -> MediaFileQuerySet:
        """An archive says the CRC of what is in it before it is read."""
        return self.stored().filter(crc32__isnull=False, job__discarded_at__isnull=True)

    def main_ones(self) -> MediaFileQuerySet:
        return self.filter(is_main=True)

    def total_bytes(self) -> int:
        total: int = self.aggregate(total=Sum("size_bytes", default=0))["total"]
        return total

    def count_and_bytes(self) -> tuple[int, int]:
        found = self.aggregate(count=Count("*"), total=Sum("size_bytes", default=0))
        return found["count"], found["total"]

    def largest(self) -> MediaFileQuerySet:
        return self.stored().order_by("-size_bytes")

    def by_owner(self) -> models.QuerySet[Any, Any]:
        """One row for each owner, who has most first."""
        rows = self.stored().order_by().values("job__owner", "job__owner__username", "job__owner__max_stored_bytes")
        return rows.annotate(bytes=Sum("size_bytes"), files=Count("*")).order_by("-bytes")

    def bytes_by_age(self, bounds: Sequence[timedelta]) -> list[int]:
        """Of files at most so old, and older than the bound before; last of those that are older than all."""
        now = timezone.now()
        edges = [now - bound for bound in bounds]
        younger = [Q(), *(Q(created_at__lt=edge) for edge in edges)]
        older = [*(Q(created_at__gte=edge) for edge in edges), Q()]
        sums = {
            f"part{number}": Sum("size_bytes", filter=low & high, default=0)
            for number, (low, high) in enumerate(zip(older, younger, strict=True))
        }
        found = self.stored().aggregate(**sums)
        return [found[name] for name in sums]

    def mark_deleted(self) -> int:
        """The bytes are to go; the rows stay, so that a late request is told that the file expired."""
        return self.stored().update(deleted_at=Now())

    def discard(self) -> int:
        """Deleted for everybody, with bytes that stay as long as it can be undone."""
        return self.stored().update(deleted_at=Now(), discarded_at=Now())

    def restore(self) -> int:
        """Undoes it for those of them for which there is still time."""
        still = self.filter(discarded_at__gt=Now() - UNDO_TIME)
        return still.update(deleted_at=None, discarded_at=None)


class MediaFile(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey("downloads.Job", on_delete=models.CASCADE, related_name="files")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    is_main = models.BooleanField(default=False)
    # Made of ids that we generate; never shown, never taken from a request.
    storage_key = models.CharField(max_length=200, unique=True)
    # The name shown and downloaded, safe on every file system.
    filename = models.CharField(max_length=255)
    mime_type = models.CharField(max_length=100)
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    # For archives. None of files from before there were any.
    crc32 = models.BigIntegerField(null=True, blank=True)
    format = models.CharField(max_length=200, blank=True)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    duration = models.FloatField(null=True, blank=True)
    vcodec = models.CharField(max_length=64, blank=True)
    acodec = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=35, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, blank=True)
    # By its owner alone, and while the bytes are still there.
    discarded_at = models.DateTimeField(null=True, blank=True)

    objects = MediaFileQuerySet.as_manager()

    class Meta:
        ordering = ["-is_main", "id"]
        indexes = [
            # Sums and the largest are read from it alone.
            models.Index(fields=["-size_bytes"], name="file_stored", condition=Q(deleted_at__isnull=True)),
            # What is stored by its age, and by its job and so by its owner.
            models.Index(fields=["created_at", "size_bytes"], name="file_age", condition=Q(deleted_at__isnull=True)),
            models.Index(fields=["job", "size_bytes"], name="file_of_job", condition=Q(deleted_at__isnull=True)),
            models.Index(fields=["discarded_at"], name="file_discarded", condition=Q(discarded_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(
                name="media_file_discarded_is_deleted",
                condition=Q(discarded_at__isnull=True) | Q(deleted_at__isnull=False),
                violation_error_message="A file that can be had back is a deleted one.",
            ),
            models.CheckConstraint(
                name="media_file_size_not_negative",
                condition=Q(size_bytes__gte=0),
                violation_error_message="A file has no negative size.",
            ),
            models.UniqueConstraint(
                name="media_file_one_main_per_job",
                fields=["job"],
                condition=Q(is_main=True),
                violation_error_message="A job has one main file.",
            ),
        ]

    def __str__(self) -> str:
        return self.filename

    @property
    def etag(self) -> str:
        """The same on every node, since it comes from the content."""
        return f'"{self.sha256[:32]}"'
