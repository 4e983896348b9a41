"""A probe: one look at a page for one owner, without a download. Its row is the record, as a job's is, and the cache.

    queued → running → done | failed, and running → queued when its worker is lost

Whoever asks for the same again while it waits, runs or is fresh gets the same row.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Count, F, Min, Q
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.models import User
from downloads import bell
from downloads.engine.errors import ErrorCode, JobError
from downloads.models.cookies import CookieJar
from downloads.models.statuses import LeaseLostError, TransitionError

LEASE = timedelta(seconds=20)
MAX_LOSSES = 2
# A failure is told to all who wait for it; who asks later may have mended it.
FAILURE_CACHE = timedelta(seconds=10)
# What has expired answers nobody anew, but whoever waits for it still finds it.
GRACE = timedelta(minutes=10)


class ProbeKind(models.TextChoices):
    MEDIA = "media"
    LIST = "list"


class ProbeStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


LIVE = (ProbeStatus.QUEUED, ProbeStatus.RUNNING)
ENDED = (ProbeStatus.DONE, ProbeStatus.FAILED)


class ProbeQuerySet(models.QuerySet["Probe"]):
    def owned_by(self, owner: User) -> ProbeQuerySet:
        return self.filter(owner=owner)

    def queued(self) -> ProbeQuerySet:
        return self.filter(status=ProbeStatus.QUEUED)

    def running(self) -> ProbeQuerySet:
        return self.filter(status=ProbeStatus.RUNNING)

    def queued_by_owner(self) -> models.QuerySet[Any, Any]:
        """One row for each owner: how many wait, and since when the first."""
        rows = self.queued().order_by("owner__username").values("owner_id", "owner__username")
        return rows.annotate(count=Count("pk"), since=Min("created_at"))

    def live(self) -> ProbeQuerySet:
        return self.filter(status__in=LIVE)

    def ended(self) -> ProbeQuerySet:
        return self.filter(status__in=ENDED)

    def current(self) -> ProbeQuerySet:
        """Under way, or ended and still fresh."""
        return self.filter(Q(status__in=LIVE) | Q(expires_at__gt=Now()))

    def just_taken(self, age: timedelta) -> ProbeQuerySet:
        """Under way, or done within `age`, or failed and still told to whoever asks."""
        done_at = Now() + timedelta(seconds=settings.PROBE_CACHE_SECONDS) - age
        is_done = Q(status=ProbeStatus.DONE, expires_at__gt=done_at)
        return self.filter(Q(status__in=LIVE) | is_done | Q(status=ProbeStatus.FAILED, expires_at__gt=Now()))

    def join(self) -> Probe | None:
        """The first of them; one that is under way counts who wants it."""
        while probe := self.all().first():
            if probe.has_ended or Probe.objects.live().filter(pk=probe.pk).update(asked=F("asked") + 1):
                return probe
        return None

    def leave(self, probe_id: uuid.UUID) -> None:
        """By one who wants no answer any more. With the last of them the row goes, and its worker gives up."""
        with transaction.atomic():
            probe = self.live().select_for_update().filter(pk=probe_id).first()
            if probe is None:
                return
            if probe.asked > 1:
                self.filter(pk=probe_id).update(asked=F("asked") - 1)
            else:
                probe.delete()

    def stalled(self) -> ProbeQuerySet:
        return self.running().filter(lease_expires_at__lt=Now())

    def on_node(self, node: str) -> ProbeQuerySet:
        return self.running().filter(worker__startswith=f"{node}/")

    def longest_wait_seconds(self) -> float:
        """How long the first of those that wait has done so; 0 when nothing waits."""
        since = self.queued().aggregate(since=Min("created_at"))["since"]
        return max(0.0, (timezone.now() - since).total_seconds()) if since else 0.0

    def outdated(self) -> ProbeQuerySet:
        return self.filter(expires_at__lt=Now() - GRACE)

    def held_by_attempt(self, probe: Probe) -> ProbeQuerySet:
        """The row of `probe`, as long as whoever read it still holds the lease."""
        return self.running().filter(pk=probe.pk, lease=probe.lease)


class Probe(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=8, choices=ProbeKind.choices)
    url = models.TextField()
    # What was seen with them goes with them.
    cookies = models.ForeignKey(CookieJar, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    # Stands for everything that makes two requests the same; addresses are too long for an index.
    fingerprint = models.CharField(max_length=64)

    status = models.CharField(max_length=8, choices=ProbeStatus.choices, default=ProbeStatus.QUEUED)
    losses = models.PositiveSmallIntegerField(default=0)
    # How many have asked while it was under way, without those who want no answer any more.
    asked = models.PositiveIntegerField(default=1, db_default=1)
    lease = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    # "node/pid/start time" of the worker process that holds the lease.
    worker = models.CharField(max_length=300, blank=True)

    result = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=32, blank=True)
    error_message = models.TextField(blank=True)
    # Seconds that the site asked us to wait.
    retry_after = models.FloatField(null=True, blank=True)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Set when it has ended.
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = ProbeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="probe_one_at_a_time",
                fields=["owner", "fingerprint"],
                condition=Q(status__in=LIVE),
                violation_error_message="The same page is looked at once at a time.",
            ),
            models.CheckConstraint(
                name="probe_expires_iff_ended",
                condition=Q(status__in=ENDED, expires_at__isnull=False)
                | (~Q(status__in=ENDED) & Q(expires_at__isnull=True)),
                violation_error_message="A probe has expires_at exactly when it has ended.",
            ),
            models.CheckConstraint(
                name="probe_lease_iff_running",
                condition=Q(status=ProbeStatus.RUNNING, lease__isnull=False, lease_expires_at__isnull=False)
                | (~Q(status=ProbeStatus.RUNNING) & Q(lease__isnull=True, lease_expires_at__isnull=True)),
                violation_error_message="A probe has a lease exactly while it runs.",
            ),
            models.CheckConstraint(
                name="probe_failed_has_code",
                condition=~Q(status=ProbeStatus.FAILED) | ~Q(error_code=""),
                violation_error_message="A failed probe says why.",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "fingerprint", "-id"], name="probe_lookup"),
            models.Index(fields=["id"], name="probe_live", condition=Q(status__in=LIVE)),
            models.Index(fields=["expires_at"], name="probe_expiring", condition=Q(expires_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.id} ({self.status})"

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    def start(self, worker: str) -> None:
        """Raises TransitionError when another worker was first."""
        lease = uuid.uuid4()
        changes = {"status": ProbeStatus.RUNNING, "worker": worker, "lease": lease, "lease_expires_at": Now() + LEASE}
        if not Probe.objects.queued().filter(pk=self.pk).update(**changes):
            raise TransitionError("start", "no longer queued")
        self.refresh_from_db()

    def renew(self) -> None:
        self._change("renew", {"lease_expires_at": Now() + LEASE})

    def complete(self, result: dict[str, Any]) -> None:
        lifetime = timedelta(seconds=settings.PROBE_CACHE_SECONDS)
        self._change("complete", _ended(ProbeStatus.DONE, lifetime) | {"result": result})

    def fail(self, error: JobError) -> None:
        said = {
            "error_code": error.code,
            "error_message": error.message[:2000],
            "retry_after": error.retry_after,
        }
        self._change("fail", _ended(ProbeStatus.FAILED, FAILURE_CACHE) | said)

    def hand_back(self) -> None:
        """The worker is stopping, or the engine is away: another look, at no charge."""
        with transaction.atomic():
            self._change("hand back", _idle() | {"status": ProbeStatus.QUEUED})
            bell.ring(bell.PROBE)

    def lose(self) -> None:
        """Its worker is gone. Another takes it; what loses its worker again and again is given up."""
        if self.losses + 1 >= MAX_LOSSES:
            self.fail(JobError(ErrorCode.WORKER_LOST))
            return
        with transaction.atomic():
            self._change("lose", _idle() | {"status": ProbeStatus.QUEUED, "losses": F("losses") + 1})
            bell.ring(bell.PROBE)

    def _change(self, event: str, changes: dict[str, Any]) -> None:
        if not Probe.objects.held_by_attempt(self).update(**changes):
            raise LeaseLostError(event, "no longer held by this attempt")


def _idle() -> dict[str, Any]:
    return {"lease": None, "lease_expires_at": None, "worker": ""}


def _ended(status: ProbeStatus, lifetime: timedelta) -> dict[str, Any]:
    return _idle() | {"status": status, "expires_at": Now() + lifetime}
