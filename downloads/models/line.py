"""The line of those who wait: who is first in it, of all, of each owner, and of each host that an owner asks.

Indexes tell, so that it costs nothing how long the line is: `job_next`, `job_claim` and `job_lane`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from django.contrib.auth import get_user_model
from django.db import connection, models
from django.db.models import ExpressionWrapper, OuterRef, Q, Subquery, Value
from django.db.models.functions import Cast, Concat, Now

from accounts.models.locking import LockingQuerySet

if TYPE_CHECKING:
    from downloads.models.job import Job

# From one owner to the next, past all that each has waiting: one look at the index for each, and none at the table.
# A subquery gives one value, so all of a head is one.
HEADS = """
    WITH RECURSIVE line(head) AS (
        SELECT (
            SELECT {head} FROM downloads_job job WHERE job.status = 'queued'
            ORDER BY job.owner_id, job.priority DESC, job.id LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT {head} FROM downloads_job job
            WHERE job.status = 'queued' AND job.owner_id > CAST(substr(line.head, 1, {width}) AS {uuid})
            ORDER BY job.owner_id, job.priority DESC, job.id LIMIT 1
        ) FROM line WHERE line.head IS NOT NULL
    ) SELECT head FROM line WHERE head IS NOT NULL
"""
HEAD = "job.owner_id || ' ' || job.priority || ' ' || job.id"

# Likewise from one host of an owner to the next, and the first in line of each.
LANES = """
    WITH RECURSIVE lane(owner_id, host) AS (
        SELECT id, (
            SELECT CAST(job.host AS TEXT) FROM downloads_job job
            WHERE job.status = 'queued' AND job.owner_id = accounts_user.id ORDER BY job.host LIMIT 1
        ) FROM accounts_user WHERE id IN ({owners})
        UNION ALL
        SELECT lane.owner_id, (
            SELECT CAST(job.host AS TEXT) FROM downloads_job job
            WHERE job.status = 'queued' AND job.owner_id = lane.owner_id AND job.host > lane.host
            ORDER BY job.host LIMIT 1
        ) FROM lane WHERE lane.host IS NOT NULL
    ) SELECT (
        SELECT job.id FROM downloads_job job
        WHERE job.status = 'queued' AND job.owner_id = lane.owner_id AND job.host = lane.host
        ORDER BY job.priority DESC, job.id LIMIT 1
    ) FROM lane WHERE lane.host IS NOT NULL AND lane.host NOT IN ({hosts}) LIMIT {most}
"""
# Of owners and hosts. Where there are more, it is cheaper to go along the line.
MOST_LANES = 200


class First(NamedTuple):
    id: uuid.UUID
    owner: uuid.UUID
    priority: int


class InLine(NamedTuple):
    """What a claim has to know of a job that waits."""

    id: uuid.UUID
    owner: uuid.UUID
    priority: int
    host: str
    batch: uuid.UUID | None
    key: uuid.UUID | None
    fingerprint: uuid.UUID | None
    is_due: bool


class LineQuerySet(LockingQuerySet["Job"]):
    def as_claimed(self) -> Self:
        """Those of one owner are claimed in this order."""
        return self.order_by("-priority", "id")

    def beginning(self, count: int) -> list[InLine]:
        """The first ones in line, due or not: one look at an index, however many are behind."""
        return self.as_claimed().in_line(count)

    def first_of_each_lane(self, owners: Collection[uuid.UUID], *, but: Collection[str]) -> list[InLine] | None:
        """The first in line of each of these owners for each host `but` some; None where that would be too many."""
        lanes = _lanes(owners, but)
        # Apart from the search, or PostgreSQL would look for them in all of a table that is not large.
        return self.filter(pk__in=lanes).order_by().in_line(MOST_LANES) if len(lanes) <= MOST_LANES else None

    def first_of_each_owner(self, owners: Collection[uuid.UUID]) -> list[First]:
        """Of those of these owners, the first in line, found row by row."""
        # In one value, since a subquery gives one, and another would look again.
        text = models.TextField()
        both = Concat(Cast("priority", text), Value(" "), Cast("id", text), output_field=text)
        first = self.filter(owner=OuterRef("pk")).as_claimed().values(both=both)[:1]
        rows = get_user_model().objects.filter(pk__in=owners).annotate(first=Subquery(first))
        return [
            First(uuid.UUID(job_id), owner, int(priority))
            for owner, found in rows.values_list("pk", "first")
            if found
            for priority, job_id in [found.split(" ")]
        ]

    def in_line(self: models.QuerySet[Job], count: int) -> list[InLine]:
        is_due = ExpressionWrapper(Q(eligible_at__lte=Now()), output_field=models.BooleanField())
        columns = ("id", "owner_id", "priority", "host", "batch_id", "api_key_id", "fingerprint")
        return [InLine(*row) for row in self.values_list(*columns, is_due)[:count]]


def heads() -> list[First]:
    """The first in line of each owner who waits, whether it may start or not."""
    is_native = connection.features.has_native_uuid_field
    uuid_type = models.UUIDField().db_type(connection)
    sql = HEADS.format(head=HEAD, width=36 if is_native else 32, uuid=uuid_type)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows = [head.split(" ") for (head,) in cursor.fetchall()]
    return [First(uuid.UUID(job_id), uuid.UUID(owner), int(priority)) for owner, priority, job_id in rows]


def _lanes(owners: Collection[uuid.UUID], but: Collection[str]) -> list[Any]:
    """Ids, as they come from the database."""
    field = models.UUIDField()
    prepared = [field.get_db_prep_value(owner, connection) for owner in owners]
    marks = {"owners": ", ".join(["%s"] * len(owners)), "hosts": ", ".join(["%s"] * len(but))}
    with connection.cursor() as cursor:
        cursor.execute(LANES.format(**marks, most=MOST_LANES + 1), [*prepared, *but])
        return [job_id for (job_id,) in cursor.fetchall()]
