"""What operators hold back: the whole queue, an owner, a host, or a machine. No claim takes what is held.

A row is a hold, and lifting it deletes the row. What runs already goes on.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from downloads import bell
from downloads.models.batch import BatchStatus

if TYPE_CHECKING:
    from accounts.models import User

# For every claim: one look at two small sets, in plain SQL, since writing it takes Django longer than the look. That a
# batch lives is said as its index has it, or SQLite would read all there are.
READ = """
    SELECT kind, subject FROM downloads_hold
    UNION ALL SELECT 'batch', CAST(id AS VARCHAR(36)) FROM downloads_batch
    WHERE status IN ('expanding', 'running', 'stopping') AND status = %s
"""


class HoldKind(models.TextChoices):
    QUEUE = "queue", _("The queue")
    OWNER = "owner", _("User")
    HOST = "host", _("Host")
    NODE = "node", _("Machine")


class HoldQuerySet(models.QuerySet["Hold"]):
    def of(self, kind: str, subject: str = "") -> HoldQuerySet:
        return self.filter(kind=kind, subject=subject)

    def with_names(self) -> HoldQuerySet:
        return self.select_related("owner", "created_by")

    def place(self, kind: str, subject: str = "", *, by: User | None = None) -> bool:
        """False if it was held already. `subject` is the owner's id, the host or the node's name."""
        owner_id = uuid.UUID(subject) if kind == HoldKind.OWNER else None
        _row, is_new = self.get_or_create(kind=kind, subject=subject, defaults={"owner_id": owner_id, "created_by": by})
        return is_new

    def lift(self, kind: str, subject: str = "") -> bool:
        """False if nothing was held. What waited for it starts at once."""
        with transaction.atomic():
            lifted, _rows = self.of(kind, subject).delete()
            for _slot in range(settings.WORKERS if lifted else 0):
                bell.ring(bell.DOWNLOAD)
            if lifted and kind == HoldKind.NODE:
                bell.ring(bell.PROBE)
        return lifted > 0

    def holds_node(self, worker: str) -> bool:
        return self.of(HoldKind.NODE, node_of(worker)).exists()


class Hold(models.Model):
    kind = models.CharField(max_length=8, choices=HoldKind.choices)
    # The owner's id, the host, or the node's name; empty for the queue.
    subject = models.CharField(max_length=255, blank=True)
    # Goes with the owner.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = HoldQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="hold_once", fields=["kind", "subject"], violation_error_message="It is held already."
            ),
            models.CheckConstraint(
                name="hold_kind_is_known",
                condition=Q(kind__in=HoldKind.values),
                violation_error_message="A hold is of one of the known kinds.",
            ),
            models.CheckConstraint(
                name="hold_names_its_subject",
                condition=Q(kind=HoldKind.QUEUE, subject="") | (~Q(kind=HoldKind.QUEUE) & ~Q(subject="")),
                violation_error_message="A hold names what it holds, and there is one queue.",
            ),
            models.CheckConstraint(
                name="hold_owner_iff_of_owner",
                condition=Q(kind=HoldKind.OWNER, owner__isnull=False)
                | (~Q(kind=HoldKind.OWNER) & Q(owner__isnull=True)),
                violation_error_message="A hold has an owner exactly when it is of one.",
            ),
        ]

    def __str__(self) -> str:
        return self.name or str(HoldKind.QUEUE.label)

    @property
    def name(self) -> str:
        """Of what is held; empty for the queue."""
        return str(self.owner) if self.owner else self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """All that is held now, batches that stop included."""

    is_queue: bool
    owners: frozenset[uuid.UUID]
    hosts: frozenset[str]
    nodes: frozenset[str]
    batches: frozenset[uuid.UUID]

    @classmethod
    def now(cls) -> Held:
        found: defaultdict[str, set[Any]] = defaultdict(set)
        with connection.cursor() as cursor:
            cursor.execute(READ, [BatchStatus.STOPPING])
            for kind, subject in cursor.fetchall():
                found[kind].add(subject)
        return cls(
            is_queue=HoldKind.QUEUE in found,
            owners=frozenset(map(uuid.UUID, found[HoldKind.OWNER])),
            hosts=frozenset(found[HoldKind.HOST]),
            nodes=frozenset(found[HoldKind.NODE]),
            batches=frozenset(map(uuid.UUID, found["batch"])),
        )

    def stops(self, worker: str) -> bool:
        """Whether this worker takes no job at all."""
        return self.is_queue or node_of(worker) in self.nodes


def node_of(worker: str) -> str:
    """Of "node/pid/start time"."""
    return worker.rsplit("/", 2)[0]
