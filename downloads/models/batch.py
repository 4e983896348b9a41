"""A batch: several jobs that were asked for together, as links, a playlist or a channel. Its row is the record.

    expanding → running → completed | failed | cancelled
    expanding | running → stopping → failed | cancelled;    failed → expanding; any end → running (retried)

`expanding`: its entries are still being turned into jobs. `stopping`: no more of them start, and what waits is being
cancelled. What the jobs do is theirs: counts are made of their rows, and the end is recorded when the last has ended.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from downloads import bell
from downloads.engine.errors import JobError
from downloads.models.batch_event import BatchEvent
from downloads.models.jobs import MOST_ALIKE, URL_START, UrlStart
from downloads.models.probe import Probe
from downloads.models.statuses import UNFINISHED, Priority, Status, TransitionError

if TYPE_CHECKING:
    from accounts.models import User
    from downloads.models.job import Job
    from downloads.models.jobs import JobQuerySet

DEFAULT_CONCURRENT_LIMIT = 3


class BatchKind(models.TextChoices):
    BATCH = "batch", _("Links")
    PLAYLIST = "playlist", _("Playlist")
    CHANNEL = "channel", _("Channel")


class BatchStatus(models.TextChoices):
    EXPANDING = "expanding", _("Reading the list")
    RUNNING = "running", _("Running")
    STOPPING = "stopping", _("Stopping")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


LIVE_BATCH = (BatchStatus.EXPANDING, BatchStatus.RUNNING, BatchStatus.STOPPING)
ENDED_BATCH = (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED)


class BatchQuerySet(models.QuerySet["Batch"]):
    def owned_by(self, owner: User) -> BatchQuerySet:
        return self.filter(owner=owner)

    def for_url(self, url: str) -> BatchQuerySet:
        """Of playlists and channels. Found by the beginning of it, which is indexed."""
        starts = Batch.objects.alias(url_start=UrlStart("url")).exclude(url="").filter(url_start=url[:URL_START])
        # Apart, or SQLite would put the one into the other and see no index.
        return self.filter(pk__in=starts.order_by("-id").values("pk")[:MOST_ALIKE], url=url)

    def expanding(self) -> BatchQuerySet:
        return self.filter(status=BatchStatus.EXPANDING)

    def stopping(self) -> BatchQuerySet:
        return self.filter(status=BatchStatus.STOPPING)

    def live(self) -> BatchQuerySet:
        return self.filter(status__in=LIVE_BATCH)

    def ended(self) -> BatchQuerySet:
        return self.filter(status__in=ENDED_BATCH)

    def without_work(self) -> BatchQuerySet:
        """Under way, though none of their jobs is."""
        rows = self.filter(status__in=(BatchStatus.RUNNING, BatchStatus.STOPPING))
        return rows.exclude(jobs__status__in=UNFINISHED)

    def forgettable(self, after: timedelta) -> BatchQuerySet:
        return self.ended().filter(finished_at__lt=Now() - after, jobs__isnull=True)

    def job_ended(self, job: Job) -> None:
        """In the transaction that ends a job. The lock on the batch's row makes its last two jobs see each other."""
        if job.batch_id is None:
            return
        touched = self.filter(pk=job.batch_id, status__in=LIVE_BATCH)
        if not touched.update(version=F("version") + 1, updated_at=Now()):
            return
        batch = self.get(pk=job.batch_id)
        if job.status == Status.FAILED and batch.stops_on_error:
            batch.stop_for_error()
        batch.settle()

    def reopen(self, batch_id: Any) -> None:
        """In the transaction that puts one of its jobs back in the queue."""
        changes = {"status": BatchStatus.RUNNING, "finished_at": None, "is_cancelled": False}
        said = {"error_code": "", "error_message": ""}
        self.ended().filter(pk=batch_id).update(version=F("version") + 1, updated_at=Now(), **changes, **said)


class Batch(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="batches", db_index=False
    )
    api_key = models.ForeignKey("accounts.ApiKey", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    kind = models.CharField(max_length=8, choices=BatchKind.choices)
    # Of the playlist or channel.
    url = models.TextField(blank=True)
    title = models.TextField(blank=True)
    concurrent_limit = models.PositiveSmallIntegerField(default=DEFAULT_CONCURRENT_LIMIT)
    stop_on_error = models.BooleanField(default=False)
    ignore_errors = models.BooleanField(default=True)

    # What each of its jobs is made with.
    options = models.JSONField(default=dict)
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    start_after = models.DateTimeField(null=True, blank=True)
    client_reference = models.CharField(max_length=200, blank=True)
    tags = models.JSONField(default=list)

    # Which entries of the list (downloads/selection.py), and how many of them have been dealt with.
    selection = models.JSONField(default=dict)
    probe = models.ForeignKey(
        "downloads.Probe", on_delete=models.SET_NULL, null=True, blank=True, related_name="batches"
    )
    expanded = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)

    status = models.CharField(max_length=10, choices=BatchStatus.choices)
    is_cancelled = models.BooleanField(default=False)
    error_code = models.CharField(max_length=32, blank=True)
    error_message = models.TextField(blank=True)
    version = models.PositiveBigIntegerField(default=1)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = BatchQuerySet.as_manager()

    if TYPE_CHECKING:
        jobs: JobQuerySet

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "batches"
        constraints = [
            models.CheckConstraint(
                name="batch_status_is_known",
                condition=Q(status__in=BatchStatus.values),
                violation_error_message="A batch has one of the known statuses.",
            ),
            models.CheckConstraint(
                name="batch_finished_at_iff_ended",
                condition=Q(status__in=ENDED_BATCH, finished_at__isnull=False)
                | (~Q(status__in=ENDED_BATCH) & Q(finished_at__isnull=True)),
                violation_error_message="A batch has finished_at exactly when it has ended.",
            ),
            models.CheckConstraint(
                name="batch_limit_is_positive",
                condition=Q(concurrent_limit__gte=1),
                violation_error_message="A batch downloads one at a time at least.",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-id"], name="batch_list"),
            models.Index(fields=["status"], name="batch_live", condition=Q(status__in=LIVE_BATCH)),
            models.Index(UrlStart("url"), F("id").desc(), name="batch_by_url", condition=~Q(url="")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} ({self.status})"

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED_BATCH

    @property
    def stops_on_error(self) -> bool:
        """A list has no field of its own for it: not to ignore errors is to stop at the first, as in yt-dlp."""
        return self.stop_on_error or (self.kind != BatchKind.BATCH and not self.ignore_errors)

    # --- Its entries become jobs --------------------------------------------------------------------------------

    def advance(self, done: int, skipped: int) -> None:
        """The next `done` entries are dealt with. Raises TransitionError if somebody was first, or stopped it."""
        rows = Batch.objects.expanding().filter(pk=self.pk, expanded=self.expanded)
        changes = {"expanded": F("expanded") + done, "skipped": F("skipped") + skipped}
        self._change("advance", rows, changes)

    def finish_expanding(self) -> None:
        with transaction.atomic():
            rows = Batch.objects.expanding().filter(pk=self.pk, expanded=self.expanded)
            self._change("finish expanding", rows, {"status": BatchStatus.RUNNING})
            BatchEvent.objects.append(self, "expanded")
            self.settle()

    def fail(self, error: JobError) -> None:
        """Its list could not be read."""
        ended = {"status": BatchStatus.FAILED, "finished_at": Now()}
        said = {"error_code": error.code, "error_message": error.message[:2000]}
        with transaction.atomic():
            self._change("fail", Batch.objects.expanding().filter(pk=self.pk), ended | said)
            BatchEvent.objects.append(self, "completed")

    def expand_again(self) -> None:
        """After a failure to read the list."""
        changes = {"status": BatchStatus.EXPANDING, "finished_at": None, "error_code": "", "error_message": ""}
        rows = Batch.objects.filter(pk=self.pk, status=BatchStatus.FAILED).exclude(error_code="")
        with transaction.atomic():
            self._change("retry", rows, changes | {"probe": None})
            bell.ring(bell.PROBE)

    # --- The end ------------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """From now on none of its jobs starts; downloads/batches.py cancels them, or the sweep.

        A list that is still being read for it is read on only if somebody else has asked for it.
        """
        probe_id, changes = self.probe_id, {"status": BatchStatus.STOPPING, "is_cancelled": True, "probe": None}
        with transaction.atomic():
            self._change("cancel", Batch.objects.live().filter(pk=self.pk), changes)
            if probe_id:
                Probe.objects.leave(probe_id)

    def stop_for_error(self) -> None:
        rows = Batch.objects.live().exclude(status=BatchStatus.STOPPING).filter(pk=self.pk)
        if rows.update(status=BatchStatus.STOPPING, version=F("version") + 1, updated_at=Now()):
            self.refresh_from_db()
            bell.ring(bell.CONTROL)

    def settle(self) -> None:
        """Records the end, when no job is left that could do anything. In a transaction that has written the row."""
        if self.status not in (BatchStatus.RUNNING, BatchStatus.STOPPING) or self.jobs.unfinished().exists():
            return
        outcome = self._outcome(self.jobs.count_by_status())
        rows = Batch.objects.filter(pk=self.pk, status=self.status)
        self._change("settle", rows, {"status": outcome, "finished_at": Now()})
        BatchEvent.objects.append(self, "completed")

    def _outcome(self, counts: dict[str, int]) -> BatchStatus:
        completed, failed = counts[Status.COMPLETED], counts[Status.FAILED]
        if self.is_cancelled:
            return BatchStatus.CANCELLED
        if failed and (self.stops_on_error or not self.ignore_errors or not completed):
            return BatchStatus.FAILED
        return BatchStatus.CANCELLED if counts[Status.CANCELLED] and not completed else BatchStatus.COMPLETED

    def _change(self, event: str, rows: BatchQuerySet, changes: dict[str, Any]) -> None:
        if not rows.update(version=F("version") + 1, updated_at=Now(), **changes):
            status = Batch.objects.filter(pk=self.pk).values_list("status", flat=True).first() or "deleted"
            raise TransitionError(event, status, what="batch")
        self.refresh_from_db()
