"""A delivery: one message to one address. Its row is written in the transaction that causes the event, and is the
record of what became of it; its id is the message's, for all attempts.

    pending → sending → delivered | dead, sending → pending (retry, lost sender), delivered | dead → pending (asked)
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from downloads import bell
from downloads.models import Counter, LeaseLostError, TransitionError
from downloads.models.counter import Increment
from webhooks import messages, schedule
from webhooks.models.endpoint import DisabledReason, Endpoint, WebhookStateError

# Longer than an attempt may take, so that only the dead lose it.
LEASE_MARGIN = timedelta(seconds=20)
MAX_EXCERPT = 1024
GONE, TOO_MANY, UNAVAILABLE = 410, 429, 503
ATTEMPTS = "webhook_attempts_total"
ENDED = "webhook_deliveries_total"
SENDER_EAR = "webhooks"


class DeliveryStatus(models.TextChoices):
    PENDING = "pending", _("Waiting")
    SENDING = "sending", _("On its way")
    DELIVERED = "delivered", _("Delivered")
    DEAD = "dead", _("Given up")


OVER = (DeliveryStatus.DELIVERED, DeliveryStatus.DEAD)


class Failure(models.TextChoices):
    """Why an attempt did not arrive, or will not be made."""

    BAD_STATUS = "bad_status", _("It answered with an error")
    GONE = "gone", _("It answered 410 Gone")
    TIMEOUT = "timeout", _("It took too long")
    NETWORK_ERROR = "network_error", _("It cannot be reached")
    URL_BLOCKED = "url_blocked", _("The address is not a public one")
    DISABLED = "disabled", _("The webhook is disabled")
    SECRET_LOST = "secret_lost", _("The webhook's secret cannot be read")
    SENDER_LOST = "sender_lost", _("The process that sent it disappeared")


# Another attempt would end in the same way.
FINAL = frozenset({Failure.GONE, Failure.URL_BLOCKED, Failure.DISABLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of an attempt; without a failure, it arrived."""

    failure: Failure | None = None
    status: int | None = None
    excerpt: str = ""
    seconds: float | None = None
    retry_after: float | None = None


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> DeliveryQuerySet:
        return self.filter(status=DeliveryStatus.PENDING)

    def due(self) -> DeliveryQuerySet:
        return self.waiting().filter(next_attempt_at__lte=Now())

    def sending(self) -> DeliveryQuerySet:
        return self.filter(status=DeliveryStatus.SENDING)

    def dead(self) -> DeliveryQuerySet:
        return self.filter(status=DeliveryStatus.DEAD)

    def with_error(self, code: str) -> DeliveryQuerySet:
        # Spelled as the index has it.
        return self.filter(error=code).exclude(error="")

    def telling_of(self, request_id: uuid.UUID) -> DeliveryQuerySet:
        return self.filter(request_id=request_id)

    def unfinished(self) -> DeliveryQuerySet:
        return self.filter(status__in=(DeliveryStatus.PENDING, DeliveryStatus.SENDING))

    def stalled(self) -> DeliveryQuerySet:
        return self.sending().filter(lease_expires_at__lt=Now())

    def on_node(self, node: str) -> DeliveryQuerySet:
        return self.sending().filter(worker__startswith=f"{node}/")

    def ended_before(self, age: timedelta) -> DeliveryQuerySet:
        return self.filter(finished_at__lt=Now() - age)

    def held_by_attempt(self, delivery: Delivery) -> DeliveryQuerySet:
        return self.sending().filter(pk=delivery.pk, lease=delivery.lease)

    def write(self, rows: Iterable[Delivery], **options: Any) -> None:
        """Adds them with their wake-up, in the transaction of what they tell."""
        if deliveries := list(rows):
            with transaction.atomic():
                self.bulk_create(deliveries, **options)
                wake_sender()

    def bury(self, failure: Failure) -> int:
        with transaction.atomic():
            buried = self.update(**_ended(DeliveryStatus.DEAD), error=failure)
            if buried:
                _count(ENDED, DeliveryStatus.DEAD, buried)
        return buried


class Delivery(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    event = models.CharField(max_length=32)
    # The job or batch that it tells of; no foreign key, since the message outlives it.
    request_id = models.UUIDField(null=True, blank=True)
    # The same for events that may be found twice.
    occasion = models.CharField(max_length=100, blank=True, editable=False)
    url = models.TextField()
    # What shares a receiver, and so must not hold up others.
    lane = models.CharField(max_length=300, editable=False)
    body = models.TextField()

    status = models.CharField(max_length=10, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    # In a row, since it was last asked for.
    failures = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    lease = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    # "node/pid/start time" of the worker process that holds the lease.
    worker = models.CharField(max_length=300, blank=True, editable=False)

    # Of the last attempt.
    error = models.CharField(max_length=16, choices=Failure.choices, blank=True)
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    response_excerpt = models.TextField(blank=True)
    duration = models.FloatField(null=True, blank=True)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                name="delivery_lease_iff_sending",
                condition=Q(status=DeliveryStatus.SENDING, lease__isnull=False, lease_expires_at__isnull=False)
                | (~Q(status=DeliveryStatus.SENDING) & Q(lease__isnull=True, lease_expires_at__isnull=True)),
                violation_error_message="A delivery has a lease exactly while it is sent.",
            ),
            models.CheckConstraint(
                name="delivery_finished_at_iff_over",
                condition=Q(status__in=OVER, finished_at__isnull=False)
                | (~Q(status__in=OVER) & Q(finished_at__isnull=True)),
                violation_error_message="A delivery has finished_at exactly when it is over.",
            ),
            models.CheckConstraint(
                name="delivery_dead_says_why",
                condition=~Q(status=DeliveryStatus.DEAD) | ~Q(error=""),
                violation_error_message="A dead letter says why.",
            ),
            models.UniqueConstraint(
                name="delivery_once_an_occasion",
                fields=["endpoint", "occasion"],
                condition=~Q(occasion=""),
                violation_error_message="An endpoint is told of an occasion once.",
            ),
        ]
        indexes = [
            models.Index(fields=["endpoint", "-id"], name="delivery_of_an_endpoint"),
            models.Index(fields=["owner", "-id"], name="delivery_of_an_owner"),
            models.Index(
                fields=["request_id", "-id"], name="delivery_of_a_request", condition=Q(request_id__isnull=False)
            ),
            models.Index(fields=["error", "-id"], name="delivery_by_error", condition=~Q(error="")),
            models.Index(fields=["next_attempt_at"], name="delivery_due", condition=Q(status=DeliveryStatus.PENDING)),
            models.Index(fields=["id"], name="delivery_sending", condition=Q(status=DeliveryStatus.SENDING)),
            models.Index(fields=["finished_at"], name="delivery_over", condition=Q(finished_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.event} ({self.status})"

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    # --- Done by the sender, under its lease ----------------------------------------------------------------------

    def start(self, worker: str) -> None:
        """Takes it for one attempt. Raises TransitionError when another sender was first."""
        lease = timedelta(seconds=settings.WEBHOOK_TIMEOUT_SEC) + LEASE_MARGIN
        changes = {
            "status": DeliveryStatus.SENDING,
            "attempts": F("attempts") + 1,
            "lease": uuid.uuid4(),
            "lease_expires_at": Now() + lease,
            "worker": worker,
        }
        if not Delivery.objects.waiting().filter(pk=self.pk).update(**changes):
            raise TransitionError("send", "no longer waiting")
        self.refresh_from_db(fields=[*changes])

    def conclude(self, reply: Reply) -> None:
        """Records what came of the attempt. Raises LeaseLostError when it is no longer this sender's."""
        said = {
            "response_status": reply.status,
            "response_excerpt": reply.excerpt[:MAX_EXCERPT],
            "duration": reply.seconds,
            "error": reply.failure or "",
        }
        with transaction.atomic():
            if reply.failure == Failure.GONE:
                # Which is disabled below: who deletes it locks it before this row, too.
                Endpoint.objects.lock(self.endpoint_id)
            if reply.failure is None:
                self._move(_ended(DeliveryStatus.DELIVERED) | said | {"failures": 0})
                _count(ENDED, DeliveryStatus.DELIVERED)
            elif self.event == messages.PROGRESS:
                # Out of date before it could be sent again.
                self._forget()
            elif reply.failure in FINAL or self.failures + 1 > settings.WEBHOOK_MAX_RETRIES:
                self._move(_ended(DeliveryStatus.DEAD) | said | {"failures": F("failures") + 1})
                _count(ENDED, DeliveryStatus.DEAD)
            else:
                delay = schedule.pause(self.failures + 1, reply.retry_after)
                self._move(_waiting(delay) | said | {"failures": F("failures") + 1})
            _count(ATTEMPTS, reply.failure or "delivered")
            if reply.failure == Failure.GONE and not self.endpoint.is_for_requests:
                self.endpoint.disable(DisabledReason.GONE)

    def lose(self) -> None:
        """Its sender is gone, and whether it arrived is unknown: it is sent again at once, as the same message."""
        if self.event == messages.PROGRESS:
            self._forget()
            return
        with transaction.atomic():
            if self.failures + 1 > settings.WEBHOOK_MAX_RETRIES:
                self._move(_ended(DeliveryStatus.DEAD) | {"error": Failure.SENDER_LOST})
                _count(ENDED, DeliveryStatus.DEAD)
            else:
                lost = {"error": Failure.SENDER_LOST, "failures": F("failures") + 1}
                self._move(_waiting(timedelta(0)) | lost)
            _count(ATTEMPTS, Failure.SENDER_LOST)

    def hand_back(self) -> None:
        """The node is stopping: sent again by the next sender, as the same message."""
        self._move(_waiting(timedelta(0)))

    # --- Asked for by people --------------------------------------------------------------------------------------

    def redeliver(self) -> None:
        """The same message once more, with all its retries. Raises WebhookStateError while it is under way."""
        if not self.endpoint.is_enabled:
            raise WebhookStateError(gettext("The webhook is disabled."))
        with transaction.atomic():
            over = Delivery.objects.filter(pk=self.pk, status__in=OVER)
            if not over.update(**_waiting(timedelta(0)), failures=0):
                raise WebhookStateError(gettext("The message is still under way."))
            wake_sender()
        self.refresh_from_db()

    # --- How ------------------------------------------------------------------------------------------------------

    def _move(self, changes: dict[str, Any]) -> None:
        if not Delivery.objects.held_by_attempt(self).update(**changes):
            raise LeaseLostError("conclude", "no longer held by this attempt")
        self.refresh_from_db(fields=[*changes])

    def _forget(self) -> None:
        if not Delivery.objects.held_by_attempt(self).delete()[0]:
            raise LeaseLostError("forget", "no longer held by this attempt")


def wake_sender() -> None:
    """Once the surrounding transaction has committed."""
    bell.ring(bell.WEBHOOKS)
    bell.knock_when_committed(SENDER_EAR)


def _idle() -> dict[str, Any]:
    return {"lease": None, "lease_expires_at": None, "worker": ""}


def _waiting(delay: timedelta) -> dict[str, Any]:
    pending = {"status": DeliveryStatus.PENDING, "next_attempt_at": Now() + delay, "finished_at": None}
    return _idle() | pending


def _ended(status: DeliveryStatus) -> dict[str, Any]:
    return _idle() | {"status": status, "finished_at": Now()}


def _count(name: str, outcome: str, amount: int = 1) -> None:
    Counter.objects.add([Increment(name=name, labels={"outcome": str(outcome)}, amount=amount)])
