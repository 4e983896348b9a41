"""Which jobs: chainable selections. Moments default to the database's own clock, which all nodes share."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection, models, transaction
from django.db.models import Count, F, Min, Q, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Now
from django.utils import timezone

from downloads.engine.errors import ErrorCode
from downloads.models.event import JobEvent
from downloads.models.file import UNDO_TIME
from downloads.models.line import LineQuerySet
from downloads.models.statuses import FINISHED, UNFINISHED, Status

if TYPE_CHECKING:
    from accounts.models import User
    from downloads.models.job import Job

COUNT_QUEUED = "SELECT COUNT(*) FROM downloads_job WHERE owner_id = %s AND status = %s"

Moment = datetime | Combinable
# So much of a link is indexed: all of it would be too long for some.
URL_START = 200
MOST_ALIKE = 1000


class UrlStart(models.Func):
    """The length is written out, so that a query is spelled as the index is."""

    template = f"SUBSTR(%(expressions)s, 1, {URL_START})"
    output_field = models.TextField()


class WaitingOfOwner(NamedTuple):
    """Those of one owner and one priority that wait: how many, how many of them are due, and since when the first."""

    owner_id: uuid.UUID
    priority: int
    waiting: int
    due: int
    since: datetime


class JobQuerySet(LineQuerySet):
    def belonging_to(self, owner: User) -> JobQuerySet:
        """All that are there, also those that the owner has deleted and could still have back."""
        return self.filter(owner=owner)

    def owned_by(self, owner: User) -> JobQuerySet:
        """Those that the owner is shown."""
        return self.belonging_to(owner).present()

    def present(self) -> JobQuerySet:
        return self.filter(discarded_at__isnull=True)

    def discarded(self) -> JobQuerySet:
        return self.filter(discarded_at__isnull=False)

    def lapsed(self) -> JobQuerySet:
        """Whose deletion can no longer be undone."""
        return self.filter(discarded_at__lte=Now() - UNDO_TIME)

    def unfinished(self) -> JobQuerySet:
        return self.filter(status__in=UNFINISHED)

    def finished(self) -> JobQuerySet:
        return self.filter(status__in=FINISHED)

    def last_ended(self) -> JobQuerySet:
        """Those that have finished, the last to end first: of one owner, by an index."""
        return self.filter(finished_at__isnull=False).order_by("-finished_at", "-id")

    def running(self) -> JobQuerySet:
        return self.filter(status=Status.RUNNING)

    def queued(self) -> JobQuerySet:
        return self.filter(status=Status.QUEUED)

    def paused(self) -> JobQuerySet:
        return self.filter(status=Status.PAUSED)

    def eligible(self, at: Moment | None = None) -> JobQuerySet:
        return self.queued().filter(eligible_at__lte=at or Now())

    def stalled(self, at: Moment | None = None) -> JobQuerySet:
        """Running under a lease that has lapsed: the worker is gone or cut off."""
        return self.running().filter(lease_expires_at__lt=at or Now())

    def expired(self, at: Moment | None = None) -> JobQuerySet:
        return self.filter(status=Status.COMPLETED, expires_at__lte=at or Now())

    def expiring(self) -> JobQuerySet:
        """Whose files go by themselves, the next first."""
        return self.filter(expires_at__isnull=False).order_by("expires_at")

    def fetched_the_same(self, job: Job, age: timedelta) -> JobQuerySet:
        """Completed within `age`, of the owner of `job` and for a request that the same fetch answers."""
        same = self.present().filter(owner=job.owner_id, fingerprint=job.fingerprint, status=Status.COMPLETED)
        return same.filter(finished_at__gt=Now() - age)

    def with_error(self, code: str) -> JobQuerySet:
        # Spelled as the index has it.
        return self.filter(error_code=code).exclude(error_code="")

    def for_url(self, url: str) -> JobQuerySet:
        """Found by the beginning of it, which is indexed, among the newest of those that begin alike."""
        starts = self.model.objects.alias(url_start=UrlStart("url")).filter(url_start=url[:URL_START])
        # Apart, or SQLite would put the one into the other and see no index.
        return self.filter(pk__in=starts.order_by("-id").values("pk")[:MOST_ALIKE], url=url)

    def failures(self, since: datetime) -> models.QuerySet[Any, Any]:
        """(id, error code, when, extractor, host) of those that failed, the newest first."""
        rows = self.filter(status=Status.FAILED, finished_at__gte=since).order_by("-finished_at")
        return rows.values_list("id", "error_code", "finished_at", "metadata__extractor", "host")

    def held_by_attempt(self, job: Job) -> JobQuerySet:
        """The row of `job`, as long as the attempt that read it still holds the lease."""
        return self.filter(pk=job.pk, lease=job.lease, attempt=job.attempt, status=Status.RUNNING)

    def on_node(self, node: str) -> JobQuerySet:
        return self.running().filter(worker__startswith=f"{node}/")

    def ahead_of(self, job: Job) -> JobQuerySet:
        """Queued jobs of the same owner that will start before `job`."""
        earlier = Q(priority__gt=job.priority) | Q(priority=job.priority, id__lt=job.id)
        return self.queued().filter(earlier, owner=job.owner_id)

    def matching(self, text: str) -> JobQuerySet:
        return self.filter(Q(title__icontains=text) | Q(url__icontains=text) | Q(client_reference=text))

    def touch(self, **changes: Any) -> int:
        """Changes what is no move of status, so that ETags and streams notice."""
        return self.update(version=F("version") + 1, updated_at=Now(), **changes)

    def retag(self, job: Job, tags: list[str]) -> bool:
        """False when its tags have changed since it was read."""
        return job.tags == tags or bool(self.filter(pk=job.pk, tags=job.tags).touch(tags=tags))

    def expire_within(self, lifetime: timedelta) -> int:
        """Of those that have files; who expires earlier than that is left alone."""
        later = Q(expires_at__isnull=True) | Q(expires_at__gt=Now() + lifetime)
        return self.filter(later, status=Status.COMPLETED).touch(expires_at=Now() + lifetime)

    def discard(self) -> list[Job]:
        """Deletes those of them that have finished, so that it can be undone; says which, as they are now."""
        with transaction.atomic():
            found = self.present().finished().order_by("pk").select_for_update()
            return self._mark(found, "discarded", discarded_at=Now())

    def restore(self) -> list[Job]:
        """Undoes it for those of them for which there is still time; says which."""
        with transaction.atomic():
            found = self.discarded().filter(discarded_at__gt=Now() - UNDO_TIME).order_by("pk").select_for_update()
            return self._mark(found, "restored", discarded_at=None)

    def _mark(self, locked: JobQuerySet, event: str, **changes: Any) -> list[Job]:
        rows = self.model.objects.filter(pk__in=list(locked.values_list("pk", flat=True)))
        rows.touch(**changes)
        JobEvent.objects.append_all(rows, event)
        return list(rows)

    def count_by_status(self) -> dict[str, int]:
        rows = self.order_by().values_list("status").annotate(Count("id"))
        return dict.fromkeys(Status.values, 0) | dict(rows)

    def count_present_by_status(self) -> dict[str, int]:
        """`present().count_by_status()`, of which indexes alone tell, however many there are."""
        all_of_them, discarded = self.count_by_status(), self.discarded().count_by_status()
        return {status: count - discarded[status] for status, count in all_of_them.items()}

    def longest_wait_seconds(self) -> float:
        """How long the first of those that could start now has been waiting; 0 when nothing waits."""
        since = self.eligible().aggregate(since=Min("eligible_at"))["since"]
        return max(0.0, (timezone.now() - since).total_seconds()) if since else 0.0

    def count_queued(self, owner: User) -> int:
        """`owned_by(owner).queued().count()`, for every submission: writing that takes Django longer than the count."""
        owner_id = self.model._meta.get_field("owner").get_db_prep_value(owner.pk, connection)  # noqa: SLF001
        with connection.cursor() as cursor:
            cursor.execute(COUNT_QUEUED, [owner_id, Status.QUEUED])
            return int(cursor.fetchone()[0])

    def stored_bytes(self) -> int:
        live = Q(files__deleted_at__isnull=True)
        return self.aggregate(total=Sum("files__size_bytes", filter=live, default=0))["total"] or 0

    def queued_by_owner(self) -> list[WaitingOfOwner]:
        """One for each owner and priority. An index tells, however many wait, but for what is not due."""
        kinds = self.queued().order_by().values("owner_id", "priority")
        # PostgreSQL knows no least of two ids.
        first = Min(Cast("pk", models.TextField()))
        counted = kinds.annotate(count=Count("pk"), first=first).values_list("owner_id", "priority", "count", "first")
        # Counted here and not there, where SQLite would read all that wait.
        later = self.queued().filter(eligible_at__gt=Now()).order_by("eligible_at")
        not_due = Counter(later.values_list("owner_id", "priority"))
        return [
            WaitingOfOwner(owner, priority, count, count - not_due[owner, priority], made_at(uuid.UUID(first)))
            for owner, priority, count, first in counted
        ]

    def in_order(self) -> JobQuerySet:
        """As the entries of their batch."""
        return self.order_by("playlist_index", "id")

    def waiting(self) -> JobQuerySet:
        """Unfinished, and no attempt at work."""
        return self.filter(status__in=(Status.QUEUED, Status.PAUSED))

    def retried_with_their_batch(self) -> JobQuerySet:
        """The failed, and what was cancelled only because another failed."""
        return self.filter(Q(status=Status.FAILED) | Q(status=Status.CANCELLED, error_code=ErrorCode.CANCELLED))


def made_at(job_id: uuid.UUID) -> datetime:
    """Ids begin with the millisecond in which they were made."""
    return datetime.fromtimestamp((job_id.int >> 80) / 1000, tz=UTC)
