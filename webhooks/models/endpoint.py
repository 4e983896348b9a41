"""An endpoint: an address of its owner's that is told of events, and the secret that signs what it is told.

    enabled ⇄ disabled, by its owner, or because it answered 410

Each owner may also have one without an address: its secret signs what goes to the `webhook_url` of single requests.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from accounts.models.locking import RemovingQuerySet
from webhooks import signing, vault

if TYPE_CHECKING:
    from accounts.models import User

MAX_URL_LENGTH = 2048
MAX_DESCRIPTION_LENGTH = 100
# Any constant will do, as long as nothing else uses it for two-part locks.
ENDPOINT_LOCK = 0x6D64_6C34
LISTENING = "SELECT * FROM webhooks_endpoint WHERE is_enabled AND owner_id = ANY(%s) ORDER BY id DESC FOR KEY SHARE"
HAS_ENABLED = "SELECT 1 FROM webhooks_endpoint WHERE owner_id = %s AND is_enabled = %s LIMIT 1"


class DisabledReason(models.TextChoices):
    OWNER = "owner", _("By its owner")
    OPERATOR = "operator", _("By the operator")
    GONE = "gone", _("It answered 410 Gone")


class TooManyEndpointsError(Exception):
    """The owner has MAX_WEBHOOKS_PER_OWNER of them."""


class WebhookStateError(Exception):
    """The state of an endpoint or a delivery does not allow it; the text says what stands in the way."""


class EndpointQuerySet(RemovingQuerySet["Endpoint"]):
    def owned_by(self, owner: User) -> EndpointQuerySet:
        return self.filter(owner=owner)

    def enabled(self) -> EndpointQuerySet:
        return self.filter(is_enabled=True)

    def has_enabled(self, owner_id: uuid.UUID) -> bool:
        """`filter(owner=owner_id).enabled().exists()`, at every event: writing that takes Django longer."""
        owner = self.model._meta.get_field("owner").get_db_prep_value(owner_id, connection)  # noqa: SLF001
        with connection.cursor() as cursor:
            cursor.execute(HAS_ENABLED, [owner, True])
            return cursor.fetchone() is not None

    def listening(self, owners: Collection[uuid.UUID]) -> Iterable[Endpoint]:
        """The enabled ones of these owners. Nobody deletes them before the transaction ends, in which they are told."""
        if connection.vendor == "postgresql":
            # Django has no word for this lock, which only who deletes has to wait for.
            return self.raw(LISTENING, [list(owners)])
        return self.enabled().filter(owner__in=owners)

    def with_address(self) -> EndpointQuerySet:
        return self.filter(is_for_requests=False)

    def for_requests(self) -> EndpointQuerySet:
        return self.filter(is_for_requests=True)

    def add(self, owner: User, **fields: Any) -> tuple[Endpoint, str]:
        """The new endpoint and its secret, which can be read nowhere else. Raises TooManyEndpointsError."""
        secret = signing.new_secret()
        with transaction.atomic():
            _one_at_a_time(owner)
            if self.with_address().owned_by(owner).count() >= settings.MAX_WEBHOOKS_PER_OWNER:
                raise TooManyEndpointsError
            return self.create(owner=owner, sealed_secret=vault.seal(secret), **fields), secret

    def of_requests(self, owner_id: Any) -> Endpoint:
        """The owner's endpoint without an address, made when it is first needed."""
        sealed = vault.seal(signing.new_secret())
        endpoint, _ = self.get_or_create(owner_id=owner_id, is_for_requests=True, defaults={"sealed_secret": sealed})
        return endpoint


class Endpoint(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    url = models.TextField(blank=True)
    description = models.CharField(max_length=MAX_DESCRIPTION_LENGTH, blank=True)
    events = models.JSONField(default=list)
    is_for_requests = models.BooleanField(default=False, editable=False)

    is_enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=8, choices=DisabledReason.choices, blank=True)

    sealed_secret = models.TextField(editable=False)
    # Signs as well, until then, so that receivers can change over.
    sealed_previous_secret = models.TextField(blank=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, blank=True, editable=False)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "webhook"
        constraints = [
            models.CheckConstraint(
                name="endpoint_address_unless_for_requests",
                condition=Q(is_for_requests=True, url="") | (Q(is_for_requests=False) & ~Q(url="")),
                violation_error_message="A webhook has an address, unless it stands for those of single requests.",
            ),
            models.CheckConstraint(
                name="endpoint_reason_iff_disabled",
                condition=Q(is_enabled=True, disabled_reason="") | (Q(is_enabled=False) & ~Q(disabled_reason="")),
                violation_error_message="A webhook says why exactly when it is disabled.",
            ),
            models.CheckConstraint(
                name="endpoint_previous_secret_has_an_end",
                condition=Q(sealed_previous_secret="", previous_secret_until__isnull=True)
                | (~Q(sealed_previous_secret="") & Q(previous_secret_until__isnull=False)),
                violation_error_message="A secret that was replaced goes on for a bounded time.",
            ),
            models.UniqueConstraint(
                name="endpoint_one_for_requests",
                fields=["owner"],
                condition=Q(is_for_requests=True),
                violation_error_message="An owner has one webhook for single requests.",
            ),
        ]
        # Asked for with each event of a job.
        indexes = [models.Index(fields=["owner", "-id"], name="endpoint_of_an_owner")]

    def __str__(self) -> str:
        return self.url or "the addresses of single requests"

    def hears(self, event: str) -> bool:
        return event in self.events

    def secrets(self, at: datetime) -> list[str]:
        """What signs at that moment, the newest first. Raises SealedError."""
        current = [vault.unseal(self.sealed_secret)]
        is_overlap = self.previous_secret_until is not None and at < self.previous_secret_until
        return [*current, vault.unseal(self.sealed_previous_secret)] if is_overlap else current

    def rotate(self, overlap: timedelta) -> str:
        """The new secret. The one that it replaces signs beside it for `overlap`; an older one ends now."""
        secret = signing.new_secret()
        with transaction.atomic():
            _one_at_a_time(self.owner)
            self.refresh_from_db()
            replaced = self.sealed_secret if overlap else ""
            Endpoint.objects.filter(pk=self.pk).update(
                sealed_secret=vault.seal(secret),
                sealed_previous_secret=replaced,
                previous_secret_until=Now() + overlap if overlap else None,
                rotated_at=Now(),
            )
            self.refresh_from_db()
        return secret

    def reseal(self) -> bool:
        """Seals by the first of the keys what it has. False when its secrets have just changed, or it was deleted.

        Raises SealedError, and then changes nothing.
        """
        sealed = {"sealed_secret": self.sealed_secret, "sealed_previous_secret": self.sealed_previous_secret}
        changes = {name: vault.reseal(secret) for name, secret in sealed.items() if secret}
        return bool(Endpoint.objects.filter(pk=self.pk, **sealed).update(**changes))

    def change(self, **fields: Any) -> None:
        """`url`, `description` and `events`."""
        if self.is_for_requests:
            raise WebhookStateError(gettext("What single requests name is said in the requests."))
        Endpoint.objects.filter(pk=self.pk).update(**fields)
        self.refresh_from_db()

    def enable(self) -> None:
        Endpoint.objects.filter(pk=self.pk).update(is_enabled=True, disabled_reason="")
        self.refresh_from_db()

    def disable(self, reason: DisabledReason) -> None:
        """What still waits to be sent to it becomes dead letters, which can be sent again later."""
        from webhooks.models.delivery import Delivery, Failure  # noqa: PLC0415 - it points to this module

        with transaction.atomic():
            enabled = Endpoint.objects.filter(pk=self.pk, is_enabled=True)
            if enabled.update(is_enabled=False, disabled_reason=reason):
                Delivery.objects.waiting().filter(endpoint=self).bury(Failure.DISABLED)
        self.refresh_from_db()


def _one_at_a_time(owner: User) -> None:
    # SQLite needs nothing: its transactions begin IMMEDIATE.
    if connection.vendor == "postgresql":
        half = int.from_bytes(owner.pk.bytes[-4:], signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [ENDPOINT_LOCK, half])
