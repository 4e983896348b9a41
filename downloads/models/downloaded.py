"""Which media an owner has had, by the site's module and the id there: what `skip_downloaded` leaves out.

A row is written with the files it speaks of. It outlives them: a list that is fetched every week must not bring back
what has expired in between. Who deletes a job has it forgotten here, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

if TYPE_CHECKING:
    from downloads.models.job import Job

Key = tuple[str, str]

MAX_ID = 500
BY_ADDRESS = "url"


def key_of(extractor: str | None, media_id: str | None) -> Key | None:
    """None where the site has no ids of its own: the generic module makes them of addresses."""
    if not extractor or not media_id or extractor.casefold() == "generic":
        return None
    return extractor.casefold()[:64], media_id[:MAX_ID]


def address_key(url: str, item: int | None) -> Key:
    return BY_ADDRESS, hashlib.sha256(f"{url}\n{item or ''}".encode()).hexdigest()


def keys_of_job(job: Job) -> list[Key]:
    """By its address, and by its id where the site has some."""
    metadata: Mapping[str, Any] = job.metadata
    by_id = key_of(metadata.get("extractor_key"), metadata.get("id"))
    return [address_key(job.url, job.playlist_item), *([by_id] if by_id else [])]


class DownloadedQuerySet(models.QuerySet["Downloaded"]):
    def record(self, job: Job) -> None:
        """In the transaction that publishes the job's files."""
        rows = [
            Downloaded(owner_id=job.owner_id, job=job, extractor=extractor, media_id=media_id)
            for extractor, media_id in keys_of_job(job)
        ]
        unique = ["owner", "media_id", "extractor"]
        self.bulk_create(rows, update_conflicts=True, unique_fields=unique, update_fields=["job"])

    def known(self, owner_id: Any, keys: Iterable[Key]) -> set[Key]:
        wanted = set(keys)
        if not wanted:
            return set()
        ids = {media_id for _, media_id in wanted}
        rows = self.filter(owner=owner_id, media_id__in=ids, job__discarded_at__isnull=True)
        return set(rows.values_list("extractor", "media_id")) & wanted

    def of_jobs(self, job_ids: Iterable[Any]) -> DownloadedQuerySet:
        return self.filter(job__in=list(job_ids))


class Downloaded(models.Model):
    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    extractor = models.CharField(max_length=64)
    media_id = models.CharField(max_length=MAX_ID)
    job = models.ForeignKey("downloads.Job", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    objects = DownloadedQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "downloaded"
        constraints = [
            models.UniqueConstraint(
                name="downloaded_once_per_owner",
                fields=["owner", "media_id", "extractor"],
                violation_error_message="An owner has had a video or not.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.extractor} {self.media_id}"
