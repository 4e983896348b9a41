"""Which messages are sent next: the due ones, oldest first, with room left for everybody's."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, transaction

from downloads import crash_points
from downloads.models import TransitionError
from webhooks.models import Delivery

# At once, by all senders together. A receiver that hangs holds its own places and nobody else's.
MAX_IN_FLIGHT = 32
MAX_OF_OWNER = 16
MAX_OF_LANE = 4
WINDOW = 100
# Any constant will do, as long as nothing else uses it.
CLAIM_LOCK = 0x6D64_6C35


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is under way now. Of one job a receiver is told one thing at a time, so that it mostly hears in order."""

    lanes: Counter[str]
    owners: Counter[uuid.UUID]
    subjects: set[tuple[str, uuid.UUID | None]]

    @classmethod
    def now(cls) -> Load:
        load = cls(lanes=Counter(), owners=Counter(), subjects=set())
        for delivery in Delivery.objects.sending().only("lane", "owner", "request_id"):
            load.add(delivery)
        return load

    @property
    def room(self) -> int:
        return MAX_IN_FLIGHT - self.lanes.total()

    def add(self, delivery: Delivery) -> None:
        self.lanes[delivery.lane] += 1
        self.owners[delivery.owner_id] += 1
        self.subjects.add((delivery.lane, delivery.request_id))

    def has_place_for(self, delivery: Delivery) -> bool:
        is_told_already = delivery.request_id is not None and (delivery.lane, delivery.request_id) in self.subjects
        return (
            self.lanes[delivery.lane] < MAX_OF_LANE
            and self.owners[delivery.owner_id] < MAX_OF_OWNER
            and not is_told_already
        )

    def full_lanes(self) -> list[str]:
        return [lane for lane, count in self.lanes.items() if count >= MAX_OF_LANE]

    def full_owners(self) -> list[uuid.UUID]:
        return [owner for owner, count in self.owners.items() if count >= MAX_OF_OWNER]


def claim(worker: str) -> list[Delivery]:
    """Started under new leases in the name of `worker`; empty when nothing may be sent now."""
    with transaction.atomic():
        _one_at_a_time()
        load = Load.now()
        claimed = list(_start(worker, load))
        crash_points.reach("webhook.before_claim")
    return claimed


def _start(worker: str, load: Load) -> Iterator[Delivery]:
    seen: set[uuid.UUID] = set()
    while load.room > 0 and (window := _window(load, seen)):
        for delivery in window:
            seen.add(delivery.pk)
            if load.room > 0 and load.has_place_for(delivery):
                try:
                    delivery.start(worker)
                except TransitionError:
                    continue
                load.add(delivery)
                yield delivery


def _window(load: Load, seen: set[uuid.UUID]) -> list[Delivery]:
    """The next few that were not looked at; a backlog of one receiver hides nobody's."""
    due = Delivery.objects.due().exclude(lane__in=load.full_lanes()).exclude(owner__in=load.full_owners())
    return list(due.exclude(pk__in=seen).select_related("endpoint").order_by("next_attempt_at", "id")[:WINDOW])


def _one_at_a_time() -> None:
    # SQLite needs nothing: its transactions begin IMMEDIATE.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])
