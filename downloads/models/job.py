"""The job: one URL asked for by one owner. Its row is the record; every change of status is a verb of this module.

A verb is one conditional UPDATE and one `JobEvent`, in one transaction. An attempt acts under a lease: whoever holds
another lease, or none, changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Coalesce, Greatest, Now
from uuid_utils.compat import uuid7

from accounts.models import prepared
from downloads import bell
from downloads.engine.errors import ERRORS, ErrorCode, JobError
from downloads.engine.marking import gettext_noop
from downloads.models.batch import Batch
from downloads.models.counter import Counter
from downloads.models.event import JobEvent, witness
from downloads.models.file import MediaFile
from downloads.models.jobs import JobQuerySet, UrlStart
from downloads.models.patience import patience, retry_delay
from downloads.models.statuses import (
    FINISHED,
    UNFINISHED,
    LeaseLostError,
    Priority,
    Stage,
    Status,
    TransitionError,
)

LEASE = timedelta(seconds=20)
MAX_FAILURES = 5
MAX_CRASHES = 3
MAX_LOSSES = 10
MAX_SNOOZES = 40

# A disk or an origin that asks for patience, also by a Retry-After, is not a failed attempt.
SNOOZING = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.STORAGE_FULL})

# What a retry forgets of the runs before.
AFRESH: dict[str, Any] = {
    **dict.fromkeys(("failures", "crashes", "losses", "snoozes", "progress_percent", "downloaded_bytes"), 0),
    **dict.fromkeys(("finished_at", "total_bytes")),
    **dict.fromkeys(("error_code", "error_message"), ""),
}


def default_retention() -> timedelta:
    return timedelta(hours=float(settings.FILE_RETENTION_HOURS))


class Job(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs", db_index=False)
    api_key = models.ForeignKey(
        "accounts.ApiKey", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    batch = models.ForeignKey(Batch, models.SET_NULL, null=True, blank=True, related_name="jobs", db_index=False)
    # Its number in the batch: of a list, the entry's in the list.
    playlist_index = models.PositiveIntegerField(null=True, blank=True)
    url = models.TextField()
    # Which of the media at `url`, when a page has several.
    playlist_item = models.PositiveIntegerField(null=True, blank=True)
    host = models.CharField(max_length=255)
    options = models.JSONField(default=dict)
    # Of what one fetch can answer, and only until it has (downloads/reuse.py).
    fingerprint = models.UUIDField(null=True, blank=True, editable=False)
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    client_reference = models.CharField(max_length=200, blank=True)
    tags = models.JSONField(default=list)

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    stage = models.CharField(max_length=16, choices=Stage.choices, blank=True)
    # When a queued job may start: asked for by the requester, or set by a retry.
    eligible_at = models.DateTimeField(db_default=Now())
    # Numbers every run and is never reused: published files lie below it.
    attempt = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0)
    losses = models.PositiveSmallIntegerField(default=0)
    snoozes = models.PositiveSmallIntegerField(default=0)

    lease = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    # "node/pid/start time" of the worker process that holds the lease.
    worker = models.CharField(max_length=300, blank=True)

    progress_percent = models.FloatField(default=0)
    downloaded_bytes = models.BigIntegerField(default=0)
    total_bytes = models.BigIntegerField(null=True, blank=True)
    speed = models.FloatField(null=True, blank=True)
    eta = models.FloatField(null=True, blank=True)
    # Grows with every change, so that an ETag costs no serialisation.
    version = models.PositiveBigIntegerField(default=1)

    title = models.TextField(blank=True)
    duration = models.FloatField(null=True, blank=True)
    format = models.TextField(blank=True)
    metadata = models.JSONField(default=dict)
    ytdlp_version = models.CharField(max_length=32, blank=True)

    error_code = models.CharField(max_length=32, blank=True)
    error_message = models.TextField(blank=True)

    retention = models.DurationField(default=default_retention)
    is_kept = models.BooleanField(default=False)
    # When the files go; set on completion, None while kept.
    expires_at = models.DateTimeField(null=True, blank=True)
    # Deleted by its owner, who can still undo it (downloads/discards.py). Until it goes, only operators see it.
    discarded_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    # No column: set at the start of an attempt whose progress somebody wants to be told.
    is_progress_told = False

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="job_status_is_known",
                condition=Q(status__in=Status.values),
                violation_error_message="A job has one of the known statuses.",
            ),
            models.CheckConstraint(
                name="job_finished_at_iff_finished",
                condition=Q(status__in=FINISHED, finished_at__isnull=False)
                | (~Q(status__in=FINISHED) & Q(finished_at__isnull=True)),
                violation_error_message="A job has finished_at exactly when it has finished.",
            ),
            models.CheckConstraint(
                name="job_lease_iff_running",
                condition=Q(status=Status.RUNNING, lease__isnull=False, lease_expires_at__isnull=False)
                | (~Q(status=Status.RUNNING) & Q(lease__isnull=True, lease_expires_at__isnull=True)),
                violation_error_message="A job has a lease exactly while it runs.",
            ),
            models.CheckConstraint(
                name="job_failed_has_code",
                condition=~Q(status=Status.FAILED) | ~Q(error_code=""),
                violation_error_message="A failed job says why.",
            ),
            models.CheckConstraint(
                name="job_discarded_only_when_finished",
                condition=Q(discarded_at__isnull=True) | Q(status__in=FINISHED),
                violation_error_message="Only a job that has finished can be deleted.",
            ),
            models.CheckConstraint(
                name="job_progress_in_bounds",
                condition=Q(progress_percent__gte=0, progress_percent__lte=100, downloaded_bytes__gte=0)
                & (Q(total_bytes__isnull=True) | Q(total_bytes__gte=0)),
                violation_error_message="Progress is between 0 and 100, and sizes are not negative.",
            ),
            models.UniqueConstraint(
                name="job_once_per_entry",
                fields=["batch", "playlist_index"],
                violation_error_message="An entry of a batch is one job.",
            ),
            models.UniqueConstraint(
                name="job_one_holder_per_lease", fields=["lease"], violation_error_message="A lease belongs to one job."
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-id"], name="job_library"),
            models.Index(fields=["owner", "status", "-id"], name="job_library_by_status"),
            models.Index(fields=["api_key", "-id"], name="job_of_a_key", condition=Q(api_key__isnull=False)),
            # Titles and links are searched by trigrams, of which Django knows no more than the migration 0016.
            models.Index(fields=["client_reference"], name="job_reference", condition=~Q(client_reference="")),
            models.Index(
                F("owner"), F("priority").desc(), F("id"), name="job_claim", condition=Q(status=Status.QUEUED)
            ),
            models.Index(F("priority").desc(), F("id"), name="job_next", condition=Q(status=Status.QUEUED)),
            models.Index(
                *(F("owner"), F("host"), F("priority").desc(), F("id")),
                name="job_lane",
                condition=Q(status=Status.QUEUED),
            ),
            # What is due, and since when: of the queue, which may be long, a few are not.
            models.Index(fields=["eligible_at"], name="job_due", condition=Q(status=Status.QUEUED)),
            # Progress and leases are left out of every index, so that a heartbeat stays a heap-only update.
            models.Index(fields=["id"], name="job_running", condition=Q(status=Status.RUNNING)),
            models.Index(
                fields=["fingerprint"],
                name="job_reusable",
                condition=Q(status=Status.COMPLETED, fingerprint__isnull=False),
            ),
            models.Index(fields=["expires_at"], name="job_expiring", condition=Q(expires_at__isnull=False)),
            models.Index(fields=["discarded_at"], name="job_discarded", condition=Q(discarded_at__isnull=False)),
            models.Index(fields=["finished_at"], name="job_finished", condition=Q(finished_at__isnull=False)),
            models.Index(fields=["owner", "-finished_at"], name="job_ended", condition=Q(finished_at__isnull=False)),
            models.Index(fields=["-finished_at"], name="job_failed", condition=Q(status=Status.FAILED)),
            # What operators look for among all jobs; no attempt touches them.
            models.Index(fields=["-id"], name="job_failed_newest", condition=Q(status=Status.FAILED)),
            models.Index(fields=["-id"], name="job_queued", condition=Q(status=Status.QUEUED)),
            models.Index(fields=["-id"], name="job_paused", condition=Q(status=Status.PAUSED)),
            models.Index(fields=["-id"], name="job_cancelled", condition=Q(status=Status.CANCELLED)),
            models.Index(fields=["-id"], name="job_kept", condition=Q(is_kept=True)),
            models.Index(fields=["error_code", "-id"], name="job_by_error", condition=~Q(error_code="")),
            models.Index(UrlStart("url"), F("id").desc(), name="job_by_url"),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"

    # --- What it is -------------------------------------------------------------------------------------------

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    @property
    def is_waiting_for_retry(self) -> bool:
        return self.status == Status.QUEUED and bool(self.error_code)

    # --- Asked for by people ----------------------------------------------------------------------------------

    @classmethod
    def submit(cls, **fields: Any) -> Job:
        """A queued job, its first event and its wake-up, which commit together or not at all."""
        with transaction.atomic(savepoint=False):
            job = cls(**fields)
            if "eligible_at" in fields:
                job.save(force_insert=True)
                job.refresh_from_db(fields=["eligible_at"])
            else:
                prepared.insert(job)
            JobEvent.objects.append(job, "queued")
            bell.ring(bell.DOWNLOAD)
        return job

    def cancel(self) -> None:
        """Takes effect at once, also on a running job: its attempt loses the lease and is killed."""
        self._move("cancelled", UNFINISHED, ended(Status.CANCELLED))
        bell.knock_when_committed(bell.attempt(self.pk))

    def pause(self) -> None:
        """Partial files stay, so that `resume` goes on where the attempt was stopped."""
        self._move("paused", (Status.QUEUED, Status.RUNNING), idle() | {"status": Status.PAUSED})
        bell.knock_when_committed(bell.attempt(self.pk))

    def resume(self) -> None:
        """At once, or at the time that it was submitted for and has not seen yet."""
        start = Greatest(F("eligible_at"), Now())
        self._enqueue("queued", (Status.PAUSED,), {"eligible_at": Case(When(attempt=0, then=start), default=Now())})

    def retry(self) -> None:
        """A fresh start after a failure or a cancel: counters and progress begin again, the attempt number goes on."""
        with transaction.atomic():
            self._enqueue("queued", (Status.FAILED, Status.CANCELLED), AFRESH)
            if self.batch_id:
                Batch.objects.reopen(self.batch_id)

    def keep(self, retention: timedelta | None = None) -> None:
        """Never deletes the files (None), or deletes them `retention` from now."""
        expires_at = None if retention is None else Now() + retention
        self._move("kept", (Status.COMPLETED,), {"is_kept": retention is None, "expires_at": expires_at})

    # --- Done by an attempt, under its lease --------------------------------------------------------------------

    def start(self, worker: str) -> None:
        """Takes the job for one attempt. Raises TransitionError when another worker was first."""
        changes = {
            "status": Status.RUNNING,
            "stage": Stage.EXTRACTING,
            "attempt": F("attempt") + 1,
            "lease": uuid.uuid4(),
            "lease_expires_at": Now() + LEASE,
            "worker": worker,
            "started_at": Coalesce("started_at", Now()),
            "error_code": "",
            "error_message": "",
        }
        self._move("started", (Status.QUEUED,), changes)

    def renew(self, **progress: Any) -> None:
        """Extends the lease and records progress. Raises LeaseLostError when the job is no longer this attempt's."""
        renewed = {"version": F("version") + 1, "updated_at": Now(), "lease_expires_at": Now() + LEASE}
        if not Job.objects.held_by_attempt(self).update(**renewed, **progress):
            raise LeaseLostError("renew", "no longer held by this attempt")
        for name, value in progress.items():
            setattr(self, name, value)
        if self.is_progress_told and "progress_percent" in progress:
            witness([self], "progress")

    def enter(self, stage: Stage, **progress: Any) -> None:
        with transaction.atomic():
            self.renew(stage=stage, **progress)
            JobEvent.objects.append(self, "stage", stage=stage)

    def complete(self, files: Iterable[MediaFile] = (), **facts: Any) -> None:
        """The last step of publishing, which adds the rows of the files."""
        expires_at = None if self.is_kept else Now() + self.retention
        changes = {"progress_percent": 100, "error_code": "", "error_message": "", "expires_at": expires_at}
        changes |= ended(Status.COMPLETED) | facts
        self._move("completed", (Status.RUNNING,), changes, files=files, is_fenced=True)

    def fail(self, error: JobError) -> None:
        """Ends the attempt with `error`: back to the queue when another try can help, else failed."""
        if error.code in SNOOZING or (error.retry_after is not None and ERRORS[error.code].is_retryable):
            self._try_again(error, "snoozes", MAX_SNOOZES, patience(error, self.snoozes))
        elif ERRORS[error.code].is_retryable:
            self._try_again(error, "failures", MAX_FAILURES, retry_delay(self.failures + 1))
        else:
            self._give_up(error)

    def crash(self, message: str) -> None:
        """The child ended without a word: it may come back, but a job that keeps killing its child is poison."""
        if self.crashes + 1 >= MAX_CRASHES:
            self._give_up(JobError(ErrorCode.POISONED, message))
        else:
            error = JobError(ErrorCode.INTERNAL_ERROR, message)
            self._try_again(error, "crashes", MAX_CRASHES, retry_delay(self.crashes + 1))

    def hand_back(self) -> None:
        """The worker is stopping: the job is queued again and the attempt is not charged."""
        self._enqueue("queued", (Status.RUNNING,), {}, is_fenced=True)

    def lose(self) -> None:
        """The worker that held the lease is gone: no fault of the job, so another worker takes it at once."""
        error = JobError(ErrorCode.WORKER_LOST, gettext_noop("The worker that ran this job disappeared."))
        self._try_again(error, "losses", MAX_LOSSES, timedelta(0), event="lost")

    # --- How ----------------------------------------------------------------------------------------------------

    def _give_up(self, error: JobError) -> None:
        self._move("failed", (Status.RUNNING,), ended(Status.FAILED) | _said(error), is_fenced=True)

    def _try_again(
        self, error: JobError, counter: str, limit: int, delay: timedelta, *, event: str = "retrying"
    ) -> None:
        if getattr(self, counter) + 1 >= limit:
            self._give_up(error)
        else:
            changes = _said(error) | {counter: F(counter) + 1}
            self._enqueue(event, (Status.RUNNING,), changes, delay=delay, is_fenced=True)

    def _enqueue(
        self,
        event: str,
        allowed: Collection[Status],
        changes: dict[str, Any],
        *,
        delay: timedelta = timedelta(0),
        is_fenced: bool = False,
    ) -> None:
        queued = {"status": Status.QUEUED, "eligible_at": Now() + delay}
        with transaction.atomic():
            self._move(event, allowed, idle() | queued | changes, is_fenced=is_fenced)
            bell.ring(bell.DOWNLOAD)

    def _move(
        self,
        event: str,
        allowed: Collection[Status],
        changes: dict[str, Any],
        *,
        files: Iterable[MediaFile] = (),
        is_fenced: bool = False,
    ) -> None:
        """One conditional UPDATE; `is_fenced` lets only the attempt make the move that this row was read by."""
        rows = Job.objects.held_by_attempt(self) if is_fenced else Job.objects.filter(pk=self.pk)
        with transaction.atomic():
            changed = rows.present().filter(status__in=allowed).touch(**changes)
            if not changed:
                status = Job.objects.present().filter(pk=self.pk).values_list("status", flat=True).first() or "deleted"
                raise (LeaseLostError if is_fenced else TransitionError)(event, status)
            self.refresh_from_db()
            # Before the event, whose witnesses look at them.
            MediaFile.objects.bulk_create(files)
            JobEvent.objects.append(self, event)
            if changes.get("status") in FINISHED:
                # Batches before counters, as everywhere: so two transactions never wait for each other.
                Batch.objects.job_ended(self)
                Counter.objects.record_end(self)


def idle() -> dict[str, Any]:
    return {"stage": "", "lease": None, "lease_expires_at": None, "worker": "", "speed": None, "eta": None}


def ended(status: Status) -> dict[str, Any]:
    return idle() | {"status": status, "finished_at": Now()}


def _said(error: JobError) -> dict[str, Any]:
    return {"error_code": error.code, "error_message": error.message[:2000]}
